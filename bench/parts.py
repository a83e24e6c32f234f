"""The parts of the benchmark: what is compared, by which targets it is judged."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import duckdb
import numpy as np
from rich.console import Console

from bench import breadth, night
from bench.measure import Cost, compete, run_once
from bench.models import compile_models
from bench.panel import MEMBERS, SESSIONS, write_panel
from bench.results import ResultTable


class ResultsDiffer(Exception):
    """Two contestants found different figures on the same data."""


def panel_of(
    folder: Path, console: Console, *, members: int = MEMBERS, sessions: int = SESSIONS
) -> Path:
    """Return the panel of this size, generated where it is not there yet."""
    path = folder / f"panel_{members}x{sessions}.duckdb"
    if not (path.with_suffix("") / "lines.parquet").exists():
        console.print(f"generating {members:,} members x {sessions:,} sessions")
        console.print(f"{write_panel(path, members=members, sessions=sessions):,} bars")
        _export(path)
    return path


def _export(panel: Path) -> None:
    """Write what contestants that read Parquet need beside the panel."""
    folder = panel.with_suffix("")
    folder.mkdir(exist_ok=True)
    names = ["int_universe_epochs_numbered", "int_universe_members_listed"]
    statements = compile_models(names, panel)
    with duckdb.connect(str(panel)) as connection:
        for statement in statements:
            connection.execute(statement)
        for table, file in (
            ("int_constituent_prices_adjusted", "bars"),
            ("int_universe_epochs_numbered", "epochs"),
            ("int_universe_members_listed", "lines"),
        ):
            to = folder / f"{file}.parquet"
            connection.execute(f"copy (from intermediate.{table}) to '{to}'")
        for name in names:
            connection.execute(f"drop table intermediate.{name}")


def statements_of(panel: Path, *, newest: bool = False, symbol: str = "") -> Path:
    """Return a file of the models' statements, over all bars or over a part of them.

    `newest`: the sessions that a window of the newest session can reach; `symbol`: one symbol.
    """
    statements = compile_models(breadth.MODELS, panel)
    kind = "newest" if newest else symbol or "all"
    if kind != "all":
        bars = '"intermediate"."int_constituent_prices_adjusted"'
        # A constant: a subquery would become a join, and a join may turn the order of the rows.
        with duckdb.connect(str(panel), read_only=True) as connection:
            newest_no, newest_on = connection.execute(
                f"select max(session_no), max(traded_on) from {bars}"
            ).fetchall()[0]
        reach = newest_no - breadth.YEAR - breadth.SLACK
        condition = f"session_no > {reach}" if newest else f"symbol = '{symbol}'"
        part = f"(from {bars} where {condition})"
        statements = [s.replace(f"from {bars}", f"from {part}") for s in statements]
        if newest:
            sessions = '"reference"."sessions"'
            part = f"(from {sessions} where {condition})"
            statements = [s.replace(f"from {sessions}", f"from {part}") for s in statements]
            # the windows look back, the count is of one session
            epochs = '"intermediate"."int_universe_epochs_numbered"'
            counted = f"(from {epochs} where traded_on = date '{newest_on}')"
            statements[-1] = statements[-1].replace(f"from {epochs}", f"from {counted}")
    path = panel.with_name(f"{panel.stem}_{kind}.json")
    path.write_text(json.dumps(statements), encoding="utf-8")
    return path


def _require_equal(found: Mapping[str, Cost]) -> None:
    first, *others = found
    for other in others:
        told = breadth.differences(found[first].found, found[other].found)
        if told:
            raise ResultsDiffer(f"{first} against {other}: {'; '.join(told[:5])}")


def _verdict(value: float, most: float) -> str:
    return f"{value:.2f} (at most {most}: {'met' if value <= most else 'NOT met'})"


def measure_breadth(folder: Path, rounds: int, console: Console) -> list[ResultTable]:
    """Breadth in full: the models against polars in two forms and a compiled kernel."""
    panel = panel_of(folder, console)
    own = ("bench.breadth:by_models", str(panel), str(statements_of(panel)))
    contestants: dict[str, Sequence[str]] = {
        "the models (DuckDB)": own,
        "polars, whole columns": ("bench.breadth:by_polars_flat", str(panel)),
        "polars, group by and agg": ("bench.breadth:by_polars_groups", str(panel)),
        "numba kernel with its read": ("bench.breadth:by_numba", str(panel)),
    }
    _require_equal({name: run_once(*call) for name, call in contestants.items()})
    console.print("results are equal")
    medians, runs = compete(contestants, rounds=rounds)
    models = medians["the models (DuckDB)"]
    rows = [
        [
            name,
            f"{cost.cpu_s:.1f}",
            f"{cost.wall_s:.1f}",
            f"{cost.peak_mib:,.0f}",
            f"{models.cpu_s / cost.cpu_s:.2f}",
            f"{models.wall_s / cost.wall_s:.2f}",
            f"{min(r.cpu_s for r in runs[name]):.1f}-{max(r.cpu_s for r in runs[name]):.1f}",
        ]
        for name, cost in medians.items()
    ]
    polars = min((medians[n] for n in medians if n.startswith("polars")), key=lambda c: c.cpu_s)
    kernel = medians["numba kernel with its read"]
    targets = ResultTable(
        "Breadth in full: targets",
        "The models' figures over those of the faster form of polars and of the kernel.",
        ("target", "measured"),
        [
            ["CPU / polars' CPU", _verdict(models.cpu_s / polars.cpu_s, 0.9)],
            ["CPU / kernel's CPU", _verdict(models.cpu_s / kernel.cpu_s, 3.0)],
            ["wall / polars' wall", _verdict(models.wall_s / polars.wall_s, 1.0)],
            ["peak memory, MiB", _verdict(models.peak_mib, 512)],
        ],
    )
    with duckdb.connect(str(panel), read_only=True) as connection:
        bars = connection.execute(
            "select count(*) from intermediate.int_constituent_prices_adjusted"
        ).fetchall()[0][0]
    said = (
        f"{MEMBERS:,} members x {SESSIONS:,} sessions, {bars:,} bars, two indices, quarterly files;"
        f" two threads each; medians of {rounds} rounds in turn. CPU and wall in seconds, peak"
        " resident memory in MiB. The models read DuckDB's file, polars Parquet, the kernel arrays"
        f" that DuckDB hands over. The file takes {panel.stat().st_size / bars:.1f} bytes a bar."
    )
    columns = ("contestant", "CPU", "wall", "peak", "models' CPU / its", "wall", "CPU range")
    return [ResultTable("Breadth in full", said, columns, rows), targets]


def measure_growth(folder: Path, rounds: int, console: Console) -> list[ResultTable]:
    """How CPU grows with members and with sessions, and what one more session costs."""
    sizes = [(MEMBERS, SESSIONS * part // 4) for part in (1, 2, 3)]
    sizes += [(MEMBERS * part // 4, SESSIONS) for part in (1, 2, 3)] + [(MEMBERS, SESSIONS)]
    costs: dict[tuple[int, int], Cost] = {}
    contestants: dict[str, Sequence[str]] = {}
    for members, sessions in sizes:
        panel = panel_of(folder, console, members=members, sessions=sessions)
        contestants[f"{members}x{sessions}"] = (
            "bench.breadth:by_models", str(panel), str(statements_of(panel))
        )  # fmt: skip
    full = folder / f"panel_{MEMBERS}x{SESSIONS}.duckdb"
    with duckdb.connect(str(full), read_only=True) as connection:
        longest = connection.execute(
            "select symbol from intermediate.int_constituent_prices_adjusted "
            "group by symbol order by count(*) desc, symbol limit 1"
        ).fetchall()[0][0]
    contestants["newest"] = (
        "bench.breadth:newest_of_models", str(full), str(statements_of(full, newest=True))
    )  # fmt: skip
    contestants["symbol"] = (
        "bench.breadth:signals_of_symbol", str(full), str(statements_of(full, symbol=longest)),
        longest,
    )  # fmt: skip
    everything = str(statements_of(full))
    for part, whole in {
        "newest": ("bench.breadth:newest_of_models", str(full), everything),
        "symbol": ("bench.breadth:signals_of_symbol", str(full), everything, longest),
    }.items():
        pairs = zip(run_once(*whole).found, run_once(*contestants[part]).found, strict=True)
        told = [f"{a} in full, {b} alone" for a, b in pairs if a != b]
        if told:
            raise ResultsDiffer(f"{part}: {'; '.join(told[:3])}")
    console.print("the newest session and one symbol alone are equal to what they are in full")
    medians, _ = compete(contestants, rounds=rounds)
    for members, sessions in sizes:
        costs[members, sessions] = medians[f"{members}x{sessions}"]
    by_sessions = {s: c.cpu_s for (m, s), c in costs.items() if m == MEMBERS}
    by_members = {m: c.cpu_s for (m, s), c in costs.items() if s == SESSIONS}
    full_cpu = costs[MEMBERS, SESSIONS].cpu_s
    rows = [
        [f"{m:,}", f"{s:,}", f"{c.cpu_s:.2f}", f"{c.wall_s:.2f}", f"{c.peak_mib:,.0f}"]
        for (m, s), c in sorted(costs.items())
    ]
    growth = ResultTable(
        "Breadth as it grows",
        f"The models alone, medians of {rounds} rounds.",
        ("members", "sessions", "CPU", "wall", "peak MiB"),
        rows,
    )
    targets = ResultTable(
        "Breadth as it grows: targets",
        "Exponents are slopes of log CPU over log size, four sizes each. The newest session is "
        "computed from the sessions its windows can reach and is equal, figure by figure, to the "
        "same session of the full computation; so is one symbol, the longest, as after a split.",
        ("target", "measured"),
        [
            ["exponent in sessions", _verdict(_exponent(by_sessions), 1.05)],
            ["exponent in members", _verdict(_exponent(by_members), 1.05)],
            ["one more session / full", _verdict(medians["newest"].cpu_s / full_cpu, 0.04)],
            ["one symbol restated / full", _verdict(medians["symbol"].cpu_s / full_cpu, 0.04)],
        ],
    )
    return [growth, targets]


def _exponent(cost_by_size: Mapping[int, float]) -> float:
    sizes, costs = zip(*sorted(cost_by_size.items()), strict=True)
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def measure_night(folder: Path, rounds: int, console: Console) -> list[ResultTable]:
    """A night with nothing new, one that builds everything, and what they consist of."""
    warehouse = night.prepare(folder / "warehouse", console)
    unchanged = [night.profile(warehouse) for _ in range(rounds)]
    night.forget_all(warehouse)
    everything = night.profile(warehouse)
    imports = run_once("bench.night:imports")
    sql = run_once("bench.night:sql_alone", str(warehouse))
    middle = sorted(unchanged, key=lambda told: told.cpu_s)[len(unchanged) // 2]
    parts_of = imports.cpu_s + sql.cpu_s
    figures = ResultTable(
        "One night",
        "`smallcaps run` in the sample world, the job in process, CPU and wall in seconds, peak "
        f"resident memory in MiB; the unchanged night is the median of {rounds}. "
        f"Models and tests as plain SQL: {sql.found} statements.",
        ("what", "CPU", "wall", "peak"),
        [
            ["nothing new", *_figures(middle)],
            ["everything built", *_figures(everything)],
            ["imports alone", *_figures(imports)],
            ["models and tests as plain SQL", *_figures(sql)],
        ],
    )
    targets = ResultTable(
        "One night: targets",
        "Against the sum of imports and plain SQL stands the night that builds everything.",
        ("target", "measured"),
        [
            ["CPU of a night with nothing new, s", _verdict(middle.cpu_s, 15)],
            ["night / (imports + SQL)", _verdict(everything.cpu_s / parts_of, 2)],
            ["peak memory, MiB", _verdict(everything.peak_mib, 1536)],
        ],
    )
    profiles = [
        ResultTable(
            f"Where a night's CPU goes: {name}",
            "The largest rows of `python -m bench.profile_night`; brackets overlap.",
            ("what", "CPU", "share"),
            [
                [what, f"{spent:.1f}", f"{spent / told.cpu_s:.0%}"]
                for what, spent in sorted(told.found.items(), key=lambda pair: -pair[1])[:14]
            ],
        )
        for name, told in (("nothing new", middle), ("everything built", everything))
    ]
    return [figures, targets, *profiles]


def _figures(cost: Cost) -> list[str]:
    return [f"{cost.cpu_s:.1f}", f"{cost.wall_s:.1f}", f"{cost.peak_mib:,.0f}"]


def measure_reading(folder: Path, rounds: int, console: Console) -> list[ResultTable]:
    """The sample queries of docs/bi.md, each from a connection of its own."""
    warehouse = night.prepare(folder / "warehouse", console)
    file = warehouse / "published/current/warehouse.duckdb"
    times = night.time_queries(file, rounds=max(rounds, 5))
    rows = [[first, f"{1000 * seconds:.1f}"] for first, seconds in times.items()]
    slowest = 1000 * max(times.values())
    return [
        ResultTable(
            "Reading",
            "The sample queries of docs/bi.md on the published file of the sample world "
            f"({file.stat().st_size / 1e6:.0f} MB): connect, read all rows, close; medians of "
            f"{max(rounds, 5)}, milliseconds of wall.",
            ("query (its first line)", "ms"),
            [*rows, ["**slowest**", _verdict(slowest, 50)]],
        )
    ]


PARTS: Mapping[str, Callable[[Path, int, Console], list[ResultTable]]] = {
    "breadth": measure_breadth,
    "growth": measure_growth,
    "night": measure_night,
    "reading": measure_reading,
}
