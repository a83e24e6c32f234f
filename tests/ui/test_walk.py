"""A first look around the Dagster UI in a browser: what a data engineer opens, reads and starts."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.fakes.nights import run_sample_night
from tests.fakes.ui import (
    START_SECONDS,
    STOP_SECONDS,
    answers,
    ask,
    free_port,
    kill_what_is_left,
    start_ui,
    wait,
)
from tests.nightly.test_gates_hold import _multiply_newest, _observations

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.xdist_group("ui"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: chromium)"),
]
RUN_SECONDS = 1500.0
"""In another order the checks wait for the rebuilds: one run at a time works in a warehouse."""
PAGE_MS = 60_000


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The UI over a warehouse with one published night, and one that a gate refused."""
    warehouse = tmp_path_factory.mktemp("walk") / "warehouse"
    good = run_sample_night(warehouse, only="macro", as_of=date(2025, 10, 8))
    assert good.exit_code == 0
    bad = _observations("PCEPILFE", _multiply_newest)
    refused = run_sample_night(
        warehouse, only="macro", as_of=date(2025, 10, 10), fault=bad, full_refresh=True
    )
    assert refused.exit_code == 1
    number = free_port()
    process = start_ui(warehouse, number)
    try:
        wait(START_SECONDS, lambda: answers(number) or process.poll() is not None, "the UI")
        assert process.poll() is None, (warehouse / "ui.log").read_text()
        yield number
        process.send_signal(signal.SIGTERM)
        wait(STOP_SECONDS, lambda: process.poll() is not None, "the end")
    finally:
        kill_what_is_left(warehouse)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield found
        found.close()


@pytest.fixture
def visit(port: int, browser: Any) -> Iterator[Callable[[str], Page]]:
    """Open a page of the UI; it may ask nobody else."""
    context = browser.new_context(viewport={"width": 1500, "height": 950})
    page = context.new_page()
    page.set_default_timeout(PAGE_MS)
    strangers: set[str] = set()
    own = (f"http://127.0.0.1:{port}/", f"ws://127.0.0.1:{port}/", "data:", "blob:")
    page.on("request", lambda r: None if r.url.startswith(own) else strangers.add(r.url))

    def go(path: str) -> Page:
        page.goto(f"http://127.0.0.1:{port}{path}")
        return page

    yield go
    context.close()
    assert strangers == set()


def see(page: Page, text: str) -> None:
    expect(page.get_by_text(text, exact=False).first).to_be_visible(timeout=PAGE_MS)


def test_the_graph_shows_the_groups(visit: Callable[[str], Page]) -> None:
    page = visit("/asset-groups")
    for group in ("macro", "prices", "funds", "fundamentals", "signals", "published"):
        see(page, group)


def test_a_mart_says_what_it_is_where_it_comes_from_and_how_large(
    visit: Callable[[str], Page],
) -> None:
    page = visit("/assets/marts/macro_regime")
    for text in (
        "The macro picture as it was known at the end of each session",
        "Grain:",
        "core_pce_yoy_pct",
        "data-engineering",
        "warehouse.marts.macro_regime",
        "9,0",  # rows
        "At 08:00 PM",  # the schedule
    ):
        see(page, text)


def test_the_launchpad_shows_every_option(visit: Callable[[str], Page]) -> None:
    page = visit("/locations/smallcaps/jobs/nightly/playground")
    for text in ("as_of", "full_refresh", "from_landing", "with_late_loads", "Launch Run"):
        see(page, text)


def test_a_failed_gate_names_series_days_and_the_rule(visit: Callable[[str], Page]) -> None:
    page = visit("/assets/landing/fred_observations?view=checks")
    page.get_by_text("values_are_plausible").first.click()
    see(page, "too many of the newest values are out of range in PCEPILFE")
    see(page, "is outside 10 to 300")
    see(page, "One bad value is a slip, several of the newest are a changed unit.")
    see(page, "This is a blocking asset check.")


def test_a_report_is_named_with_its_answers(visit: Callable[[str], Page]) -> None:
    page = visit("/assets/published/report")
    for text in ("report.html", "report.pdf", "Does the macro picture help?"):
        see(page, text)


def test_checks_can_be_run_again(visit: Callable[[str], Page], port: int) -> None:
    page = visit("/assets/marts/macro_regime?view=checks")
    page.get_by_role("button", name="Execute all").click()
    see(page, "Launched run")
    wait(RUN_SECONDS, lambda: _statuses(port, "__ASSET_JOB") == ["SUCCESS"], "the checks")


def test_past_days_are_rebuilt_over_a_range(visit: Callable[[str], Page], port: int) -> None:
    page = visit("/assets/published/past_days")
    page.get_by_role("button", name="Materialize").first.click()
    days = page.get_by_placeholder("ex: ")
    expect(days).to_be_visible(timeout=PAGE_MS)
    # The last day that is offered lies before the world's last.
    assert "2025-10-09]" in str(days.get_attribute("placeholder"))
    days.fill("[2025-10-06...2025-10-07]")
    page.keyboard.press("Tab")
    see(page, "2 partitions")
    page.get_by_role("button", name="Launch backfill").click()

    def launched() -> bool:
        asked = ask(
            port,
            "{runsOrError{... on Runs{results{status tags{key value}}}}}",
        )["runsOrError"]["results"]
        tags = [{t["key"]: t["value"] for t in run["tags"]} for run in asked]
        found = {t["dagster/partition"] for t in tags if "dagster/partition" in t}
        return found == {"2025-10-06", "2025-10-07"}

    wait(RUN_SECONDS, launched, "the backfill's runs")


def _statuses(port: int, job: str) -> list[str]:
    runs = ask(port, "{runsOrError{... on Runs{results{jobName status tags{key value}}}}}")
    return [
        run["status"]
        for run in runs["runsOrError"]["results"]
        if run["jobName"] == job and "dagster/backfill" not in {t["key"] for t in run["tags"]}
    ]
