"""Publishers of whole files: Kenneth French, Shiller, Treasury, Federal Reserve Board, ECB.

Only forms and publication days; values come from `long_history` and from the simulated FRED, so
that an agency's figure equals the FRED figure that carries it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np
import orjson

from pipelines.sample.economy import Floats, bank_holidays, stream
from pipelines.sample.fred import FredWire
from pipelines.sample.long_history import LongHistory
from pipelines.sample.macro import Macro
from pipelines.sample.wire import Answer, Ask, html_page, http_date, validated
from pipelines.sample.workbooks import Cell, Rows, biff, zip_bytes

FRENCH_LAG = 35
"""Days from the end of a month to the publication of its file."""

_SIX = ("SMALL LoBM", "ME1 BM2", "SMALL HiBM", "BIG LoBM", "ME2 BM2", "BIG HiBM")
_ME = (
    "<= 0", "Lo 30", "Med 40", "Hi 30", "Lo 20", "Qnt 2", "Qnt 3", "Qnt 4", "Hi 20", "Lo 10",
    "2-Dec", "3-Dec", "4-Dec", "5-Dec", "6-Dec", "7-Dec", "8-Dec", "9-Dec", "Hi 10",
)  # fmt: skip
_SIZE = (None, 0.0, 0.4, 1.0, 0.0, 0.15, 0.35, 0.6, 1.0, 0.0, 0.05, 0.12, 0.2, 0.3, 0.4, 0.5, 0.65,
         0.8, 1.0)  # fmt: skip
"""How large the companies of each column are: 0 like the small index, 1 like the large."""

_FORMED = "  For portfolios formed in June of year t"
_WHERE = "  Where Mth is a month from June of t to June of t+1"
_BOOK = (
    _FORMED,
    "  Value Weight Average of BE/ME Calculated for June of t to June of t+1 as: ",
    "  Sum[ME(Mth) * BE(Fiscal Year t-1) / ME(Dec t-1)] / Sum[ME(Mth)]",
    _WHERE,
    "  and BE(Fiscal Year t-1) is adjusted for net stock issuance to Dec t-1",
)
_BOOK_JUNE = (
    _FORMED,
    "  Value Weight Average of BE_FYt-1/ME_June t Calculated for June of t to June of t+1 as: ",
    "  Sum[ME(Mth) * BE(Fiscal Year t-1) / ME(Jun t)] / Sum[ME(Mth)]",
    _WHERE,
    "  and BE(Fiscal Year t-1) is adjusted for net stock issuance to Jun t",
)
_PROFIT = (
    _FORMED,
    "  Value Weight Average of OP Calculated as: ",
    "  Sum[ME(Mth) * OP(fiscal year t-1) / BE(fiscal year t-1)] / Sum[ME(Mth)] ",
    _WHERE,
)
_SIMULATED = "Simulated: made by the sample world of the smallcaps project"
_CURVES = {
    "daily_treasury_yield_curve": (
        ("1 Mo", 2001), ("1.5 Month", 2025), ("2 Mo", 2019), ("3 Mo", 1990), ("4 Mo", 2023),
        ("6 Mo", 1990), ("1 Yr", 1990), ("2 Yr", 1990), ("3 Yr", 1990), ("5 Yr", 1990),
        ("7 Yr", 1990), ("10 Yr", 1990), ("20 Yr", 1994), ("30 Yr", 1990),
    ),
    "daily_treasury_real_yield_curve": (
        ("5 YR", 2003), ("7 YR", 2003), ("10 YR", 2003), ("20 YR", 2004), ("30 YR", 2010),
    ),
}  # fmt: skip
_BOARD = {
    "H15": (
        ("RIFLGFCM03_N.B", "DGS3MO", "Market yield, 3-month constant maturity",
         "Percent:_Per_Year"),
        ("RIFLGFCY02_N.B", "DGS2", "Market yield, 2-year constant maturity",
         "Percent:_Per_Year"),
        ("RIFLGFCY10_N.B", "DGS10", "Market yield, 10-year constant maturity",
         "Percent:_Per_Year"),
    ),
    "H10": (
        ("JRXWTFB_N.B", "DTWEXBGS", "Nominal Broad Dollar Index", "Index:_2006_Jan_100"),
        ("JRXWTFN_N.B", "DTWEXAFEGS", "Nominal Advanced Foreign Economies Dollar Index",
         "Index:_2006_Jan_100"),
    ),
}  # fmt: skip
_ECB_KEY = "FM.D.U2.EUR.4F.KR.DFR.LEV"


@dataclass(frozen=True)
class DocumentsWire:
    """Answers for the publishers of files."""

    macro: Macro
    fred: FredWire
    history: LongHistory

    # -- Kenneth French ---------------------------------------------------------------------
    def french(self, ask: Ask) -> Answer:
        """Answer `…/ftp/{name}_CSV.zip` with validators; the whole history in every edition."""
        name = ask.path.rsplit("/", 1)[-1].removesuffix("_CSV.zip")
        makers = {
            "6_Portfolios_2x3": self._six,
            "Portfolios_Formed_on_ME": self._by_size,
            "F-F_Research_Data_Factors": self._factors,
        }
        if name not in makers or not ask.path.endswith("_CSV.zip"):
            return html_page(404, "404 - File or directory not found.", "It might have been moved.")
        newest = np.datetime64(ask.now - timedelta(days=FRENCH_LAG - 1)).astype("datetime64[M]") - 1
        count = int(np.searchsorted(self.history.months, newest, side="right"))
        text = "\r\n".join(makers[name](count, str(newest).replace("-", ""))) + "\r\n"
        published: date = ((newest + 1).astype("datetime64[D]") - 1 + FRENCH_LAG).item()
        body = zip_bytes(
            {f"{name}.csv": text.encode("latin-1")},
            stamp=(published.year, published.month, published.day),
        )
        return validated(ask, body, "application/x-zip-compressed", http_date(published))

    def _table(
        self,
        heading: Sequence[str],
        columns: Sequence[str],
        values: Floats,
        *,
        decimals: int = 4,
        annual: bool = False,
    ) -> Iterator[str]:
        labels = self.history.months[: len(values)]
        if annual:
            years = labels.astype("datetime64[Y]").astype(int) + 1970
            whole = [y for y in sorted(set(years.tolist())) if (years == y).sum() == 12]
            values = np.array([
                100 * (np.prod(1 + values[years == y] / 100, axis=0) - 1) for y in whole
            ])  # fmt: skip
            names = [f"  {y}" for y in whole]
        else:
            names = [str(label).replace("-", "") for label in labels]
        missing = f"{-99.99 if decimals else -999:9.{min(decimals, 2)}f}"
        yield from heading
        yield "," + ",".join(columns)
        for name, row in zip(names, values.tolist(), strict=True):
            cells = [missing if v != v else f"{v:9.{decimals}f}" for v in row]
            yield f"{name},{','.join(cells)}"
        yield ""
        yield ""

    def _six(self, count: int, vintage: str) -> Iterator[str]:
        returns = self.history.returns[:count]
        rng = stream(self.macro.economy.seed, "french/equal")
        extra = np.where([True] * 3 + [False] * 3, 0.2, 0.05)
        equal = np.round(returns + extra + 0.4 * rng.standard_normal(returns.shape), 4)
        firms, caps, june, december = (x[:count] for x in self.history.books)
        yield f"This file was created by {_SIMULATED.upper()} using the {vintage} CRSP database."
        yield "It contains value- and equal-weighted returns for portfolios formed on ME and BEME."
        yield ""
        yield "The portfolios are constructed at the end of June."
        yield "Annual returns are from January to December."
        yield ""
        yield "Missing data are indicated by -99.99 or -999."
        yield ""
        yield ""
        yield from self._table(["  Average Value Weighted Returns -- Monthly"], _SIX, returns)
        yield from self._table(["  Average Equal Weighted Returns -- Monthly"], _SIX, equal)
        yield from self._table(
            ["  Average Value Weighted Returns -- Annual"], _SIX, returns, annual=True
        )
        yield from self._table(
            ["  Average Equal Weighted Returns -- Annual"], _SIX, equal, annual=True
        )
        yield from self._table(["  Number of Firms in Portfolios"], _SIX, firms, decimals=0)
        yield from self._table(["  Average Market Cap"], _SIX, caps, decimals=2)
        yield from self._table(_BOOK, _SIX, december)
        yield from self._table(_BOOK_JUNE, _SIX, june)
        profit = np.round(0.42 - 0.12 * np.log(december), 4)
        yield from self._table(_PROFIT, _SIX, profit)
        yield f"Copyright {vintage[:4]} nobody. {_SIMULATED}"

    def _by_size(self, count: int, vintage: str) -> Iterator[str]:
        f = self.history.factors
        small, large = f["small"][:count], f["large"][:count]
        firms, caps, _, _ = (x[:count] for x in self.history.books)
        low, high = caps[:, 1], caps[:, 4]
        columns = {"returns": [], "firms": [], "caps": []}  # type: dict[str, list[Floats]]
        none = np.full(count, np.nan)
        for size in _SIZE:
            if size is None:
                for found in columns.values():
                    found.append(none)
                continue
            columns["returns"].append((1 - size) * small + size * large)
            columns["firms"].append(np.round(firms.sum(axis=1) * (0.3 - 0.22 * size)))
            columns["caps"].append(np.exp((1 - size) * np.log(low) + size * np.log(high)))
        stacked = {name: np.stack(found, axis=1) for name, found in columns.items()}
        yield f"This file was created using the {vintage} CRSP database.  It contains"
        yield "value- and equal-weighted returns for size portfolios.  Each record contains"
        yield ""
        yield "Negative (not used)  30%  40%  30%     5 Quintiles    10 Deciles"
        yield ""
        yield "Missing data are indicated by -99.99 or -999."
        yield ""
        yield ""
        monthly, equal = stacked["returns"], stacked["returns"] + 0.1
        yield from self._table(["  Average Value Weight Returns -- Monthly"], _ME, monthly)
        yield from self._table(["  Average Equal Weighted Returns -- Monthly"], _ME, equal)
        yield from self._table(
            ["  Value Weight Returns -- Annual from January to December"], _ME, monthly, annual=True
        )
        yield from self._table(
            ["  Equal Weight Returns -- Annual from January to December"], _ME, equal, annual=True
        )
        yield from self._table(
            ["  Number of Firms in Portfolios"], _ME, stacked["firms"], decimals=0
        )
        yield from self._table(["  Average Firm Size"], _ME, stacked["caps"], decimals=2)
        yield f"Copyright {vintage[:4]} nobody. {_SIMULATED}"

    def _factors(self, count: int, vintage: str) -> Iterator[str]:
        f = {name: values[:count] for name, values in self.history.factors.items()}
        market = 0.1 * f["small"] + 0.9 * f["large"] - f["bills"]
        values = np.stack([market, f["small"] - f["large"], -1.4 * f["growth"], f["bills"]], axis=1)
        names = ("Mkt-RF", "SMB", "HML", "RF")
        yield f"This file was created using the {vintage} CRSP database."
        yield f"The 1-month TBill return is {_SIMULATED.lower()}."
        yield ""
        yield from self._table([], names, np.round(values, 2), decimals=2)
        heading = [" Annual Factors: January-December "]
        yield from self._table(heading, names, np.round(values, 2), decimals=2, annual=True)
        yield f"Copyright {vintage[:4]} nobody. {_SIMULATED}"

    # -- Shiller ----------------------------------------------------------------------------
    def shiller_page(self, ask: Ask) -> Answer:
        """Answer the page that links to the newest workbook."""
        link = "//img1.wsimg.com/blobby/go/0000-5a/downloads/0000-5a/ie_data.xls"
        if ask.path not in ("", "/"):
            return html_page(404, "404 Not Found", "The requested URL was not found here.")
        return html_page(200, "Online Data (simulated)", f'<a href="{link}">ie_data.xls</a>')

    def shiller(self, ask: Ask) -> Answer:
        """Answer `…/ie_data.xls`: months that have ended, from the sixth of the next month on."""
        if not ask.path.endswith("/ie_data.xls"):
            return html_page(404, "404 Not Found", "The requested URL was not found here.")
        newest = np.datetime64(ask.now - timedelta(days=5)).astype("datetime64[M]") - 1
        published: date = ((newest + 1).astype("datetime64[D]") + 5).item()
        sheets: dict[str, Rows] = {
            "Disclaimer": [[_SIMULATED]],
            "Data": list(self._shiller_rows(newest)),
        }
        body = biff(sheets)
        return validated(ask, body, "application/vnd.ms-excel", http_date(published, time(12)))

    def _shiller_rows(self, newest: np.datetime64) -> Iterator[Sequence[Cell]]:
        months = self.history.workbook_months
        count = int(np.searchsorted(months, newest, side="right"))
        book = {name: values[:count] for name, values in self.history.workbook.items()}
        to_real = book["cpi"][-1] / book["cpi"]
        known = count - 3  # earnings and dividends are not in yet for the last months
        real_price, real_earnings = book["price"] * to_real, (book["earnings"] * to_real)[:known]
        yield []
        yield [f"Stock Market Data. {_SIMULATED}"]
        yield [None] * 12 + ["Adjusted"]
        yield [None] * 12 + ["Price"]
        yield [None] * 4 + ["  Consumer", None, None, None, None, "Real", None, "Real", "Earnings"]
        yield [None, "S&P", None, None, "Price", None, "Long", None, None, "Total", None, "TR",
               "Ratio"]  # fmt: skip
        yield [None, "Comp.", "Dividend", "Earnings", "Index", "Date  ", "Interest", "Real", "Real",
               "Return", "Real", "Scaled", "P/E10 or"]  # fmt: skip
        yield ["Date", "P", "D", "E", "CPI", "Fraction", "Rate GS10", "Price", "Dividend", "Price",
               "Earnings", "Earnings", "CAPE"]  # fmt: skip
        for i, label in enumerate(months[:count].tolist()):
            cape: Cell = "NA"
            if i >= 120:
                ten_years = real_earnings[max(0, min(i, known) - 120) : min(i, known)]
                cape = round(float(real_price[i] / ten_years.mean()), 6)
            late = i >= known
            yield [
                round(label.year + label.month / 100, 2),
                float(book["price"][i]),
                None if late else float(book["dividend"][i]),
                None if late else float(book["earnings"][i]),
                float(book["cpi"][i]),
                round(label.year + (label.month - 0.5) / 12, 6),
                float(book["rate"][i]),
                round(float(real_price[i]), 4),
                None if late else round(float(book["dividend"][i] * to_real[i]), 4),
                round(float(real_price[i]), 4),
                None if late else round(float(real_earnings[i]), 4),
                None if late else round(float(real_earnings[i]), 4),
                cape,
            ]
        yield [None, "All simulated", None, None, "Last CPI estimated"]

    # -- agencies ---------------------------------------------------------------------------
    def treasury(self, ask: Ask) -> Answer:
        """Answer one year of a curve: newest first, m/d/Y, tenors as they were in that year."""
        found = re.search(r"/daily-treasury-rates\.csv/(\d{4})/all$", ask.path)
        curve = _CURVES.get(ask.query.get("type", ""))
        if found is None or curve is None:
            return html_page(404, "Page not found | U.S. Department of the Treasury", "Not here.")
        year = int(found.group(1))
        tenors = [name for name, since in curve if since <= year]
        rates, days = self.macro.economy.rates, self.macro.economy.weekdays
        first, last = np.datetime64(f"{year}-01-01"), np.datetime64(f"{year}-12-31")
        rows = np.flatnonzero(
            (days >= first)
            & (days <= min(last, np.datetime64(ask.now)))
            & np.is_busday(days, holidays=bank_holidays())
        )
        lines = ["Date," + ",".join(f'"{t}"' for t in tenors)] if tenors else []
        for i in rows[::-1].tolist() if tenors else ():
            day: date = days[i].item()
            short, two, ten = (float(rates[n][i]) for n in ("bill", "two", "ten"))
            cells = [f"{_tenor(t, short, two, ten, float(rates['real'][i])):.2f}" for t in tenors]
            lines.append(f"{day:%m/%d/%Y}," + ",".join(cells))
        return Answer(200, "\n".join(lines).encode(), "text/csv; charset=UTF-8")

    def board(self, ask: Ask) -> Answer:
        """Answer one package of the Board's data download: six header rows, ND on holidays."""
        release = ask.query.get("rel", "")
        columns = _BOARD.get(release)
        if ask.path.lower() != "/datadownload/output.aspx" or columns is None:
            return html_page(404, "Page not found", "The page you requested cannot be found.")

        def bound(name: str, default: str) -> str:
            text = ask.query.get(name, "")
            if not text:
                return default
            return datetime.strptime(text, "%m/%d/%Y").date().isoformat()  # noqa: DTZ007

        low, high, today = bound("from", ""), bound("to", "9999"), ask.now.isoformat()
        values = [
            {o.day: o.value for o in self.fred.store.history(series)
             if o.start <= today <= o.end and low <= o.day <= high}
            for _, series, _, _ in columns
        ]  # fmt: skip
        head: list[tuple[str, list[str]]] = [
            ("Series Description", [c[2] for c in columns]),
            ("Unit:", [c[3] for c in columns]),
            ("Multiplier:", ["1"] * len(columns)),
            ("Currency:", ["NA"] * len(columns)),
            ("Unique Identifier: ", [f"{release}/{release}/{c[0]}" for c in columns]),
            ("Time Period", [c[0] for c in columns]),
        ]
        lines = [",".join(f'"{cell}"' for cell in (label, *cells)) for label, cells in head]
        days: set[str] = set()
        for day in sorted(days.union(*values)):
            cells = [v.get(day, ".") for v in values]
            lines.append(",".join([day, *("ND" if c == "." else c for c in cells)]))
        name = {"Content-Disposition": f'attachment; filename="FRB_{release}.csv"'}
        return Answer(200, "\r\n".join(lines).encode(), "text/csv", name)

    def ecb(self, ask: Ask) -> Answer:
        """Answer the deposit facility rate as `csvdata`; anything else is an unknown series."""
        days, values = self.macro.values("ECBDFR")
        low = ask.query.get("startPeriod", "")
        high = min(ask.query.get("endPeriod", "9999"), ask.now.isoformat())
        wanted = "/service/data/" + _ECB_KEY.replace(".", "/", 1)
        rows = [
            (day, value)
            for day, value in zip(days.astype(str).tolist(), values.tolist(), strict=True)
            if low <= day <= high
        ]
        if ask.path != wanted or ask.query.get("format") != "csvdata" or not rows:
            problem = {"type": ask.path, "title": "Not Found", "status": 404,
                       "detail": "No Series was returned for the query",
                       "instance": ask.path}  # fmt: skip
            return Answer(404, orjson.dumps(problem), "application/problem+json")
        names = ["KEY", "FREQ", "REF_AREA", "CURRENCY", "PROVIDER_FM", "INSTRUMENT_FM",
                 "PROVIDER_FM_ID", "DATA_TYPE_FM", "TIME_PERIOD", "OBS_VALUE"]  # fmt: skip
        more = ask.query.get("detail") != "dataonly"
        names += ["OBS_STATUS", "OBS_CONF", "TITLE", "UNIT"] if more else []
        key = [_ECB_KEY, *_ECB_KEY.split(".")[1:]]
        tail = ["A", "F", '"Deposit facility - simulated, Level"', "PCPA"] if more else []
        lines = [",".join(names)]
        lines += [",".join([*key, day, f"{value:g}", *tail]) for day, value in rows]
        return Answer(200, "\r\n".join([*lines, ""]).encode(), "text/csv")


def _tenor(name: str, short: float, two: float, ten: float, real: float) -> float:
    """Return one tenor: the three that FRED carries exactly, the others in between."""
    if name.endswith("YR"):
        return {"5 YR": real - 0.25, "7 YR": real - 0.1, "10 YR": real}.get(name, real + 0.3)
    near, far = short + (two - short) * 0.4, two + (ten - two) * 0.4
    return {"2 Yr": two, "10 Yr": ten, "6 Mo": short + (two - short) * 0.2, "1 Yr": near,
            "3 Yr": two + (ten - two) * 0.15, "5 Yr": far, "7 Yr": two + (ten - two) * 0.7,
            "20 Yr": ten + 0.45, "30 Yr": ten + 0.4}.get(name, short)  # fmt: skip
