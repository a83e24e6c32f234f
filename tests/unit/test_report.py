"""The nightly report: what it says, and that both forms say it whatever the sources sent."""

from __future__ import annotations

import html
import io
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import pytest
from pypdf import PdfReader

from pipelines.lineage.diff import ExplainedDifference, VersionDiff, VersionFacts
from pipelines.overview import Overview
from pipelines.report.content import FIGURES, MOST_ROWS, Report, compose
from pipelines.report.html import render_html
from pipelines.report.pdf import render_pdf
from pipelines.sentences import SIMULATED
from pipelines.storage.report_rows import ReportRows
from pipelines.storage.reports import RunReport
from pipelines.storage.version_diff import Change, TableDifference
from tests.unit.test_overview import DAY
from tests.unit.test_overview import rows as overview_rows

HOSTILE = '<script>alert("x")</script> & <img src="https://evil.test/x">'
BEHIND = [
    "feed", "provider", "item", "status", "detail", "newest_on", "is_stale", "stale_since",
    "is_required",
]  # fmt: skip


def run_report(finding: str = "2 rows quarantined", **changes: Any) -> RunReport:
    checks = pd.DataFrame(
        [("gate:fund_shares.counts", "gate", "fund_shares", "warn", "warned", finding, 2)],
        columns=["check_id", "kind", "target", "severity", "status", "finding", "failing_rows"],
    )
    behind = pd.DataFrame(
        [
            ("fred", "fred", "ICSA", "ok", "", pd.Timestamp("2025-09-06"), True,
             pd.Timestamp("2025-09-20"), False),
            ("fred", "fred", "DGS2", "unavailable", "HTTP 503", pd.NaT, False, pd.NaT, False),
        ],
        columns=BEHIND,
    )  # fmt: skip
    whole: dict[str, Any] = {
        "run_id": "run-1", "status": "running", "as_of": DAY, "checks": 575, "passed": 574,
        "failed": checks.iloc[:0], "warned": checks, "batches": pd.DataFrame(),
        "behind": behind,
        "quarantined": pd.DataFrame(
            [("fund_shares", "spike", 1, "1e12 shares")],
            columns=["feed", "rule", "rows", "example"],
        ),
    }  # fmt: skip
    return RunReport(**(whole | changes))


def signal(name: str, **changes: Any) -> dict[str, Any]:
    whole = {
        "signal_id": name, "traded_on": DAY, "score_z": 1.25, "state": "tailwind",
        "state_since_on": date(2025, 9, 10), "missing_because": None, "has_evidence": True,
        "no_evidence_because": "", "rank_correlation": -0.0912, "hit_rate_pct": 51.4,
        "n_without_overlap": 17, "newey_west_t": 1.2,
    }  # fmt: skip
    return whole | changes


def claim(**changes: Any) -> dict[str, Any]:
    whole = {
        "claim_id": "c", "statement": "Small companies are twice as indebted.", "unit": "ratio",
        "stated_value": 2.0, "measured_value": 1.6512, "second_value": None,
        "verdict": "contradicted", "is_close_call": True, "is_suspect": False,
        "observed_on": date(2025, 8, 29), "would_need": "",
    }  # fmt: skip
    return whole | changes


def report_rows(**changes: Any) -> ReportRows:
    frame = pd.DataFrame(
        {"traded_on": pd.date_range("2024-01-01", periods=50), "small": range(50)}, dtype=object
    )
    bars = pd.DataFrame({"signal": ["valuation"], "score": [1.25]})
    whole: dict[str, Any] = {
        "version": {
            "version": "20251010T200000-run1", "run_id": "run-1", "world": "sample", "as_of": DAY,
            "published_at": datetime(2025, 10, 11, 0, 1, tzinfo=UTC), "code_version": "0.1.0",
            "is_simulated": True, "is_rebuild": False, "notice": "Simulated data: none is real.",
        },
        "overview": overview_rows(),
        "signals": (signal("valuation"), signal("breadth", score_z=None, state=None,
                    missing_because="no members", has_evidence=False,
                    no_evidence_because="too few sessions", rank_correlation=None)),
        "claims": (claim(),),
        "releases": (
            {"series_id": "JTSJOL", "observed_on": date(2025, 8, 1), "n": 1, "days_late": 3,
             "release_name": "JOLTS", "expected_on": date(2025, 10, 7), "status": "late"},
            {"series_id": "DGS10", "observed_on": DAY, "n": 3, "days_late": None,
             "release_name": None, "expected_on": date(2025, 10, 14), "status": "expected"},
        ),
        "run": run_report(),
        "figures": {name: bars if name == "signal_scorecard" else frame for name in FIGURES},
        "published_that_day": None,
    }  # fmt: skip
    return ReportRows(**(whole | changes))


def difference(changed: int = 1) -> VersionDiff:
    table = TableDifference(
        "marts.macro_regime", 10, 11, 1, 1, 0, changed, {"yield_10y_pct": changed}, (), (),
        (Change({"traded_on": date(2025, 10, 9)}, "yield_10y_pct", 4.1, 4.2, 0.1, 0.02),),
    )  # fmt: skip
    explained = ExplainedDifference(table, "new data", "fred_observations: 12 rows")
    facts = [VersionFacts(f"v{n}", date(2025, 10, 8 + n), "0.1.0", False) for n in (1, 2)]
    return VersionDiff(facts[0], facts[1], {"fred_observations": 12}, (explained,))


def text_of(pdf: bytes) -> str:
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages]
    return " ".join(" ".join(pages).replace("\u200b", "").split())


def section(report: Report, title: str) -> Any:
    [found] = [s for s in report.sections if s.title.startswith(title)]
    return found


def test_the_first_four_sections_are_the_four_answers() -> None:
    report = compose(report_rows(), None, {}, no_diff="first")
    assert [(s.title, s.word) for s in report.sections[:4]] == [
        ("Are small caps cheap?", "yes"),
        ("Is the market broad?", "no"),
        ("Are they bought?", "mixed"),
        ("Does the macro picture help?", "yes"),
    ]
    assert all(len(s.figures) == 1 for s in report.sections[:4])


def test_changes_are_told_by_signal_by_mart_and_by_cell() -> None:
    before = {"valuation": {"score_z": -0.5, "state": "headwind"}}
    changes = section(compose(report_rows(), difference(), before), "What changed")
    signals, marts, cells = changes.tables
    assert signals.rows == (
        ("valuation", "−0.50", "+1.25", "headwind", "tailwind"),
        ("breadth", "", "", "unknown", "unknown"),
    )
    assert marts.rows == (("macro_regime", "11", "1", "0", "1", "new data"),)
    assert cells.rows == (("macro_regime", "2025-10-09", "yield_10y_pct", "4.1", "4.2"),)


def test_without_an_older_version_the_report_says_why() -> None:
    changes = section(compose(report_rows(), None, {}, no_diff="It is the first."), "What changed")
    assert (changes.lead, changes.tables) == ("It is the first.", ())


def test_a_signal_without_score_or_evidence_says_what_is_missing() -> None:
    [table] = section(compose(report_rows(), None, {}), "Signals").tables
    assert table.rows[0] == ("valuation", "+1.25", "tailwind", "2025-09-10", "−0.09", "51 %", "17",
                             "")  # fmt: skip
    assert table.rows[1] == ("breadth", "", "unknown", "", "", "", "",
                             "no members; too few sessions")  # fmt: skip


def test_checks_rows_kept_out_sources_and_releases_are_named() -> None:
    report = compose(report_rows(), None, {})
    checks = section(report, "Checks")
    assert checks.lead == "Checks: 574 passed, 1 warned, 0 failed."
    assert checks.tables[0].rows == (("gate:fund_shares.counts", "warned", "2 rows quarantined"),)
    assert checks.tables[1].rows == (("fund_shares", "spike", "1", "1e12 shares"),)
    troubles, releases = section(report, "Sources").tables
    assert troubles.rows == (
        ("fred", "stale", "1", "ICSA (newest 2025-09-06)"),
        ("fred", "unavailable", "1", "DGS2 (HTTP 503)"),
    )
    assert releases.rows == (
        ("JTSJOL", "2025-08-01", "JOLTS", "2025-10-07", "3 days late"),
        ("DGS10", "2025-10-10 and 2 more", "", "2025-10-14", "expected"),
    )


def test_claims_are_counted_by_verdict() -> None:
    rows = report_rows(claims=(claim(), claim(verdict="supported", is_close_call=False)))
    claims = section(compose(rows, None, {}), "Public claims")
    assert claims.lead == "2 claims: 1 contradicted, 1 supported."
    assert claims.tables[0].rows[0][1:] == ("2", "1.65", "ratio", "contradicted (close)",
                                            "2025-08-29")  # fmt: skip


def test_a_long_table_says_how_many_rows_it_leaves_out() -> None:
    late = report_rows().releases[0]
    rows = report_rows(releases=(late,) * (MOST_ROWS + 7))
    table = section(compose(rows, None, {}), "Sources").tables[1]
    assert (len(table.rows), table.note) == (MOST_ROWS, "and 7 more: marts.release_calendar")


def test_the_page_asks_nobody_and_runs_nothing() -> None:
    rows = report_rows(run=run_report(HOSTILE), claims=(claim(statement=HOSTILE),))
    page = render_html(compose(rows, difference(), {})).decode()
    assert "<script" not in page
    assert set(re.findall(r'(?:src|href)="([^"]{1,5})', page)) == {"data:", *(
        f"#s{n}" for n in range(1, 10)
    )}  # fmt: skip
    assert "default-src 'none'" in page
    assert page.count("&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt; &amp;") == 2
    assert f'<p class="label">{SIMULATED}</p>' in page


def test_both_forms_say_the_answers_and_that_the_data_is_simulated() -> None:
    report = compose(report_rows(), difference(), {})
    pdf = render_pdf(report)
    told = text_of(pdf)
    page = html.unescape(re.sub(r"<[^>]+>", " ", render_html(report).decode()))
    for part in report.sections:
        for sentence in (part.title, part.lead):
            assert " ".join(sentence.split()) in told
            assert sentence in page
    document = PdfReader(io.BytesIO(pdf))
    assert document.metadata is not None
    assert document.metadata.title == "US small caps, 10 October 2025 (simulated)"
    assert document.trailer["/Root"]["/Lang"] == "en"
    assert all("SIMULATED DATA" in page.extract_text() for page in document.pages)


def test_the_same_content_is_the_same_bytes() -> None:
    report = compose(report_rows(), difference(), {})
    assert render_pdf(report) == render_pdf(report)
    assert render_html(report) == render_html(report)


def test_real_data_carries_no_label() -> None:
    real = report_rows().version | {"is_simulated": False, "world": "live", "notice": "FRED."}
    report = compose(report_rows(version=real), None, {})
    assert "SIMULATED" not in text_of(render_pdf(report))
    assert 'class="label"' not in render_html(report).decode()


@pytest.mark.parametrize("hostile", [HOSTILE, "日本語 \x00 \u202e 🙂", "x" * 4000, ""])
def test_nothing_that_a_source_says_stops_the_report(hostile: str) -> None:
    rows = report_rows(run=run_report(hostile), claims=(claim(statement=hostile),))
    report = compose(rows, None, {}, no_diff=hostile)
    assert render_html(report).endswith(b"</html>")
    assert render_pdf(report).startswith(b"%PDF-")


def test_an_empty_version_has_a_report() -> None:
    nothing = Overview(signals={}, valuation={}, breadth={}, flows={}, macro={})
    empty = run_report()
    rows = report_rows(
        overview=nothing, signals=(), claims=(), releases=(),
        figures=dict.fromkeys(FIGURES, pd.DataFrame({"x": [], "y": []})),
        run=replace(
            empty, warned=empty.warned.iloc[:0], behind=empty.behind.iloc[:0],
            quarantined=empty.quarantined.iloc[:0],
        ),
    )  # fmt: skip
    report = compose(rows, None, {}, no_diff="There is no earlier version to compare with.")
    assert {s.word for s in report.sections[:4]} == {"unknown"}
    assert section(report, "Sources").lead == "No source is silent or stale."
    assert "Nothing is known of the price" in text_of(render_pdf(report))
