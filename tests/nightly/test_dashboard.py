"""The dashboard over a published file: every page, the label, a new version, nobody else asked."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pipelines.sentences import SIMULATED
from pipelines.settings import PROJECT_DIR, child_environment
from pipelines.storage.versions import current_version, list_versions, repoint
from tests.fakes.nights import NightResult

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.xdist_group("nights"),
    pytest.mark.filterwarnings("ignore"),
]
PAGES = {
    "overview": "Small caps tonight",
    "valuation": "Valuation",
    "breadth": "Breadth",
    "flows": "Flows",
    "macro": "Macro",
    "sectors": "Sectors",
    "events": "Events",
    "signals": "Signals",
    "claims": "Claims",
    "quality": "Data quality",
}
CHROMIUM = shutil.which("chromium")


def draw(page: str) -> AppTest:
    script = f"from dashboard.views import {page}\n{page}.show()\n"
    return AppTest.from_string(script, default_timeout=60).run()


@pytest.fixture
def shown(later_night: NightResult, monkeypatch: pytest.MonkeyPatch) -> NightResult:
    """The published file of the last night is what a page opens."""
    monkeypatch.setenv("SMALLCAPS_WAREHOUSE", str(later_night.settings.warehouse))
    monkeypatch.setenv("SMALLCAPS_WORLD", "sample")
    return later_night


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_drawn_says_that_it_is_simulated_and_which_version_it_shows(
    shown: NightResult, page: str
) -> None:
    app = draw(page)
    assert not app.exception
    assert not app.error
    assert app.warning[0].value == SIMULATED
    assert app.title[0].value == PAGES[page]
    version = current_version(shown.settings)
    assert f"version {version}" in app.caption[-2].value
    assert "not endorsed or certified" in app.caption[-1].value


def test_the_overview_says_what_the_marts_say(shown: NightResult) -> None:
    app = draw("overview")
    text = " ".join(m.value for m in app.markdown)
    [(share,)] = shown.published(
        "select pct_above_200d from marts.market_breadth where universe_id = 'russell_2000' "
        "and sector = 'all' order by traded_on desc limit 1"
    )
    assert f"{share:.0f} % of the Russell 2000's members close above" in text
    states = dict(
        shown.published(
            "select signal_id, state from marts.signal_scorecard "
            "qualify traded_on = max(traded_on) over ()"
        )
    )
    word = {"tailwind": "YES", "headwind": "NO", "neutral": "MIXED"}[states["valuation"]]
    assert f"**{word}**" in text.split("Are small caps cheap?")[1].split("Is the market broad?")[0]


def test_a_choice_draws_the_page_anew(shown: NightResult) -> None:
    app = draw("signals")
    app.radio[0].set_value("dollar").run()
    assert app.subheader[0].value.startswith("Dollar: ")


def test_a_page_shows_the_version_that_the_link_points_to(shown: NightResult) -> None:
    older, newest = list_versions(shown.settings)[-2:]
    app = draw("quality")
    assert f"version {newest}" in app.caption[-2].value
    try:
        repoint(shown.settings, older)
        app.run()
        assert f"version {older}" in app.caption[-2].value
    finally:
        repoint(shown.settings, newest)


def test_an_empty_warehouse_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMALLCAPS_WAREHOUSE", str(tmp_path))
    app = draw("breadth")
    assert not app.exception
    assert "run `smallcaps run` first" in app.info[0].value


@pytest.fixture
def served(shown: NightResult) -> Iterator[str]:
    """The dashboard as `smallcaps dashboard` starts it, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "pipelines.cli", "dashboard", "--port", str(port)]
    process = subprocess.Popen(
        command, env=child_environment(shown.settings), cwd=PROJECT_DIR, start_new_session=True
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline, "the dashboard did not answer"
                time.sleep(0.2)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


@pytest.mark.enable_socket
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_asks_nobody_but_the_dashboard_and_sees_the_charts(served: str) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 800})
        asked: set[str] = set()
        page.on("request", lambda request: asked.add(request.url))
        page.goto(f"{served}/breadth")
        page.wait_for_selector(".vega-embed svg", timeout=60_000)
        assert page.locator("text=Simulated data").count() > 0
        width = page.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert width <= 390
    others = {u for u in asked if not u.startswith((served, "data:", "blob:", "ws://127.0.0.1"))}
    assert others == set()
