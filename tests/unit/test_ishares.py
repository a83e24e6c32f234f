"""The iShares connector: what the files say, which address is asked, for which days."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from pipelines.sources.collect import parse
from pipelines.sources.errors import SourceContractChanged, SourceUnavailable, UnknownItem
from pipelines.sources.ishares import PARSERS, fetch_ishares_holdings, fetch_ishares_shares
from pipelines.sources.payloads import ItemState
from pipelines.storage.contracts import FUND_FILES, FUND_HOLDINGS, FUND_SHARES
from tests.fakes.funds import (
    COLUMNS,
    HISTORY,
    LINES,
    catalog_of_funds,
    empty_form,
    fund,
    fund_workbook,
    holdings_csv,
)
from tests.fakes.http import Asked, FakeAdapter, Reply, client_for, fetch_context, payload_of

NEW = "/varnish-api/blk-one01-product-data/product-data/api/v1/get-fund-document"
LEGACY = "/us/products/111/smx/1467271812596.ajax"
PAGE = b"<!DOCTYPE html><html><body>Accept the cookies</body></html>"
AS_OF = date(2025, 4, 4)


def holdings(body: bytes, **context: str):
    context = {"name_in_file": "Small & Example ETF"} | context
    return parse(payload_of("blackrock", "ishares_holdings", "SMX", body, **context), PARSERS)


def workbook(body: bytes):
    context = {"name_in_file": "Small & Example ETF"}
    return parse(payload_of("blackrock", "ishares_workbook", "SMX", body, **context), PARSERS)


class TestHoldingsFile:
    def test_lines_come_as_the_file_has_them(self) -> None:
        frame = holdings(holdings_csv())["fund_holdings"]
        assert list(frame.columns[: len(FUND_HOLDINGS.source_columns)]) == list(
            FUND_HOLDINGS.source_columns
        )
        assert frame["ticker"].tolist()[0] == "AAB"
        assert frame["ticker"].isna().tolist() == [False, True, False]
        assert frame["line_no"].tolist() == [1, 2, 3]
        assert frame["asset_class"].tolist() == ["Equity", "Equity", "Money Market"]
        assert frame["market_value_usd"].tolist() == [1200.5, 0.0, 799.5]
        assert frame["weight_pct"].tolist() == [60.03, 0.0, 39.97]
        assert frame["quantity"].tolist() == [100.0, 7.0, 799.5]
        assert frame["price_usd"].isna().tolist() == [False, True, False]
        assert frame["exchange"].isna().tolist() == [False, True, True]
        assert frame["as_of_on"].unique().tolist() == [pd.Timestamp("2025-02-04")]

    def test_the_file_itself_is_one_row(self) -> None:
        frame = holdings(holdings_csv())["fund_files"]
        assert set(FUND_FILES.source_columns) <= set(frame.columns)
        row = frame.iloc[0]
        assert (row["fund_id"], row["fund_name"]) == ("SMX", "Small & Example ETF")
        assert (row["shares_outstanding"], row["equity_lines"], row["line_count"]) == (200.0, 2, 3)

    def test_the_edition_is_the_lines_and_not_the_disclaimer(self) -> None:
        def edition(body: bytes) -> str:
            return holdings(body)["fund_files"]["edition"].iloc[0]

        changed = (LINES[0].replace("100.00", "101.00"), *LINES[1:])
        first = edition(holdings_csv())
        assert len(first) == 16
        assert edition(holdings_csv(notice='"Another notice."\n')) == first
        assert edition(holdings_csv(lines=changed)) != first

    def test_the_older_name_of_quantity_is_understood(self) -> None:
        body = holdings_csv(columns=COLUMNS.replace("Quantity", "Shares"))
        assert holdings(body)["fund_holdings"]["quantity"].tolist() == [100.0, 7.0, 799.5]

    def test_shares_outstanding_may_be_missing(self) -> None:
        frame = holdings(holdings_csv(shares='"-"'))["fund_files"]
        assert frame["shares_outstanding"].isna().tolist() == [True]

    @pytest.mark.parametrize(
        ("body", "rule"),
        [
            (holdings_csv(name="Other ETF"), "another fund's file, 'Other ETF'"),
            (holdings_csv(columns=COLUMNS.replace("Weight (%)", "Share (%)")), "Weight"),
            (holdings_csv(columns=COLUMNS.replace("Quantity", "Amount")), "Shares"),
            (holdings_csv(end=""), "cut off"),
            (holdings_csv()[:-260], "cut off|cells"),
            (holdings_csv(lines=(*LINES[:1], LINES[1].rsplit(",", 1)[0])), "14 cells"),
            (holdings_csv(lines=(LINES[0].replace("1,200.50", "about 12"),)), "'about 12'"),
            (holdings_csv("4 Feb 2025"), "is no date"),
            (b"\x00\x01\x02 garbage", "Fund Holdings as of"),
        ],
    )
    def test_a_broken_file_names_what_is_broken(self, body: bytes, rule: str) -> None:
        with pytest.raises(SourceContractChanged, match=rule):
            holdings(body)

    def test_the_empty_form_means_that_there_is_no_file(self) -> None:
        with pytest.raises(UnknownItem, match="no holdings file"):
            holdings(empty_form())

    def test_an_html_page_is_no_file(self) -> None:
        with pytest.raises(SourceUnavailable, match="HTML"):
            holdings(PAGE)

    def test_an_earlier_file_answers_a_holiday_and_a_later_one_nothing(self) -> None:
        assert len(holdings(holdings_csv(), asked_on="2025-02-05")["fund_files"]) == 1
        with pytest.raises(SourceContractChanged, match="answered with 2025-02-04"):
            holdings(holdings_csv(), asked_on="2025-02-03")


class TestWorkbook:
    def test_every_row_of_the_history_is_kept_sundays_too(self) -> None:
        frame = workbook(fund_workbook())["fund_shares"]
        assert list(frame.columns[: len(FUND_SHARES.source_columns)]) == list(
            FUND_SHARES.source_columns
        )
        assert frame["traded_on"].dt.strftime("%m-%d").tolist() == ["01-31", "02-02", "02-04"]
        assert frame["shares_outstanding"].fillna(-1).tolist() == [1950000.0, -1, 2000000.0]
        assert frame["nav_usd"].fillna(-1).tolist() == [-1, 12.25, 12.5]

    def test_columns_are_found_by_name(self) -> None:
        moved = [(row[3], row[0], row[1]) for row in HISTORY]
        frame = workbook(fund_workbook(moved))["fund_shares"]
        assert frame["shares_outstanding"].iloc[-1] == 2000000.0
        assert frame["nav_usd"].iloc[-1] == 12.5

    @pytest.mark.parametrize(
        ("body", "rule"),
        [
            (fund_workbook(name="Other ETF"), "another fund's workbook, 'Other ETF'"),
            (fund_workbook(HISTORY[:1]), "no rows"),
            (fund_workbook([("As Of", "NAV per Share"), ("Feb 04, 2025", 1)]), "Shares Out"),
            (fund_workbook([HISTORY[0], ("soon", 1, "--", 2)]), "'soon' is no date"),
            (fund_workbook([HISTORY[0], ("Feb 04, 2025", "n.m.", "--", 2)]), "n.m."),
            (fund_workbook().replace(b'"Historical"', b'"History"'), "no sheet 'Historical'"),
            (fund_workbook()[:-400], "cut off"),
        ],
    )
    def test_a_broken_workbook_names_what_is_broken(self, body: bytes, rule: str) -> None:
        with pytest.raises(SourceContractChanged, match=rule):
            workbook(body)

    def test_a_quarter_of_a_century_is_read_whole(self) -> None:
        days = pd.bdate_range("2000-05-22", periods=6500)[::-1].strftime("%b %d, %Y")
        body = fund_workbook([HISTORY[0], *((day, 10.5, "--", 1000000) for day in days)])
        assert len(workbook(body)["fund_shares"]) == 6500


def answering(files: dict[date, bytes], *, ignores_day: bool = False):
    """An address with these files: the newest at or before the day asked, else the empty form."""

    def answer(asked: Asked) -> Reply:
        day = asked.query.get("asOfDate")
        wanted = date(int(day[:4]), int(day[4:6]), int(day[6:])) if day else date.max
        found = [d for d in files if d <= (date.max if ignores_day else wanted)]
        return Reply(files[max(found)] if found else empty_form())

    return answer


FILES = {
    date(2024, 12, 31): holdings_csv("Dec 31, 2024", lines=LINES[:1]),
    date(2025, 2, 4): holdings_csv(),
}


def fetch(adapter: FakeAdapter, *states: ItemState, as_of: date = AS_OF, **more):
    client = client_for(adapter, "blackrock", "ishares")
    refresh = {"full_refresh": more.pop("full_refresh", False)}
    context = fetch_context(as_of, *states, **refresh)
    return fetch_ishares_holdings(client, catalog_of_funds(fund()), context, **more)


class TestAskingForHoldings:
    def test_a_first_load_asks_for_month_ends_and_keeps_each_content_once(self) -> None:
        adapter = FakeAdapter(answering(FILES))
        extract = fetch(adapter, holdings_backfill_months=12)
        days = [asked.query.get("asOfDate") for asked in adapter.asked]
        # Newest, then month-ends backwards; three empty months in a row end the search.
        # 2024-11-29 is the last session of a month whose last day was a Saturday.
        assert days == [None, "20250331", "20250228", "20250131", "20241231", "20241129",
                        "20241031", "20240930"]  # fmt: skip
        assert [o.status for o in extract.outcomes] == ["fetched"]
        assert extract.frames["fund_files"]["as_of_on"].dt.date.tolist() == [
            date(2024, 12, 31), date(2025, 2, 4),
        ]  # fmt: skip
        assert len(extract.frames["fund_holdings"]) == 4
        assert extract.requests == {"blackrock": 8}

    def test_a_first_load_reaches_back_as_far_as_told(self) -> None:
        adapter = FakeAdapter(answering({date(2000, 5, 31): holdings_csv("May 31, 2000")}))
        fetch(adapter, holdings_backfill_months=2)
        assert [a.query.get("asOfDate") for a in adapter.asked[1:]] == ["20250331", "20250228"]

    def test_a_night_asks_once_and_the_same_bytes_are_no_news(self) -> None:
        adapter = FakeAdapter(answering(FILES))
        first = fetch(adapter, holdings_backfill_months=1)
        state = ItemState("SMX", newest_on=date(2025, 2, 4), sha256=first.payloads[0].sha256)
        adapter.asked.clear()
        second = fetch(adapter, state)
        assert len(adapter.asked) == 1
        assert [o.status for o in second.outcomes] == ["unchanged"]
        assert second.frames == {}

    def test_a_full_refresh_asks_for_history_again(self) -> None:
        adapter = FakeAdapter(answering(FILES))
        state = ItemState("SMX", newest_on=date(2025, 2, 4), sha256="same")
        fetch(adapter, state, full_refresh=True, holdings_backfill_months=2)
        assert len(adapter.asked) == 3

    def test_days_asked_for_are_the_only_ones_asked(self) -> None:
        adapter = FakeAdapter(answering(FILES))
        days = [date(2024, 12, 31), date(2025, 1, 1), date(2024, 6, 28)]
        extract = fetch(adapter, asked_dates={"SMX": days})
        asked = [a.query["asOfDate"] for a in adapter.asked]
        assert asked == ["20250101", "20241231", "20240628"]
        files = extract.frames["fund_files"]
        assert files["as_of_on"].dt.date.tolist() == [date(2024, 12, 31)]
        assert fetch(adapter, asked_dates={}).outcomes == ()

    def test_a_run_for_a_past_day_does_not_take_a_later_file(self) -> None:
        adapter = FakeAdapter(answering(FILES))
        state = ItemState("SMX", newest_on=date(2024, 11, 29), sha256="other")
        extract = fetch(adapter, state, as_of=date(2025, 1, 15))
        assert [a.query.get("asOfDate") for a in adapter.asked] == [None, "20250115"]
        files = extract.frames["fund_files"]
        assert files["as_of_on"].dt.date.tolist() == [date(2024, 12, 31)]

    def test_one_edition_with_two_disclaimers_counts_once(self) -> None:
        bodies = [holdings_csv(), holdings_csv(notice='"New notice."\n')]
        adapter = FakeAdapter({NEW: [Reply(b) for b in bodies]})
        extract = fetch(adapter, holdings_backfill_months=1)
        assert len(extract.payloads) == 2
        assert len(extract.frames["fund_files"]) == 1
        assert len(extract.frames["fund_holdings"]) == 3

    @pytest.mark.parametrize(
        "new",
        [Reply("", 404), Reply(holdings_csv(name="Other ETF")), Reply("", 403), Reply("", 400)],
    )
    def test_the_legacy_address_stands_in(self, new: Reply) -> None:
        adapter = FakeAdapter({NEW: new, LEGACY: Reply(holdings_csv())})
        extract = fetch(adapter, ItemState("SMX", newest_on=date(2025, 1, 2), sha256="other"))
        assert [(o.provider, o.status) for o in extract.outcomes] == [("ishares", "fetched")]
        assert extract.frames["fund_files"]["source"].tolist() == ["ishares"]
        assert extract.requests == {"blackrock": 1, "ishares": 1}

    def test_an_address_that_ignores_the_day_is_not_believed(self) -> None:
        late = answering(FILES, ignores_day=True)
        right = answering(FILES)
        adapter = FakeAdapter(lambda asked: (late if asked.path == NEW else right)(asked))
        extract = fetch(adapter, asked_dates={"SMX": [date(2025, 1, 2)]})
        assert extract.frames["fund_files"]["as_of_on"].dt.date.tolist() == [date(2024, 12, 31)]
        assert extract.frames["fund_files"]["source"].tolist() == ["ishares"]

    def test_a_product_that_nobody_knows_is_unknown(self) -> None:
        adapter = FakeAdapter({NEW: Reply(holdings_csv(name="Other ETF")), LEGACY: Reply(PAGE)})
        outcome = fetch(adapter).outcomes[0]
        assert (outcome.item, outcome.status) == ("SMX", "unknown")
        assert "another fund's file, 'Other ETF'" in outcome.detail
        assert "ishares: an HTML page" in outcome.detail

    def test_a_block_is_no_absence(self) -> None:
        adapter = FakeAdapter(lambda _: Reply("Access Denied", 403))
        assert [o.status for o in fetch(adapter).outcomes] == ["unavailable"]


class TestAskingForShares:
    def shares(self, adapter: FakeAdapter, *states: ItemState):
        client = client_for(adapter, "blackrock", "ishares")
        context = fetch_context(AS_OF, *states)
        return fetch_ishares_shares(client, catalog_of_funds(fund()), context)

    def test_one_request_brings_the_history(self) -> None:
        adapter = FakeAdapter({NEW: Reply(fund_workbook())})
        extract = self.shares(adapter)
        assert adapter.asked[0].query["component"] == "fundDownload"
        assert len(extract.frames["fund_shares"]) == 3
        assert extract.requests == {"blackrock": 1}

    def test_the_same_workbook_is_no_news(self) -> None:
        adapter = FakeAdapter({NEW: Reply(fund_workbook())})
        sha256 = self.shares(adapter).payloads[0].sha256
        again = self.shares(adapter, ItemState("SMX", newest_on=AS_OF, sha256=sha256))
        assert [o.status for o in again.outcomes] == ["unchanged"]

    def test_another_funds_workbook_is_refused(self) -> None:
        adapter = FakeAdapter({NEW: Reply(fund_workbook(name="Other ETF"))})
        extract = self.shares(adapter)
        assert [o.status for o in extract.outcomes] == ["unknown"]
        assert extract.frames == {}
