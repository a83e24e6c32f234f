"""Breadth over the generated panel: the project's SQL, polars, and a kernel in numba.

Every contestant starts from the same bars and ends with the counts of each universe, sector and
session; what it returns are sums over all of them, by which the results are held against each
other before any time is believed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from bench.measure import Clock

WINDOWS = (20, 50, 200)
YEAR, SLACK, PAUSE = 252, 10, 5
MODELS = (
    "int_constituent_signals_computed",
    "int_universe_epochs_numbered",
    "int_universe_members_listed",
    "int_breadth_counted",
)
DIGEST = """
    select
        count(*), sum(priced_members), sum(members_with_20_closes), sum(members_above_20d),
        sum(members_with_50_closes), sum(members_above_50d), sum(members_with_200_closes),
        sum(members_above_200d), sum(advances), sum(declines), sum(unchanged),
        sum(advancing_volume), sum(declining_volume), sum(new_highs_52w), sum(new_lows_52w),
        sum(members_with_return), cast(sum(return_sum) as double),
        cast(sum(weighted_return_sum) as double)
    from intermediate.int_breadth_counted
    where sector <> 'all' and priced_members > 0
"""
NEWEST = """
    select * exclude (is_hole, row_no) from intermediate.int_breadth_counted
    where traded_on = (select max(traded_on) from intermediate.int_breadth_counted)
    order by universe_id, sector
"""
Digest = list[float]


def _threads() -> int:
    return int(os.environ.get("SMALLCAPS_BENCH_THREADS", "2"))


def by_models(clock: Clock, panel: str, statements: str) -> Digest:
    """Run the models' own SQL; `statements` is a file of them, compiled before."""
    return [float(v) for v in _run_models(clock, panel, statements, DIGEST)[0]]


def newest_of_models(clock: Clock, panel: str, statements: str) -> list[list[str]]:
    """Run the models and return all figures of the newest session, every digit of them."""
    return [[str(v) for v in row] for row in _run_models(clock, panel, statements, NEWEST)]


def signals_of_symbol(clock: Clock, panel: str, statements: str, symbol: str) -> list[list[str]]:
    """Compute the signals of one symbol's whole history; return them as text."""
    view = json.loads(Path(statements).read_text(encoding="utf-8"))[0]
    with _opened(panel) as connection:
        clock.start()
        connection.execute(view)
        connection.execute(
            "create table restated as from intermediate.int_constituent_signals_computed "
            f"where symbol = '{symbol}'"
        )
        rows = connection.execute("from restated order by traded_on").fetchall()
    return [[str(v) for v in row] for row in rows]


def _run_models(clock: Clock, panel: str, statements: str, then: str) -> list[tuple[Any, ...]]:
    todo = json.loads(Path(statements).read_text(encoding="utf-8"))
    with _opened(panel) as connection:
        connection.execute("set threads = 1")  # as the hook of int_breadth_counted does
        clock.start()
        for statement in todo:
            connection.execute(statement)
        rows: list[tuple[Any, ...]] = connection.execute(then).fetchall()
        return rows


@contextmanager
def _opened(panel: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an empty database in which the panel's tables stand as views under their own names."""
    with duckdb.connect(config={"threads": _threads(), "memory_limit": "512MiB"}) as connection:
        connection.execute(f"attach '{panel}' as panel (read_only)")
        for schema in ("intermediate", "reference"):
            connection.execute(f"create schema {schema}")
        for table in connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'panel'"
        ).fetchall():
            name = ".".join(table)
            connection.execute(f"create view {name} as from panel.{name}")
        yield connection


def by_polars_flat(clock: Clock, panel: str) -> Digest:
    """Polars, streaming engine, windows over the whole column: the fastest form found."""
    return _by_polars(clock, panel, grouped=False)


def by_polars_groups(clock: Clock, panel: str) -> Digest:
    """Polars, streaming engine, one group of lists for each symbol."""
    return _by_polars(clock, panel, grouped=True)


def _by_polars(clock: Clock, panel: str, *, grouped: bool) -> Digest:
    import polars as pl

    folder = Path(panel).with_suffix("")
    clock.start()
    close, no, symbol = pl.col("micros"), pl.col("session_no"), pl.col("symbol")
    bars = (
        pl.scan_parquet(folder / "bars.parquet")
        .select("symbol", "traded_on", "session_no", "close", "volume")
        .with_columns(
            (pl.col("close").cast(pl.Float64) * 1e6).round().cast(pl.Int64).alias("micros")
        )
        .drop("close")
    )
    windows = [
        close.shift(1).alias("previous"),
        no.shift(1).alias("previous_no"),
        *(no.shift(n - 1).alias(f"oldest_{n}") for n in (*WINDOWS, YEAR)),
        *(close.rolling_sum(n).alias(f"sum_{n}") for n in WINDOWS),
        close.rolling_max(YEAR).alias("highest"),
        close.rolling_min(YEAR).alias("lowest"),
    ]
    if grouped:
        kept = ("traded_on", "session_no", "volume", "micros")
        seen = bars.group_by("symbol", maintain_order=True).agg(*kept, *windows)
        seen = seen.explode([c for c in seen.collect_schema().names() if c != "symbol"])
        same = {n: pl.lit(True) for n in (1, *WINDOWS, YEAR)}
    else:
        owners = [symbol.shift(n - 1).alias(f"owner_{n}") for n in (*WINDOWS, YEAR)]
        seen = bars.with_columns(*windows, *owners, symbol.shift(1).alias("owner_1"))
        same = {n: pl.col(f"owner_{n}") == symbol for n in (1, *WINDOWS, YEAR)}
    full = {n: same[n] & (pl.col(f"oldest_{n}") > no - n - SLACK) for n in (*WINDOWS, YEAR)}
    near = same[1] & (pl.col("previous_no") >= no - PAUSE)
    change = close - pl.col("previous")
    signals = seen.select(
        "symbol",
        "traded_on",
        "volume",
        *(
            pl.when(full[n]).then(close * n > pl.col(f"sum_{n}")).alias(f"above_{n}")
            for n in WINDOWS
        ),
        pl.when(full[YEAR]).then(close == pl.col("highest")).alias("high"),
        pl.when(full[YEAR]).then(close == pl.col("lowest")).alias("low"),
        pl.when(near).then(change.sign().cast(pl.Int8)).alias("direction"),
        pl.when(near).then(change.cast(pl.Float64) / pl.col("previous")).alias("return"),
    )
    epochs = pl.scan_parquet(folder / "epochs.parquet")
    lines = pl.scan_parquet(folder / "lines.parquet").with_columns(
        pl.col("weight_pct").cast(pl.Float64).alias("weight")
    )
    direction = pl.col("direction")
    counted = (
        signals.join(epochs, on="traded_on")
        .join(lines, on=["symbol", "epoch_no"])
        .group_by("cell_no", "traded_on")
        .agg(
            pl.len().alias("priced"),
            *(
                expression
                for n in WINDOWS
                for expression in (
                    pl.col(f"above_{n}").count().alias(f"with_{n}"),
                    pl.col(f"above_{n}").sum().alias(f"n_above_{n}"),
                )
            ),
            (direction == 1).sum().alias("up"),
            (direction == -1).sum().alias("down"),
            (direction == 0).sum().alias("flat"),
            (pl.col("volume") * (direction == 1)).sum().alias("up_volume"),
            (pl.col("volume") * (direction == -1)).sum().alias("down_volume"),
            pl.col("high").sum(),
            pl.col("low").sum(),
            pl.col("return").count().alias("with_return"),
            pl.col("return").sum().alias("returns"),
            (pl.col("weight") * pl.col("return")).sum().alias("weighted"),
            (pl.col("weight") * pl.col("return").is_not_null()).sum().alias("weights"),
        )
        .collect(engine="streaming")
    )
    columns = (
        ["priced"]
        + [c for n in WINDOWS for c in (f"with_{n}", f"n_above_{n}")]
        + ["up", "down", "flat", "up_volume", "down_volume", "high", "low"]
        + ["with_return", "returns", "weighted"]
    )
    return [float(counted.height), *(float(counted[c].sum()) for c in columns)]


def by_numba(clock: Clock, panel: str) -> Digest:
    """A loop over the bars, compiled, fed by DuckDB; its compilation is not counted."""
    import numpy as np

    from bench.kernel import count_breadth

    tiny = np.zeros(1, np.int64)
    few, table = tiny.astype(np.int32), np.zeros((1, 1), np.int32)
    count_breadth(tiny, few, tiny, few == 0, few, table, table.astype(np.float64), 1, 2)
    bars = "panel.intermediate.int_constituent_prices_adjusted"
    with duckdb.connect(config={"threads": _threads()}) as connection:
        connection.execute(f"attach '{panel}' as panel (read_only)")
        for name in ("epochs", "lines"):
            file = Path(panel).with_suffix("") / f"{name}.parquet"
            connection.execute(f"create table {name} as from '{file}'")
        clock.start()
        read = connection.execute(
            f"""
            select cast(round(cast(close as double) * 1e6) as bigint) as micros, session_no, volume,
                coalesce(lag(symbol) over () <> symbol, true) as is_first,
            from {bars}
            """
        ).fetchnumpy()
        lines = connection.execute(
            f"""
            with symbols as (
                select symbol, row_number() over (order by symbol) - 1 as symbol_no
                from (select distinct symbol from {bars})
            )
            select symbol_no, epoch_no, cell_no, cast(weight_pct as double) as weight
            from lines inner join symbols using (symbol)
            """
        ).fetchnumpy()
        epochs = connection.execute(
            "select session_no, epoch_no from epochs inner join panel.reference.sessions "
            "using (traded_on)"
        ).fetchnumpy()
    read = {name: np.asarray(column) for name, column in read.items()}
    sessions = int(read["session_no"].max()) + 1
    epoch_of = np.zeros(sessions, np.int32)
    epoch_of[epochs["session_no"]] = epochs["epoch_no"]
    shape = (int(read["is_first"].sum()), int(epochs["epoch_no"].max()) + 1)
    cell_of, weight_of = np.zeros(shape, np.int32), np.zeros(shape, np.float64)
    cell_of[lines["symbol_no"], lines["epoch_no"]] = lines["cell_no"]
    weight_of[lines["symbol_no"], lines["epoch_no"]] = lines["weight"]
    counts, volumes, sums = count_breadth(
        read["micros"],
        read["session_no"],
        read["volume"],
        read["is_first"],
        epoch_of,
        cell_of,
        weight_of,
        int(cell_of.max()) + 1,
        sessions,
    )
    priced = counts[1:, :, 0] > 0
    totals = [float(counts[1:, :, i].sum()) for i in range(13)]
    return [
        float(priced.sum()),
        *totals[:10],
        float(volumes[1:, :, 0].sum()),
        float(volumes[1:, :, 1].sum()),
        *totals[10:],
        float(sums[1:, :, 0].sum()),
        float(sums[1:, :, 1].sum()),
    ]


def differences(first: Any, second: Any) -> list[str]:
    """Return where two digests differ: counts and volumes must be equal, sums to 1e-9."""
    told = []
    for place, (a, b) in enumerate(zip(first, second, strict=True)):
        exact = place < len(first) - 2
        if a != b if exact else abs(a - b) > 1e-9 * max(1.0, abs(a)):
            told.append(f"figure {place}: {a!r} and {b!r}")
    return told
