"""What the nightly report says, before it is HTML or PDF. Pure: rows in, sections out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from pipelines.lineage.diff import VersionDiff
from pipelines.lineage.diff_text import COLUMNS, changed_cells, differing_rows, headline
from pipelines.overview import Question, Word, answer_overview
from pipelines.plots import PLOTS, draw_png
from pipelines.sentences import SIMULATED, find_troubles, say_checks, say_day, shorten
from pipelines.storage.report_rows import ReportRows
from pipelines.storage.reports import as_rows

Row = Mapping[str, Any]

FIGURE_OF: Mapping[Question, str] = {
    "cheap": "valuation_gaps",
    "broad": "market_breadth",
    "bought": "flow_signals",
    "helped": "macro_regime",
}
SIGNAL_FIGURE = "signal_scorecard"
FIGURES = (*FIGURE_OF.values(), SIGNAL_FIGURE)
DPI = 144
MOST_ROWS = 20


@dataclass(frozen=True, slots=True)
class Figure:
    """A PNG, 7.5 inches wide, with the words that stand under it and in its place."""

    png: bytes
    caption: str


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as text. `numbers` are the columns set to the right, `widths` their shares."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[int, ...]
    title: str = ""
    numbers: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One heading and what stands under it. `word` is the answer where the heading asks."""

    title: str
    lead: str = ""
    word: Word | None = None
    points: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report. `label` says that the data is simulated, or is empty."""

    title: str
    label: str
    as_of: date
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    notice: str


def compose(
    rows: ReportRows, diff: VersionDiff | None, before: Mapping[str, Row], *, no_diff: str = ""
) -> Report:
    """Return the report of one version.

    `diff` compares it with an older one, whose newest signals are `before`; without one `no_diff`
    says why.
    """
    version = rows.version
    what = "rebuilt past day" if version["is_rebuild"] else "nightly report"
    return Report(
        title=f"US small caps, {version['as_of']:%-d %B %Y}",
        label=SIMULATED if version["is_simulated"] else "",
        as_of=version["as_of"],
        facts=(
            ("what", f"{what}, {version['world']} world"),
            ("as of", f"{version['as_of']}"),
            ("version", version["version"]),
            ("run", version["run_id"]),
            ("published", f"{version['published_at']:%Y-%m-%d %H:%M} UTC"),
            ("code", version["code_version"]),
        ),
        sections=(
            *_answers(rows),
            _changes(rows, diff, before, no_diff),
            _signals(rows),
            _checks(rows),
            _sources(rows),
            _claims(rows.claims),
        ),
        notice=version["notice"],
    )


def _figure(rows: ReportRows, name: str) -> tuple[Figure, ...]:
    plot = PLOTS[name]
    png = draw_png(plot, rows.figures[name], dpi=DPI, titled=False)
    return () if png is None else (Figure(png, f"{plot.title} ({plot.unit})"),)


def _answers(rows: ReportRows) -> tuple[Section, ...]:
    return tuple(
        Section(
            title=answer.title,
            word=answer.word,
            lead=answer.sentence,
            points=answer.evidence,
            figures=_figure(rows, FIGURE_OF[answer.question]),
        )
        for answer in answer_overview(rows.overview)
    )


def _changes(
    rows: ReportRows, diff: VersionDiff | None, before: Mapping[str, Row], no_diff: str
) -> Section:
    title = "What changed since the version before"
    if diff is None:
        return Section(title, lead=no_diff)
    if diff.is_equal:
        return Section(title, lead=f"{headline(diff)}.")
    moved = Table(
        ("signal", "before", "now", "state before", "state now"),
        tuple(
            (
                _spoken(row["signal_id"]),
                _z(before.get(row["signal_id"], {}).get("score_z")),
                _z(row["score_z"]),
                before.get(row["signal_id"], {}).get("state") or "unknown",
                row["state"] or "unknown",
            )
            for row in rows.signals
        ),
        (28, 14, 14, 22, 22),
        title="Signals",
        numbers=("before", "now"),
    )
    marts = Table(
        COLUMNS, tuple(differing_rows(diff)), (30, 14, 14, 14, 14, 24), title="Marts that differ",
        numbers=("rows", "added", "removed", "changed"),
    )  # fmt: skip
    cells = changed_cells(diff)
    largest = Table(
        ("mart", "row", "column", "before", "now"),
        tuple(cells[:MOST_ROWS]),
        (22, 30, 26, 16, 16),
        title="Largest changes of rows that both have",
        numbers=("before", "now"),
        note=_more(len(cells), "smallcaps diff"),
    )
    tables = (moved, marts, largest) if cells else (moved, marts)
    return Section(title, lead=f"{headline(diff)}.", tables=tables)


def _signals(rows: ReportRows) -> Section:
    table = Table(
        ("signal", "score", "state", "since", "rank corr.", "hits", "sample", "what is missing"),
        tuple(_signal(row) for row in rows.signals),
        (24, 10, 15, 17, 13, 10, 12, 34),
        numbers=("score", "rank corr.", "hits", "sample"),
        note="Score in standard deviations, from 0.5 on a tailwind, from −0.5 on a headwind. The "
        "evidence is of the next 63 sessions: rank correlation of score and relative return, % of "
        "sessions on which the sign was right, and the number of sessions without overlap.",
    )
    return Section(
        "Signals and what they were worth", figures=_figure(rows, SIGNAL_FIGURE), tables=(table,)
    )


def _signal(row: Row) -> tuple[str, ...]:
    has = bool(row["has_evidence"])
    missing = row["missing_because"] or "" if row["score_z"] is None else ""
    why = missing if has else "; ".join(t for t in (missing, row["no_evidence_because"]) if t)
    return (
        _spoken(row["signal_id"]),
        _z(row["score_z"]),
        row["state"] or "unknown",
        say_day(row["state_since_on"]) if row["state"] else "",
        f"{row['rank_correlation']:+.2f}".replace("-", "−") if has else "",
        f"{row['hit_rate_pct']:.0f} %" if has and row["hit_rate_pct"] is not None else "",
        f"{row['n_without_overlap']:,}" if has else "",
        shorten(why, 160),
    )


def _checks(rows: ReportRows) -> Section:
    run = rows.run
    odd = [*as_rows(run.failed), *as_rows(run.warned)]
    tables = []
    if odd:
        cells = [(r["check_id"], r["status"], shorten(r["finding"], 300)) for r in odd[:MOST_ROWS]]
        tables.append(
            Table(
                ("check", "status", "finding"), tuple(cells), (40, 12, 78), title="Not passed",
                note=_more(len(odd), "meta.checks"),
            )
        )  # fmt: skip
    if len(run.quarantined):
        kept_out = tuple(
            (r["feed"], r["rule"], f"{r['rows']:,}", shorten(r["example"], 160))
            for r in as_rows(run.quarantined)
        )
        tables.append(
            Table(
                ("feed", "rule", "rows", "for example"), kept_out, (26, 32, 10, 62),
                title="Rows kept out", numbers=("rows",),
            )
        )  # fmt: skip
    lead = say_checks(run.passed, len(run.warned), len(run.failed))
    return Section("Checks of this run", lead=f"{lead.capitalize()}.", tables=tuple(tables))


def _sources(rows: ReportRows) -> Section:
    troubles = find_troubles(as_rows(rows.run.behind))
    tables = []
    if troubles:
        cells = tuple(
            (t.feed, t.kind, f"{len(t.items):,}", shorten(", ".join(t.items), 400))
            for t in troubles
        )
        tables.append(
            Table(("feed", "is", "items", "which"), cells, (26, 16, 10, 78), numbers=("items",))
        )
    if rows.releases:
        released = tuple(
            (
                r["series_id"],
                say_day(r["observed_on"]) + (f" and {r['n'] - 1} more" if r["n"] > 1 else ""),
                r["release_name"] or "",
                say_day(r["expected_on"]),
                f"{r['days_late']} days late" if r["status"] == "late" else "expected",
            )
            for r in rows.releases[:MOST_ROWS]
        )
        tables.append(
            Table(
                ("series", "of", "release", "due on", "status"),
                released,
                (20, 28, 42, 18, 20),
                title="Releases that are late, and the next one of each series within seven days",
                note=_more(len(rows.releases), "marts.release_calendar"),
            )
        )
    lead = "No source is silent or stale." if not troubles else "Sources that are silent or stale:"
    return Section("Sources", lead=lead, tables=tuple(tables))


def _claims(claims: Iterable[Row]) -> Section:
    found = list(claims)
    if not found:
        return Section("Public claims", lead="No claim has been judged yet.")
    counts: dict[str, int] = {}
    for claim in found:
        counts[claim["verdict"]] = counts.get(claim["verdict"], 0) + 1
    told = ", ".join(f"{n} {_spoken(verdict)}" for verdict, n in sorted(counts.items()))
    table = Table(
        ("claim", "says", "measured", "unit", "verdict", "data of"),
        tuple(
            (
                claim["statement"],
                _figure_of(claim["stated_value"]),
                _figure_of(claim["measured_value"]),
                claim["unit"] or "",
                _spoken(claim["verdict"]) + (" (close)" if claim["is_close_call"] else ""),
                say_day(claim["observed_on"]) if claim["observed_on"] else "",
            )
            for claim in found
        ),
        (56, 12, 14, 16, 20, 18),
        numbers=("says", "measured"),
    )
    return Section("Public claims", lead=f"{len(found)} claims: {told}.", tables=(table,))


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _z(value: Any) -> str:
    return "" if value is None else f"{value:+.2f}".replace("-", "−")


def _figure_of(value: Any) -> str:
    return "" if value is None else f"{round(value, 2):.8g}".replace("-", "−")


def _more(count: int, where: str) -> str:
    return f"and {count - MOST_ROWS:,} more: {where}" if count > MOST_ROWS else ""
