import json
import stat
from datetime import UTC, date, datetime, timedelta

import duckdb
import pandas as pd
import pytest

from pipelines.storage import meta, snapshot
from pipelines.storage.errors import (
    NothingPublished,
    PublishRefused,
    RequiredDataMissing,
    StorageError,
)
from pipelines.storage.publish import (
    FRED_NOTICE,
    RESTRICTED_NOTICE,
    publish,
    rollback,
    verify_candidate,
)
from pipelines.storage.versions import clear_leftovers, current_version, list_versions
from pipelines.storage.warehouse import open_build
from tests.fakes.storage import settings_in, stored

NOW = datetime(2024, 3, 1, 22, 0, tzinfo=UTC)
AS_OF = date(2024, 3, 1)
RUN = "run12345-6789"
MARTS = {
    "marts.macro_regime": [("traded_on", "DATE"), ("spread_pct", "DOUBLE")],
    "marts.fund_flows": [("fund_id", "VARCHAR"), ("flow_usd", "DOUBLE")],
}
DICTIONARY = pd.DataFrame(
    [
        [
            "marts",
            "macro_regime",
            "spread_pct",
            "DOUBLE",
            "It's a spread.",
            "percent",
            "A",
            "a - b",
            "citation_required",
            False,
        ],
        [
            "marts",
            "macro_regime",
            "gone",
            "DOUBLE",
            "No such column.",
            None,
            None,
            None,
            None,
            False,
        ],
    ],
    columns=list(meta.TABLES["data_dictionary"]),
)


@pytest.fixture
def settings(tmp_path):
    """A build with one mart of two rows, one that was never built, and one passed check."""
    settings = settings_in(tmp_path)
    with open_build(settings) as build:
        build.execute("create table marts.macro_regime (traded_on date, spread_pct double)")
        build.execute(
            "insert into marts.macro_regime values ('2024-02-29', 1.5), ('2024-03-01', 2)"
        )
        meta.start_run(
            build, RUN, world="sample", as_of=AS_OF, code_version="1", branches=["macro"],
            started_at=NOW,
        )  # fmt: skip
        record(build, "gate:a", "passed")
    return settings


def record(build, check, status, severity="block", run_id=RUN) -> None:
    meta.record_checks(
        build, run_id, [meta.CheckRecord(check, "gate", "x", severity, status, "why")]
    )


def publish_build(settings, *, n=0, **more):
    options = {
        "run_id": RUN,
        "as_of": AS_OF,
        "expected_checks": ["gate:a"],
        "code_version": "1",
        "dictionary": DICTIONARY,
        "marts": MARTS,
        "published_at": NOW + timedelta(minutes=n),
    }
    return publish(settings, **(options | more))


def count(settings, table="marts.macro_regime") -> int:
    return int(snapshot.query(settings, f"select count(*) as n from {table}")["n"][0])


def test_a_publication_holds_marts_and_meta_and_nothing_else(settings) -> None:
    publication = publish_build(settings)
    tables = snapshot.query(
        settings, "select distinct schema_name from duckdb_tables() order by 1"
    )["schema_name"].tolist()
    assert tables == ["marts", "meta"]
    assert publication.row_counts["marts.macro_regime"] == 2
    assert publication.row_counts["marts.fund_flows"] == 0
    assert count(settings, "marts.fund_flows") == 0
    names = snapshot.query(settings, "select table_name from duckdb_tables()")["table_name"]
    assert not {"item_loads", "reread_requests"} & set(names)


def test_the_published_file_says_what_it_is(settings) -> None:
    publication = publish_build(settings)
    row = snapshot.read_publication(settings)
    assert row["version"] == publication.version == "20240301T220000-run12345"
    assert (row["run_id"], row["world"], row["code_version"]) == (RUN, "sample", "1")
    assert (row["checks_passed"], row["checks_warned"]) == (1, 0)
    assert row["is_simulated"]
    assert FRED_NOTICE in row["notice"]
    assert json.loads(row["row_counts"])["marts.macro_regime"] == 2
    assert snapshot.query(settings, "from meta.world")["world"].tolist() == ["sample"]
    runs = snapshot.query(settings, "select status from meta.runs")["status"].tolist()
    assert runs == ["published"]


def test_the_file_is_read_only_closed_and_of_the_version_that_both_engines_read(settings) -> None:
    path = publish_build(settings).path
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert [p.name for p in path.parent.iterdir()] == ["warehouse.duckdb"]
    with duckdb.connect(str(path), read_only=True) as connection:
        tags = connection.execute(
            "select tags['storage_version'] from duckdb_databases() where database_name = ?",
            ["warehouse"],
        ).fetchone()
    assert tags == ("v1.5.0+",)


def test_column_comments_carry_meaning_and_unit(settings) -> None:
    publish_build(settings)
    comments = snapshot.query(
        settings, "select comment from duckdb_columns() where column_name = 'spread_pct'"
    )
    assert comments["comment"].tolist() == ["It's a spread. [percent]"]


def test_the_link_is_relative_so_that_the_folder_can_move(settings, tmp_path) -> None:
    version = publish_build(settings).version
    link = settings.published_dir / "current"
    assert str(link.readlink()) == f"versions/{version}"
    assert snapshot.published_path(settings) == link / "warehouse.duckdb"


# -- refusals ----------------------------------------------------------------------------------
def test_a_check_that_did_not_run_counts_as_failed(settings) -> None:
    with pytest.raises(PublishRefused, match="gate:b did not run"):
        publish_build(settings, expected_checks=["gate:a", "gate:b"])
    assert list_versions(settings) == []


def test_a_check_of_another_run_is_no_check_of_this_one(settings) -> None:
    with open_build(settings) as build:
        record(build, "gate:b", "passed", run_id="yesterday")
    with pytest.raises(PublishRefused, match="gate:b did not run"):
        publish_build(settings, expected_checks=["gate:a", "gate:b"])


def test_a_failed_blocking_check_stops_the_publication_even_if_nobody_expected_it(settings) -> None:
    publish_build(settings)
    with open_build(settings) as build:
        record(build, "gate:surprise", "failed")
    with pytest.raises(PublishRefused, match="gate:surprise failed: why"):
        publish_build(settings, n=1)
    assert list_versions(settings) == ["20240301T220000-run12345"]
    assert count(settings) == 2


def test_a_warning_is_counted_and_stops_nothing(settings) -> None:
    with open_build(settings) as build:
        record(build, "gate:w", "warned", severity="warn")
        record(build, "gate:v", "failed", severity="warn")
    publication = publish_build(settings)
    assert (publication.checks_passed, publication.checks_warned) == (1, 2)


def test_without_expected_checks_nothing_is_published(settings) -> None:
    with pytest.raises(PublishRefused, match="no check is expected"):
        publish_build(settings, expected_checks=[])


def test_a_stale_required_dataset_stops_the_publication_and_a_stale_other_does_not(
    settings,
) -> None:
    def status(item, *, required):
        return meta.SourceStatus(
            "fred_observations", item, "fred-api", "unavailable", "down", NOW, None,
            date(2024, 1, 1), True, date(2024, 2, 1), required,
        )  # fmt: skip

    with open_build(settings) as build:
        meta.update_source_status(build, RUN, [status("ICSA", required=False)])
    publish_build(settings)
    with open_build(settings) as build:
        meta.update_source_status(build, RUN, [status("DGS10", required=True)])
    with pytest.raises(RequiredDataMissing, match=r"DGS10 .*newest 2024-01-01"):
        publish_build(settings, n=1)
    assert len(list_versions(settings)) == 1


def test_what_finishes_a_version_lies_in_it_before_it_is_shown(settings) -> None:
    seen = []

    def finish(path, version) -> None:
        seen.append((version, (settings.published_dir / "current").exists()))
        (path.parent / "report.html").write_text("told")

    publication = publish_build(settings, finish=finish)
    assert seen == [(publication.version, False)]
    report = settings.published_dir / "current" / "report.html"
    assert (report.read_text(), stat.S_IMODE(report.stat().st_mode)) == ("told", 0o444)


def test_a_version_that_cannot_be_finished_is_not_published(settings) -> None:
    first = publish_build(settings).version

    def finish(path, version) -> None:
        raise StorageError("the report cannot be written")

    with pytest.raises(StorageError, match="report"):
        publish_build(settings, finish=finish)
    assert current_version(settings) == first
    assert [p.name for p in (settings.published_dir / "versions").iterdir()] == [first]


def test_a_required_item_that_another_feed_brings_is_not_missing(settings) -> None:
    rows = [
        meta.SourceStatus(
            feed, "DGS10", "p", "fetched", "", NOW, NOW, date(2024, 1, 1), stale, None, True
        )
        for feed, stale in (("fred_observations", True), ("agency_observations", False))
    ]
    with open_build(settings) as build:
        meta.update_source_status(build, RUN, rows)
    assert publish_build(settings).row_counts["meta.source_status"] == 2


def test_a_mart_of_an_older_model_is_not_published(settings) -> None:
    older = {**MARTS, "marts.macro_regime": [("traded_on", "DATE"), ("nfci", "DOUBLE")]}
    with pytest.raises(PublishRefused, match=r"macro_regime .* \(nfci, spread_pct\)"):
        publish_build(settings, marts=older)
    assert not list((settings.published_dir / "versions").iterdir())


def test_a_table_that_no_model_makes_any_more_stays_in_the_build(settings) -> None:
    with open_build(settings) as build:
        build.execute("create table marts.forgotten as select 1 as n")
    assert "marts.forgotten" not in publish_build(settings).row_counts


def test_a_candidate_with_a_wal_beside_it_is_refused(settings) -> None:
    path = publish_build(settings).path
    path.with_name("warehouse.duckdb.wal").write_bytes(b"left")
    with pytest.raises(PublishRefused, match=r"not closed: warehouse\.duckdb\.wal"):
        verify_candidate(path, {"marts.macro_regime": 2})


def test_a_candidate_that_lacks_rows_is_refused(settings) -> None:
    path = publish_build(settings).path
    with pytest.raises(PublishRefused, match=r"macro_regime \(2 of 3\)"):
        verify_candidate(path, {"marts.macro_regime": 3})


def test_a_candidate_of_another_storage_version_is_refused(tmp_path) -> None:
    path = tmp_path / "warehouse.duckdb"
    duckdb.connect(str(path)).close()
    with pytest.raises(PublishRefused, match=r"storage version v1\.0\.0"):
        verify_candidate(path, {})


# -- rights ------------------------------------------------------------------------------------
def test_restricted_columns_are_left_out_when_the_settings_ask(settings) -> None:
    restricted = {"marts.macro_regime": ["spread_pct"]}
    publish_build(settings, restricted_columns=restricted)
    values = snapshot.query(settings, "select spread_pct from marts.macro_regime order by 1")
    assert values["spread_pct"].tolist() == [1.5, 2.0]
    strict = settings_in(settings.warehouse, publish_restricted=False)
    with open_build(strict) as build:
        build.execute(
            "insert into meta.quarantine values ('r', 'b', 'f', 't', 's', 'A', '2024-01-01', "
            "'rule', 'reason', '{\"value\": 3}', '2024-01-01')"
        )
    publish_build(strict, n=1, restricted_columns=restricted)
    left = snapshot.query(
        settings, "select count(spread_pct) as n, count(*) as r from marts.macro_regime"
    )
    assert left.to_dict("records") == [{"n": 0, "r": 2}]
    assert snapshot.query(settings, "select row_json from meta.quarantine")["row_json"].isna().all()
    assert RESTRICTED_NOTICE in snapshot.read_publication(settings)["notice"]


def test_a_restricted_column_that_is_not_there_is_an_alarm(settings) -> None:
    strict = settings_in(settings.warehouse, publish_restricted=False)
    with pytest.raises(PublishRefused, match="there is no oas that could be left out"):
        publish_build(strict, restricted_columns={"marts.macro_regime": ["oas"]})


# -- versions ----------------------------------------------------------------------------------
def test_a_reader_keeps_its_version_and_a_new_connection_sees_the_new_one(settings) -> None:
    publish_build(settings)
    with snapshot.open_published(settings) as reader:
        with open_build(settings) as build:
            build.execute("insert into marts.macro_regime values ('2024-03-04', 3)")
        publish_build(settings, n=1)
        assert stored(reader, "select count(*) from marts.macro_regime") == [(2,)]
        assert count(settings) == 3


def test_seven_versions_are_kept_and_the_current_one_always(settings) -> None:
    names = [publish_build(settings, n=n).version for n in range(9)]
    assert list_versions(settings) == names[2:]
    assert rollback(settings, names[2]) == names[2]
    publication = publish_build(settings, n=9)
    assert current_version(settings) == publication.version
    assert publication.removed == (names[2],)
    rollback(settings, names[3])
    assert clear_leftovers(settings) == []


def test_versions_sort_by_time_even_if_the_clock_goes_back(settings) -> None:
    first = publish_build(settings, n=10).version
    second = publish_build(settings, n=0).version
    assert (first, second) == ("20240301T221000-run12345", "20240301T221001-run12345")


def test_a_rollback_goes_one_version_back_and_publishing_goes_on_from_there(settings) -> None:
    names = [publish_build(settings, n=n).version for n in range(3)]
    assert rollback(settings) == names[1]
    assert rollback(settings) == names[0]
    with pytest.raises(NothingPublished, match="no version before"):
        rollback(settings)
    with pytest.raises(NothingPublished, match=r"no version nope; there are 2024"):
        rollback(settings, "nope")
    assert current_version(settings) == names[0]


def test_a_rollback_to_a_broken_version_changes_nothing(settings) -> None:
    names = [publish_build(settings, n=n).version for n in range(2)]
    path = settings.published_dir / "versions" / names[0] / "warehouse.duckdb"
    path.chmod(0o644)
    path.write_bytes(b"no database")
    with pytest.raises(StorageError, match="cannot be opened"):
        rollback(settings)
    assert current_version(settings) == names[1]


def test_what_a_crash_left_behind_is_cleared_and_never_shown(settings) -> None:
    shown = publish_build(settings).version
    versions = settings.published_dir / "versions"
    (versions / ".candidate-20240301T220500-x").mkdir()
    (versions / ".candidate-20240301T220500-x" / "warehouse.duckdb").write_bytes(b"half")
    (settings.published_dir / ".current-x").symlink_to("versions/nowhere")
    assert list_versions(settings) == [shown]
    new = publish_build(settings, n=6).version
    assert sorted(p.name for p in versions.iterdir()) == [shown, new]
    assert sorted(p.name for p in settings.published_dir.iterdir()) == ["current", "versions"]


def test_a_publication_that_fails_half_way_leaves_the_old_one_shown(settings) -> None:
    shown = publish_build(settings).version
    bad = {**MARTS, "marts.new": [("a", "NO_SUCH_TYPE")]}
    with pytest.raises(duckdb.Error):
        publish_build(settings, n=1, marts=bad)
    assert list_versions(settings) == [current_version(settings)] == [shown]
    assert not list((settings.published_dir / "versions").glob(".*"))
    publish_build(settings, n=2)


def test_a_crash_between_showing_and_noting_is_made_good_by_the_next_publication(settings) -> None:
    first = publish_build(settings).version
    with open_build(settings) as build:
        build.execute("delete from meta.publications")
    second = publish_build(settings, n=1).version
    with open_build(settings) as build:
        assert stored(build, "select version from meta.publications order by 1") == [
            (first,),
            (second,),
        ]
        assert meta.newest_published_as_of(build) == AS_OF


def test_a_folder_in_the_links_place_is_not_overwritten(settings) -> None:
    (settings.published_dir / "current").mkdir(parents=True)
    with pytest.raises(StorageError, match="is no link"):
        publish_build(settings)
