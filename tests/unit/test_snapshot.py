from datetime import UTC, date, datetime

import duckdb
import pytest

from pipelines.storage import meta, snapshot
from pipelines.storage.errors import NothingPublished, QueryRefused
from pipelines.storage.publish import publish
from pipelines.storage.warehouse import open_build
from tests.fakes.storage import settings_in, stored

NOW = datetime(2024, 3, 1, 22, 0, tzinfo=UTC)


@pytest.fixture
def published(tmp_path):
    settings = settings_in(tmp_path)
    with open_build(settings) as build:
        build.execute("create table marts.fund_flows as select 'IWM' as fund_id, 5.0 as flow_usd")
        meta.record_checks(build, "r1", [meta.CheckRecord("c", "gate", "x", "block", "passed")])
        meta.update_source_status(
            build,
            "r1",
            [
                meta.SourceStatus(
                    "fund_shares", item, "blackrock", "fetched", "", NOW, NOW, date(2024, 2, 1),
                    stale, None, False,
                )
                for item, stale in (("IVV", False), ("IWM", True))
            ],
        )  # fmt: skip
    publish(
        settings, run_id="r1", as_of=date(2024, 3, 1), expected_checks=["c"], code_version="1",
        dictionary=meta.dictionary(), published_at=NOW,
        marts={"marts.fund_flows": [("fund_id", "VARCHAR"), ("flow_usd", "DOUBLE")]},
    )  # fmt: skip
    return settings


def test_nothing_published_says_what_to_do(tmp_path) -> None:
    with pytest.raises(NothingPublished, match="smallcaps run"):
        snapshot.published_path(settings_in(tmp_path))


def test_a_query_gives_rows(published) -> None:
    frame = snapshot.query(
        published, "select flow_usd from marts.fund_flows where fund_id = ?", ["IWM"]
    )
    assert frame["flow_usd"].tolist() == [5.0]


def test_a_query_that_duckdb_does_not_accept_says_so_in_its_words(published) -> None:
    with pytest.raises(QueryRefused, match="nowhere"):
        snapshot.query(published, "select * from nowhere")


def test_readers_cannot_write(published) -> None:
    with pytest.raises(QueryRefused, match="read-only"):
        snapshot.query(published, "delete from marts.fund_flows")
    with (
        snapshot.open_published(published) as reader,
        pytest.raises(duckdb.InvalidInputException, match="read-only"),
    ):
        reader.execute("create table marts.mine (n integer)")


def test_readers_do_not_hold_up_the_build(published) -> None:
    with snapshot.open_published(published) as reader, open_build(published) as build:
        build.execute("delete from marts.fund_flows")
        assert stored(reader, "select count(*) from marts.fund_flows") == [(1,)]


def test_the_status_shows_what_is_stale_first(published) -> None:
    frame = snapshot.read_source_status(published)
    assert frame[["item", "is_stale"]].values.tolist() == [["IWM", True], ["IVV", False]]


def test_the_dictionary_describes_every_published_meta_column(published) -> None:
    missing = snapshot.query(
        published,
        """
        select c.table_name, c.column_name from duckdb_columns() as c
        anti join meta.data_dictionary as d
            on d.schema_name = c.schema_name and d.table_name = c.table_name
            and d.column_name = c.column_name
        where c.schema_name = 'meta'
        """,
    )
    assert missing.empty
