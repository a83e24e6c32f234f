"""Two versions compared: what is counted, which changes are shown, and the reason given."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.lineage.diff import VersionDiff, diff_versions, newest_two
from pipelines.lineage.diff_text import diff_document, diff_markdown, headline
from pipelines.lineage.reasons import explain_difference
from pipelines.storage import meta
from pipelines.storage.errors import NothingPublished, StorageError
from pipelines.storage.publish import publish
from pipelines.storage.version_diff import TableDifference
from pipelines.storage.versions import find_version, version_path
from pipelines.storage.warehouse import open_build
from tests.fakes.storage import settings_in

NOW = datetime(2024, 3, 1, 22, 0, tzinfo=UTC)
COLUMNS = [
    ("fund_id", "VARCHAR"), ("traded_on", "DATE"), ("flow_usd", "DOUBLE"), ("word", "VARCHAR"),
]  # fmt: skip
KEYS = ("fund_id", "traded_on")
LINEAGE = [
    ("marts.fund_flows", "staging.stg_funds__shares"),
    ("staging.stg_funds__shares", "raw.fund_shares"),
]


def dictionary() -> pd.DataFrame:
    keys = [
        [
            "marts",
            "fund_flows",
            name,
            kind,
            "x",
            None,
            None,
            None,
            None,
            name in ("fund_id", "traded_on"),
        ]
        for name, kind in COLUMNS
    ]
    return pd.concat(
        [pd.DataFrame(keys, columns=list(meta.TABLES["data_dictionary"])), meta.dictionary()]
    )


def publish_rows(
    settings: Any, day: int, rows: list[tuple[Any, ...]], *, code: str = "1", loaded: int = 0
) -> str:
    run, as_of = f"run0000{day}-x", date(2024, 3, day)
    with open_build(settings) as build:
        build.execute(
            "create or replace table marts.fund_flows "
            "(fund_id varchar, traded_on date, flow_usd double, word varchar)"
        )
        for row in rows:
            build.execute("insert into marts.fund_flows values (?, ?, ?, ?)", list(row))
        meta.start_run(
            build, run, world="sample", as_of=as_of, code_version=code, branches=["funds"],
            started_at=NOW,
        )  # fmt: skip
        meta.record_checks(
            build, run, [meta.CheckRecord("gate:a", "gate", "x", "block", "passed", "")]
        )
        if loaded:
            build.execute(
                "insert into meta.batches by name select ? as batch_id, ? as run_id, "
                "'fund_shares' as feed, ?::date as as_of, ?::bigint as inserted_rows, "
                "'loaded' as status",
                [f"{run}:fund_shares", run, as_of, loaded],
            )
    return publish(
        settings,
        run_id=run,
        as_of=as_of,
        expected_checks=["gate:a"],
        code_version=code,
        dictionary=dictionary(),
        marts={"marts.fund_flows": COLUMNS},
        published_at=NOW + timedelta(days=day),
        lineage=LINEAGE,
    ).version


def day(n: int) -> date:
    return date(2024, 3, n)


BEFORE = [("IWM", day(1), 100.0, "in"), ("IWM", day(4), 10.0, "in"), ("IVV", day(4), None, "out")]


@pytest.fixture
def settings(tmp_path: Any) -> Any:
    settings = settings_in(tmp_path)
    publish_rows(settings, 4, BEFORE)
    return settings


def compared(settings: Any) -> VersionDiff:
    return diff_versions(settings, *newest_two(settings))


def test_equal_versions_are_equal_and_say_so(settings: Any) -> None:
    publish_rows(settings, 5, BEFORE)
    diff = compared(settings)
    assert diff.is_equal
    assert headline(diff).endswith("all 1 marts are equal, row for row")


def test_rows_of_later_sessions_are_new_data(settings: Any) -> None:
    publish_rows(settings, 5, [*BEFORE, ("IWM", day(5), 1.0, "in")], loaded=1)
    [found] = compared(settings).differing
    d = found.difference
    assert (d.rows_older, d.rows_newer, d.added, d.added_later, d.removed, d.changed) == (
        3, 4, 1, 1, 0, 0,
    )  # fmt: skip
    assert (found.reason, found.because) == ("new data", "1 row of later dates")


def test_changed_rows_name_their_columns_and_the_largest_changes_first(settings: Any) -> None:
    after = [
        ("IWM", day(1), 150.0, "in"),
        ("IWM", day(4), 40.0, "out"),
        ("IVV", day(4), 5.0, "out"),
    ]
    publish_rows(settings, 5, after, loaded=3)
    [found] = compared(settings).differing
    d = found.difference
    assert (d.added, d.removed, d.changed) == (0, 0, 3)
    assert d.changed_columns == {"flow_usd": 3, "word": 1}
    assert [(c.column, c.older, c.newer, c.absolute, c.relative) for c in d.largest] == [
        ("flow_usd", 10.0, 40.0, 30.0, 3.0),
        ("flow_usd", 100.0, 150.0, 50.0, 0.5),
        ("flow_usd", None, 5.0, None, None),
    ]
    assert d.largest[0].key == {"fund_id": "IWM", "traded_on": day(4)}
    assert found.reason == "revision"
    assert "rows loaded in between: fund_shares 3" in found.because


def test_a_change_of_the_last_digit_is_a_change(settings: Any) -> None:
    publish_rows(settings, 5, [("IWM", day(1), 100.00000000000001, "in"), *BEFORE[1:]], loaded=1)
    [found] = compared(settings).differing
    assert found.difference.changed == 1


def test_past_rows_that_come_and_go_are_counted_apart(settings: Any) -> None:
    publish_rows(settings, 5, [*BEFORE[1:], ("IJR", day(1), 1.0, "in")], loaded=1)
    [found] = compared(settings).differing
    d = found.difference
    assert (d.added, d.added_later, d.removed) == (1, 0, 1)
    assert found.reason == "revision"


def test_a_change_without_rows_or_code_is_not_explained_away(settings: Any) -> None:
    publish_rows(settings, 5, [("IWM", day(1), 1.0, "in"), *BEFORE[1:]])
    [found] = compared(settings).differing
    assert found.reason == "unexplained"


def test_other_code_is_named(settings: Any) -> None:
    publish_rows(settings, 5, [("IWM", day(1), 1.0, "in"), *BEFORE[1:]], code="2")
    [found] = compared(settings).differing
    assert found.reason == "code"
    assert "code 1 -> 2" in found.because


def test_a_version_from_before_grains_were_published_is_compared_by_the_newer_ones(
    settings: Any,
) -> None:
    publish_rows(settings, 5, [*BEFORE, ("IWM", day(5), 1.0, "in")], loaded=1)
    older, newer = newest_two(settings)
    path = version_path(settings, older)
    path.chmod(0o644)
    with duckdb.connect(str(path)) as connection:
        connection.execute("alter table meta.data_dictionary drop column is_key")
    [found] = diff_versions(settings, older, newer).differing
    assert (found.difference.added_later, found.reason) == (1, "new data")
    with pytest.raises(StorageError, match="does not say which columns name a row"):
        diff_versions(settings, newer, older)


@pytest.mark.parametrize(
    ("table", "codes", "loaded", "reason"),
    [
        ("marts.event_studies", ("1", "1"), {}, "looks ahead"),
        ("marts.event_studies", ("1", "2"), {"instrument_bars": 1}, "revision or code"),
        ("marts.macro_regime", ("1", "2"), {"fred_observations": 1}, "revision or code"),
        ("marts.macro_regime", ("1", "1"), {"fred_observations": 1}, "revision"),
    ],
)
def test_the_word_follows_from_what_could_have_done_it(table, codes, loaded, reason) -> None:
    difference = TableDifference(table, 5, 5, 0, 0, 0, 2, {"x": 2}, (), (), ())
    assert explain_difference(difference, code=codes, loaded=loaded)[0] == reason


def test_a_new_column_is_the_codes_doing() -> None:
    difference = TableDifference("marts.macro_regime", 5, 5, 0, 0, 0, 0, {}, ("y",), (), ())
    word, told = explain_difference(difference, code=("1", "2"), loaded={"x": 3})
    assert (word, told.split(";")[0]) == ("code", "column y is new")


def test_a_version_is_named_by_a_beginning_that_only_it_has(settings: Any) -> None:
    second = publish_rows(settings, 5, BEFORE)
    assert find_version(settings, "20240306") == second
    assert find_version(settings, "current") == second
    with pytest.raises(NothingPublished, match="more than one version begins with 2024"):
        find_version(settings, "2024")
    with pytest.raises(NothingPublished, match="no version 1999"):
        find_version(settings, "1999")


def test_the_document_and_the_page_say_the_same(settings: Any) -> None:
    publish_rows(settings, 5, [("IWM", day(1), 150.0, "in"), *BEFORE[1:]], loaded=1)
    diff = compared(settings)
    document = json.loads(json.dumps(diff_document(diff), default=str))
    assert document["is_equal"] is False
    assert document["tables"][0]["changed"] == 1
    page = diff_markdown(diff)
    assert "| fund_flows | 3 | 0 | 0 | 1 | revision |" in page
    assert "| fund_flows | IWM 2024-03-01 | flow_usd | 100 | 150 |" in page


def test_the_command_compares_the_newest_two_and_refuses_an_unknown_format(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_rows(settings, 5, [*BEFORE, ("IWM", day(5), 1.0, "in")], loaded=1)
    monkeypatch.setenv("SMALLCAPS_WAREHOUSE", str(settings.warehouse))
    told = CliRunner().invoke(app, ["diff", "--format", "markdown"])
    assert told.exit_code == 0
    assert "| fund_flows | 4 | 1 | 0 | 0 | new data |" in told.output
    refused = CliRunner().invoke(app, ["diff", "--format", "xml"])
    assert "--format: 'xml'" in str(refused.exception)
