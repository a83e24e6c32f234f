import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import duckdb
import pandas as pd
import pytest

from pipelines.catalog.models import (
    Catalog,
    Fund,
    Instrument,
    Provider,
    TickerMap,
    TickerRename,
    TickerReuse,
)
from pipelines.errors import ConfigurationError
from pipelines.storage import meta
from pipelines.storage.contracts import RAW_TABLES
from pipelines.storage.errors import WarehouseBusy
from pipelines.storage.reference import write_reference
from pipelines.storage.warehouse import open_build, storage_version
from tests.fakes.storage import load, observations, settings_in, stored

NOW = datetime(2024, 3, 1, 22, 0, tzinfo=UTC)


def test_a_new_warehouse_has_its_stamp_its_tables_and_its_storage_version(tmp_path) -> None:
    with open_build(settings_in(tmp_path)) as build:
        assert storage_version(build, "warehouse") == "v1.5.0+"
        assert stored(build, "select world from meta.world") == [("sample",)]
        tables = stored(
            build, "select table_name from duckdb_tables() where schema_name = 'raw' order by 1"
        )
        assert tables == [(name,) for name in sorted(RAW_TABLES)]
        assert stored(build, "select current_setting('TimeZone')") == [("UTC",)]
        types = stored(
            build,
            "select data_type from duckdb_columns() where schema_name = 'raw' "
            "and table_name = 'instrument_bars' and column_name = 'close'",
        )
        assert types == [("DECIMAL(18,6)",)]


def test_what_is_loaded_is_there_when_opened_again(tmp_path) -> None:
    settings = settings_in(tmp_path)
    with open_build(settings) as build:
        load(build, "fred_observations", observations({"2024-01-01": 1.0}), "2024-03-01")
    with open_build(settings) as build:
        assert stored(build, "select value from raw.fred_observations") == [(1.0,)]
        assert storage_version(build, "warehouse") == "v1.5.0+"


def test_a_warehouse_of_another_world_is_refused_and_unchanged(tmp_path) -> None:
    with open_build(settings_in(tmp_path)):
        pass
    with (
        pytest.raises(
            ConfigurationError, match=r"belongs to 'sample'.*'live'.*SMALLCAPS_WAREHOUSE"
        ),
        open_build(settings_in(tmp_path, world="live")),
    ):
        pass
    with open_build(settings_in(tmp_path)) as build:
        assert stored(build, "select world from meta.world") == [("sample",)]


def test_a_busy_warehouse_names_the_process_that_holds_it(tmp_path) -> None:
    settings = settings_in(tmp_path)
    with open_build(settings):
        pass
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); "
            "sys.stdin.read()",
            str(settings.build_path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(WarehouseBusy, match=f"process {holder.pid} "),
            open_build(settings, wait_s=0),
        ):
            pass
    finally:
        holder.communicate(timeout=20)


def test_a_crash_before_the_first_commit_leaves_a_file_that_can_be_filled(tmp_path) -> None:
    settings = settings_in(tmp_path)
    settings.build_path.parent.mkdir(parents=True)
    duckdb.connect(
        str(settings.build_path), config={"storage_compatibility_version": "v1.5.0"}
    ).close()
    with open_build(settings) as build:
        assert stored(build, "select world from meta.world") == [("sample",)]


def test_a_file_that_lost_its_content_is_not_taken_for_a_new_one(tmp_path) -> None:
    settings = settings_in(tmp_path)
    with open_build(settings):
        pass
    settings.build_path.unlink()
    duckdb.connect(str(settings.build_path)).close()
    with pytest.raises(ConfigurationError, match="is empty although"), open_build(settings):
        pass
    settings.build_path.unlink()
    with open_build(settings) as build:
        assert stored(build, "select count(*) from meta.world") == [(1,)]


def test_a_killed_writer_loses_only_what_it_had_not_committed(tmp_path) -> None:
    settings = settings_in(tmp_path)
    with open_build(settings):
        pass
    script = (
        "import duckdb, os, sys\n"
        "c = duckdb.connect(sys.argv[1])\n"
        "c.execute(\"insert into meta.item_loads values ('f', 'kept', '2024-03-01', 'b')\")\n"
        "c.execute('begin')\n"
        "c.execute(\"insert into meta.item_loads values ('f', 'lost', '2024-03-01', 'b')\")\n"
        "os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(settings.build_path)], timeout=60)
    assert done.returncode == 9
    with open_build(settings) as build:
        assert stored(build, "select item from meta.item_loads") == [("kept",)]


def test_a_raw_table_of_an_older_contract_is_named(tmp_path) -> None:
    settings = settings_in(tmp_path)
    with open_build(settings) as build:
        build.execute("alter table raw.fund_shares add column colour varchar")
    with (
        pytest.raises(ConfigurationError, match=r"raw\.fund_shares .* \(colour\): smallcaps reb"),
        open_build(settings),
    ):
        pass


# -- meta --------------------------------------------------------------------------------------
@pytest.fixture
def build(tmp_path):
    with open_build(settings_in(tmp_path)) as connection:
        yield connection


def test_a_run_is_noted_once_and_closed(build) -> None:
    options = {"world": "sample", "as_of": date(2024, 3, 1), "code_version": "1", "started_at": NOW}
    for branches in (["macro", "funds"], ["other"]):
        meta.start_run(build, "r1", branches=branches, **options)
    meta.finish_run(build, "r1", status="published", finished_at=NOW + timedelta(hours=1))
    assert stored(build, "select run_id, branches, status, finished_at from meta.runs") == [
        ("r1", "macro,funds", "published", "2024-03-01T23:00:00")
    ]


def test_moments_without_a_zone_are_refused() -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        meta.utc(datetime(2024, 3, 1))  # noqa: DTZ001 - that is the point


def test_a_check_judged_again_replaces_its_row(build) -> None:
    for status in ("failed", "passed"):
        meta.record_checks(
            build, "r1", [meta.CheckRecord("gate:x", "gate", "landing.x", "block", status)]
        )
    meta.record_checks(
        build, "r2", [meta.CheckRecord("gate:x", "gate", "landing.x", "block", "failed")]
    )
    rows = stored(build, "select run_id, status from meta.checks order by 1")
    assert rows == [("r1", "passed"), ("r2", "failed")]


def test_a_loaded_batch_stays_loaded(build) -> None:
    def batch(status, inserted):
        return meta.BatchRecord(
            "b", "r1", "f", date(2024, 3, 1), NOW, 1, 2, 3, 4, 0, inserted, status
        )

    for status, inserted in (("landed", 0), ("loaded", 4), ("landed", 0)):
        meta.record_batch(build, batch(status, inserted))
    assert stored(build, "select status, inserted_rows from meta.batches") == [("loaded", 4)]


def test_quarantined_rows_of_a_batch_are_replaced_when_it_is_judged_again(build) -> None:
    row = {
        "table_name": "fund_shares", "source": "blackrock", "item": "IWM",
        "row_date": pd.Timestamp("2024-03-03"), "rule": "dates_are_sessions",
        "reason": "a Sunday", "row_json": "{}",
    }  # fmt: skip
    for n in (2, 1):
        rows = pd.DataFrame([row] * n)
        meta.record_quarantine(
            build, run_id="r1", batch_id="b", feed="fund_shares", rows=rows, judged_at=NOW
        )
    assert stored(build, "select item, row_date, reason from meta.quarantine") == [
        ("IWM", "2024-03-03", "a Sunday")
    ]


def test_a_source_that_is_down_keeps_its_validators_and_its_last_answer(build) -> None:
    def status(kind, fetched, newest):
        return meta.SourceStatus(
            feed="f", item="A", provider="fred-api", status=kind, detail="", last_attempt_at=NOW,
            last_fetched_at=fetched, newest_on=newest, is_stale=False, stale_since=None,
            is_required=True,
        )  # fmt: skip

    meta.update_source_status(build, "r1", [status("fetched", NOW, date(2024, 2, 1))])
    build.execute("update meta.source_status set etag = 'e', sha256 = 's'")
    meta.update_source_status(build, "r2", [status("unavailable", None, date(2024, 2, 1))])
    assert stored(
        build, "select status, last_fetched_at, etag, sha256, run_id from meta.source_status"
    ) == [("unavailable", "2024-03-01T22:00:00", "e", "s", "r2")]


def test_every_published_meta_column_says_what_it_means() -> None:
    described = meta.dictionary()
    kept = {"item_loads", "reread_requests", "standing_builds"}
    assert set(described["table_name"]) == set(meta.TABLES) - kept
    assert described["meaning"].str.len().min() > 5


# -- reference ---------------------------------------------------------------------------------
def small_catalog(**more) -> Catalog:
    return Catalog(
        fred_series=(),
        instruments=(
            Instrument(
                symbol="IWM", title="Fund", kind="etf", groups=("small_cap",), why="w",
                providers=("tiingo", "yahoo"),
            ),
        ),
        funds=(
            Fund(
                id="IWM", title="Fund", name_in_file="Fund", issuer="ishares", product_id="1",
                slug="s", group="small_cap", universe_id="russell_2000", holdings=True,
                history_from=date(2000, 5, 22), why="w",
            ),
        ),
        tickers=TickerMap(
            class_shares={"BRKB": "BRK-B"},
            renames=(
                TickerRename(
                    universe_ticker="FB", price_symbol="META", valid_to=date(2022, 6, 8), note="n"
                ),
            ),
            reuses=(TickerReuse(price_symbol="DOC", valid_to=date(2024, 3, 1), note="n"),),
        ),
        providers=(Provider(id="yahoo", title="t", user_agent="u", min_interval_s=0, terms="t"),),
        gate_checks=(),
        **more,
    )  # fmt: skip


def test_the_catalogue_and_the_calendar_are_tables_written_anew_each_time(build) -> None:
    for _ in range(2):
        write_reference(build, small_catalog(), as_of=date(2024, 3, 1))
    assert stored(build, "select symbol, groups, provider_order from reference.instruments") == [
        ("IWM", ["small_cap"], ["tiingo", "yahoo"])
    ]
    assert stored(build, "select universe_id, has_holdings, has_shares from reference.funds") == [
        ("russell_2000", True, True)
    ]
    assert stored(build, "from reference.class_shares") == [("BRKB", "BRK-B")]
    assert stored(build, "select valid_from, valid_to from reference.ticker_renames") == [
        ("1900-01-01", "2022-06-08")
    ]
    assert stored(build, "select valid_to from reference.ticker_reuses") == [("2024-03-01",)]
    assert stored(build, "select count(*) from reference.series") == [(0,)]
    sessions = stored(
        build,
        "select previous_on, next_on, is_month_end, closes_at from reference.sessions "
        "where traded_on = '2024-03-28'",
    )
    assert sessions == [("2024-03-27", "2024-04-01", True, "2024-03-28T20:00:00")]
    span = stored(build, "select min(traded_on), max(traded_on) from reference.sessions")
    assert span == [("1950-01-03", "2025-04-04")]
    gaps = stored(
        build, "select max(session_no) - count(*) + min(session_no) from reference.sessions"
    )
    assert gaps == [(1,)]


def test_a_dictionary_of_older_columns_is_made_anew(tmp_path) -> None:
    settings = settings_in(tmp_path)
    with open_build(settings) as connection:
        connection.execute("drop table meta.data_dictionary")
        connection.execute("create table meta.data_dictionary (schema_name varchar)")
    with open_build(settings) as connection:
        columns = connection.execute(
            "select column_name from duckdb_columns() where table_name = 'data_dictionary'"
        ).fetchall()
    assert ("rights",) in columns
