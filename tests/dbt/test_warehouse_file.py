"""What dbt in process leaves behind: the file must be free for the next process."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pipelines.storage.contracts import RAW_TABLES
from pipelines.storage.meta_tables import META_TABLES

STAGING = Path(__file__).parents[2] / "dbt_project/models/staging"
OPEN_READ_WRITE = """
import sys, duckdb
with duckdb.connect(sys.argv[1]) as connection:
    print(connection.sql("select count(*) from staging.stg_prices__instrument_bars").fetchone()[0])
"""


def test_dbt_in_process_lets_go_of_the_file(dbt_warehouse):
    dbt_warehouse.insert(
        "raw.instrument_bars",
        [{"symbol": "^RUT", "traded_on": date(2025, 1, 2), "close": 2231.67}],
    )
    dbt_warehouse.build("+stg_prices__instrument_bars")

    other = subprocess.run(
        [sys.executable, "-c", OPEN_READ_WRITE, str(dbt_warehouse.path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (other.returncode, other.stdout.strip()) == (0, "1"), other.stderr


def test_dbt_lets_go_of_the_file_after_a_failure_too(dbt_warehouse):
    with pytest.raises(AssertionError, match="stg_prices__instrument_bases"):
        broken = "drop table raw.instrument_bars"
        dbt_warehouse.execute(broken)
        dbt_warehouse.build("stg_prices__instrument_bases")

    dbt_warehouse.execute("create table raw.instrument_bars (symbol varchar)")


def test_the_declared_record_of_signals_is_the_meta_table():
    path = STAGING / "signals/_signals__sources.yml"
    [source] = yaml.safe_load(path.read_text(encoding="utf-8"))["sources"]
    [table] = source["tables"]
    assert table["config"]["meta"]["dagster"]["asset_key"] == ["meta", "published_signals"]
    written = META_TABLES["published_signals"]
    assert [(c["name"], c["data_type"]) for c in table["columns"]] == [
        (name, column.type) for name, column in written.items()
    ]


def test_the_declared_sources_are_the_raw_contracts():
    declared = {}
    for path in STAGING.glob("*/_*__sources.yml"):
        for source in yaml.safe_load(path.read_text(encoding="utf-8"))["sources"]:
            if source["name"] != "raw":
                continue
            for table in source["tables"]:
                assert table["config"]["meta"]["dagster"]["asset_key"] == ["raw", table["name"]]
                declared[table["name"]] = [
                    (c["name"], c["data_type"], c["description"]) for c in table["columns"]
                ]

    assert declared == {
        name: [(c.name, c.type, c.meaning) for c in table.all_columns]
        for name, table in RAW_TABLES.items()
    }


def test_an_unset_audit_column_gets_its_default(dbt_warehouse):
    dbt_warehouse.insert(
        "raw.fund_files",
        pd.DataFrame(
            [{"fund_id": "IWM", "as_of_on": date(2025, 1, 2), "edition": "a", "fund_name": "x"}]
        ),
    )

    row = dbt_warehouse.query("select known_on, known_on_basis from raw.fund_files").iloc[0]

    assert (row["known_on"], row["known_on_basis"]) == (pd.Timestamp("1900-01-01"), "estimated")
