"""The sources under test: what is asked, which item gets the faults, how its document reads.

`play` runs their nights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from pipelines.catalog.models import Catalog, load_catalog
from tests.faults import injected
from tests.faults.forms import (
    ApiForm,
    ChartForm,
    CsvForm,
    FactsForm,
    Form,
    FrameForm,
    FrenchForm,
    HoldingsForm,
    HoldingsXlsxForm,
    ListForm,
    ShillerForm,
    WorkbookForm,
    XlsxForm,
)

Chooses = Callable[[str, str, Mapping[str, str]], bool]
"""Says of host, path and query whether a request is for the item under test."""
DAILY = (date(2025, 10, 9), date(2025, 10, 10))
MONTHLY = (date(2025, 9, 30), date(2025, 10, 10))
QUARTERLY = (date(2025, 7, 31), date(2025, 10, 10))
"""As-of dates of the honest night and of the one with the fault: between them each source has
something new."""


@dataclass(frozen=True)
class Station:
    """One source under test: what is asked, which item gets the fault, how its document reads."""

    name: str
    title: str
    feed: str
    source: str
    """Provider id that errors name."""
    item: str
    form: Form
    is_item: Chooses
    series: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    funds: tuple[str, ...] = ()
    other: tuple[str, str] | None = None
    """Text of the address to replace, and by what, to ask for another item."""
    nights: tuple[date, date] = DAILY
    keyless: bool = False
    stands_on: tuple[str, ...] = ()
    """Feeds that the honest night loads before: they say what is asked."""
    members: tuple[str, ...] = ()
    """Tickers that are left of the holdings."""
    concepts: tuple[str, ...] = ()
    """Figures of filings that are asked; all of the catalogue's where none is named."""
    provider: str | None = None
    """The instruments' only provider, where it is not the catalogue's."""
    has_whole_wire: bool = False
    """Every fault on the way is tried here, not only the core of them."""

    def catalog(self) -> Catalog:
        """Return the catalogue cut down to this station's items, with small body limits."""
        whole = load_catalog()
        funds = tuple(
            fund.model_copy(update={"history_from": date(2025, 6, 1)})
            for fund in whole.funds
            if fund.id in self.funds
        )
        providers = tuple(
            p.model_copy(update={"max_body_mb": float(injected.LARGEST_BODY_MB)})
            for p in whole.providers
        )
        return whole.model_copy(
            update={
                "fred_series": tuple(s for s in whole.fred_series if s.id in self.series),
                "instruments": tuple(
                    i.model_copy(update={"providers": (self.provider,)}) if self.provider else i
                    for i in whole.instruments
                    if i.symbol in self.instruments
                ),
                "funds": funds,
                "providers": providers,
                "concepts": tuple(
                    c for c in whole.concepts if not self.concepts or c.id in self.concepts
                ),
            }
        )

    def faults(self) -> tuple[str, ...]:
        """Return the names of the faults that this source can have, in the matrix's order."""
        wire = injected.WIRE if self.has_whole_wire else injected.WIRE_CORE
        names = [*wire, *injected.BODIES, *injected.TABLES]
        if self.other is not None:
            names.append(injected.OTHERS)
        able = injected.ONLY_FOR
        undated = not self.form.day and not isinstance(self.form, (HoldingsForm, HoldingsXlsxForm))
        return tuple(
            n
            for n in names
            if (n not in able or self.name in able[n])
            and not (undated and n in injected.NEED_A_DATE)
        )


def _query_has(name: str, value: str) -> Chooses:
    return lambda _host, _path, query: value in query.get(name, "").split(",")


def _ishares(component: str) -> Chooses:
    def chosen(host: str, path: str, query: Mapping[str, str]) -> bool:
        if "blackrock" in host:
            return query.get("component") == component
        return "ishares" in host and query.get("fileType") == (
            "csv" if component == "holdings" else "xls"
        )

    return chosen


def _path_has(text: str) -> Chooses:
    return lambda _host, path, _query: text in path


_PRODUCT = {fund.id: fund.product_id for fund in load_catalog().funds}
_QUOTES = ("open", "high", "low", "close", "adjclose")

STATIONS: Mapping[str, Station] = {
    s.name: s
    for s in (
        Station(
            name="fred-api",
            title="FRED API, one series",
            feed="fred_observations",
            source="fred-api",
            item="DGS10",
            form=ApiForm("date", "value"),
            is_item=lambda host, path, query: (
                path.endswith("/observations") and query.get("series_id") == "DGS10"
            ),
            series=("DGS10", "ICSA"),
            other=("series_id=DGS10", "series_id=ICSA"),
        ),
        Station(
            name="fred-graph",
            has_whole_wire=True,
            title="FRED graph CSV, one series",
            feed="fred_observations",
            source="fred-graph",
            item="DGS10",
            form=CsvForm("observation_date", "DGS10"),
            is_item=_query_has("id", "DGS10"),
            series=("DGS10", "ICSA"),
            other=("id=DGS10", "id=ICSA"),
            keyless=True,
        ),
        Station(
            name="treasury",
            title="Treasury curve, one year",
            feed="agency_observations",
            source="treasury",
            item="DGS10",
            form=CsvForm(
                "Date",
                "10 Yr",
                newest_first=True,
                pattern="%m/%d/%Y",
                ends_with_newline=False,
            ),
            is_item=lambda host, path, query: query.get("type") == "daily_treasury_yield_curve",
            series=("DGS10", "DFII10"),
            other=("type=daily_treasury_yield_curve", "type=daily_treasury_real_yield_curve"),
        ),
        Station(
            name="fed-board",
            title="Board H.10 package",
            feed="agency_observations",
            source="fed-board",
            item="DTWEXBGS",
            form=CsvForm("Time Period", "JRXWTFB_N.B", header_at="Time", ends_with_newline=False),
            is_item=_path_has("Output.aspx"),
            series=("DTWEXBGS", "DTWEXAFEGS"),
            nights=MONTHLY,
        ),
        Station(
            name="ecb",
            title="ECB deposit rate",
            feed="agency_observations",
            source="ecb",
            item="ECBDFR",
            form=CsvForm("TIME_PERIOD", "OBS_VALUE", header_at="KEY"),
            is_item=_path_has("/service/data"),
            series=("ECBDFR", "DGS10"),
        ),
        Station(
            name="yahoo",
            has_whole_wire=True,
            title="Yahoo chart, one instrument",
            feed="instrument_bars",
            source="yahoo",
            item="IWM",
            form=ChartForm("timestamp", "close", scaled=_QUOTES),
            is_item=_path_has("/chart/IWM"),
            instruments=("IWM", "^RUT"),
            other=("/chart/IWM", "/chart/%5ERUT"),
        ),
        Station(
            name="ishares-holdings",
            title="iShares holdings CSV, both addresses",
            feed="fund_holdings",
            source="blackrock",
            item="IWM",
            form=HoldingsForm("", "Weight (%)", pattern="%b %d, %Y"),
            is_item=_ishares("holdings"),
            funds=("IWM",),
            other=(f"={_PRODUCT['IWM']}", f"={_PRODUCT['IVV']}"),
        ),
        Station(
            name="ishares-workbook",
            has_whole_wire=True,
            title="iShares fund workbook, both addresses",
            feed="fund_shares",
            source="blackrock",
            item="IWM",
            form=WorkbookForm(
                "As Of", "Shares Outstanding", newest_first=True, pattern="%b %d, %Y"
            ),
            is_item=_ishares("fundDownload"),
            funds=("IWM",),
            other=(f"={_PRODUCT['IWM']}", f"={_PRODUCT['IWN']}"),
        ),
        Station(
            name="ssga",
            has_whole_wire=True,
            title="State Street NAV history (xlsx)",
            feed="fund_shares",
            source="ssga",
            item="XLK",
            form=XlsxForm("Date", "Shares Outstanding", newest_first=True, pattern="%d-%b-%Y"),
            is_item=_path_has("navhist-us-en-xlk"),
            funds=("XLK",),
            other=("navhist-us-en-xlk", "navhist-us-en-xlb"),
        ),
        Station(
            name="tiingo",
            title="Tiingo daily prices, one instrument",
            feed="instrument_bars",
            source="tiingo",
            item="IWM",
            form=ListForm("date", "close", scaled=("open", "high", "low", "close", "adjClose")),
            is_item=_path_has("/daily/IWM/"),
            instruments=("IWM", "SPY"),
            provider="tiingo",
            other=("/daily/IWM/", "/daily/SPY/"),
        ),
        Station(
            name="ssga-holdings",
            title="State Street holdings (xlsx)",
            feed="fund_holdings",
            source="ssga",
            item="SPY",
            form=HoldingsXlsxForm("", "Weight", pattern="%d-%b-%Y"),
            is_item=_path_has("holdings-daily-us-en-spy"),
            funds=("SPY",),
        ),
        Station(
            name="sec-companies",
            title="SEC list of tickers",
            feed="sec_companies",
            source="sec-www",
            item="company_tickers",
            form=ListForm("", "cik_str"),
            is_item=_path_has("company_tickers"),
            nights=(date(2024, 10, 10), date(2025, 10, 10)),
        ),
        Station(
            name="sec-facts",
            title="SEC company facts, one company and tag",
            feed="sec_facts",
            source="sec",
            item="0009000463",
            form=FactsForm("end", "val", period_days=91),
            is_item=_path_has("CIK0009000463"),
            funds=("IVV",),
            stands_on=("sec_companies", "fund_holdings"),
            members=("XOSO", "XIZU"),
            other=("CIK0009000463", "CIK0009000643"),
            nights=QUARTERLY,
        ),
        Station(
            name="sec-frames",
            title="SEC frame, one tag and quarter of all companies",
            feed="sec_frames",
            source="sec",
            item="us-gaap.NetIncomeLoss.USD.CY2025Q2",
            form=FrameForm("end", "val", period_days=91),
            is_item=_path_has("/NetIncomeLoss/USD/CY2025Q2.json"),
            stands_on=("sec_companies",),
            concepts=("net_income",),
            other=("/CY2025Q2.json", "/CY2025Q1.json"),
            nights=QUARTERLY,
        ),
        Station(
            name="french",
            title="French library, factor file (zip)",
            feed="french_portfolios",
            source="french",
            item="F-F_Research_Data_Factors",
            form=FrenchForm("period", "SMB", pattern="%Y%m", period_days=31),
            is_item=_path_has("F-F_Research_Data_Factors"),
            other=("F-F_Research_Data_Factors", "6_Portfolios_2x3"),
            nights=MONTHLY,
        ),
        Station(
            name="shiller",
            has_whole_wire=True,
            title="Shiller workbook (xls)",
            feed="shiller_history",
            source="shiller",
            item="ie_data",
            form=ShillerForm("Date", "P", period_days=31),
            is_item=_path_has("ie_data.xls"),
            nights=MONTHLY,
        ),
    )
}
