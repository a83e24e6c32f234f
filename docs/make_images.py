"""Draw the pictures of the documentation from the published file of the sample world.

    smallcaps run                       # publishes the sample world
    .venv/bin/python docs/make_images.py             # overview.png
    .venv/bin/python docs/make_images.py dashboard   # a picture of the dashboard's first page
    .venv/bin/python docs/make_images.py lineage     # a picture of the graph in Dagster's UI

The last two need Chromium.
Only simulated data may be drawn: a picture of live figures would carry third-party data into the
repository, so a live file is refused. What the figures mean is in `meta.data_dictionary`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.dates as mdates
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from playwright.sync_api import sync_playwright

from pipelines.settings import read_settings
from pipelines.storage import snapshot

IMAGES = Path(__file__).resolve().parent / "images"

SMALL, LARGE, DARK, FAINT = "#c2410c", "#1d4ed8", "#1f2937", "#6b7280"
PHASES = {"cutting": "#dcfce7", "hiking": "#fee2e2", "on_hold": "#f3f4f6"}

BREADTH = """
    select traded_on, universe_id, pct_above_200d
    from marts.market_breadth
    where sector = 'all' and is_reliable and pct_above_200d is not null
    order by traded_on
"""
FLOWS = """
    select traded_on, small_minus_large_flow_63d_pct as gap
    from marts.flow_signals where group_id = 'small_cap' order by traded_on
"""
VALUATION = """
    select traded_on, pair_id, log_price_ratio_z, pb_gap_pct
    from marts.valuation_gaps order by traded_on
"""
REGIME = """
    select traded_on, fed_target_mid_pct, yield_10y_pct, core_pce_yoy_pct, policy_phase
    from marts.macro_regime order by traded_on
"""
BREAKOUTS = """
    select traded_on from marts.record_highs
    where index_id = 'russell_2000' and is_breakout order by traded_on
"""


def main() -> int:
    """Write `docs/images/overview.png`; return 2 where the published file is not simulated."""
    settings = read_settings()
    publication = snapshot.read_publication(settings)
    if not publication["is_simulated"]:
        sys.stderr.write("the published file holds live data, which may not enter the repository\n")
        return 2
    tables = {
        name: snapshot.query(settings, sql)
        for name, sql in {
            "breadth": BREADTH,
            "flows": FLOWS,
            "valuation": VALUATION,
            "regime": REGIME,
            "breakouts": BREAKOUTS,
        }.items()
    }
    figure = draw_overview(tables, as_of=f"{publication['as_of']:%Y-%m-%d}")
    IMAGES.mkdir(exist_ok=True)
    path = IMAGES / "overview.png"
    # No date and no version in the file: the same data give the same picture.
    figure.savefig(path, dpi=96, metadata={"Software": None})
    sys.stdout.write(f"{path}: {path.stat().st_size / 1000:.0f} kB\n")
    return 0


def draw_overview(tables: dict[str, pd.DataFrame], *, as_of: str) -> Figure:
    """Draw breadth, flows, valuation and regime over the sessions that have breadth."""
    breadth, flows, valuation = tables["breadth"], tables["flows"], tables["valuation"]
    first, last = breadth["traded_on"].min(), breadth["traded_on"].max()
    regime = tables["regime"][tables["regime"]["traded_on"].between(first, last)]
    figure, panels = plt.subplots(
        4, 1, figsize=(11, 10.2), sharex=True, gridspec_kw={"hspace": 0.3}, facecolor="white"
    )
    figure.subplots_adjust(left=0.065, right=0.875, top=0.905, bottom=0.05)
    figure.text(
        0.065, 0.968, "US small against large caps: one published file",
        fontsize=15, fontweight="bold", color=DARK,
    )  # fmt: skip
    figure.text(
        0.065, 0.945,
        f"SIMULATED DATA of the sample world, as of {as_of}: no figure here is real. "
        "Background: policy phase. Dotted: breakout of the Russell 2000.",
        fontsize=9.5, color="#b91c1c",
    )  # fmt: skip

    for universe, colour, name in (
        ("russell_2000", SMALL, "Russell 2000"),
        ("sp_500", LARGE, "S&P 500"),
    ):
        rows = breadth[breadth["universe_id"] == universe].set_index("traded_on")
        _line(panels[0], rows["pct_above_200d"], colour, name, digits=0, unit=" %")
    panels[0].set_ylim(0, 100)
    _title(panels[0], "Breadth: members above their 200-session mean, %")

    gap = flows.set_index("traded_on")["gap"].loc[first:last]
    panels[1].axhline(0, color=FAINT, linewidth=0.8)
    for side, colour in ((gap.clip(lower=0), SMALL), (gap.clip(upper=0), LARGE)):
        panels[1].fill_between(gap.index, side, 0, color=colour, alpha=0.35, linewidth=0)
    _line(panels[1], gap, DARK, "small − large", digits=1, unit=" pts", width=1.0)
    _title(panels[1], "Flows: small-cap minus large-cap funds, 63 sessions, % of assets")

    panels[2].axhline(0, color=FAINT, linewidth=0.8)
    for pair, colour, name in (
        ("small_vs_large", SMALL, "small : large"),
        ("small_value_vs_large_growth", "#7c3aed", "value : growth"),
    ):
        rows = valuation[valuation["pair_id"] == pair].set_index("traded_on").loc[first:last]
        _line(panels[2], rows["log_price_ratio_z"], colour, name, digits=1, unit=" sd")
    _title(panels[2], "Valuation: price of small to large, z-score over 2,520 sessions")

    by_day = regime.set_index("traded_on")
    for column, colour, name in (
        ("fed_target_mid_pct", DARK, "Fed target"),
        ("yield_10y_pct", "#0f766e", "10-year yield"),
        ("core_pce_yoy_pct", "#b45309", "core PCE yoy"),
    ):
        _line(panels[3], by_day[column], colour, name, digits=2, unit=" %")
    _title(panels[3], "Regime: policy rate, ten-year yield and core inflation, %")
    _separate_labels(panels)

    for panel in panels:
        _shade_phases(panel, by_day["policy_phase"])
        for day in tables["breakouts"]["traded_on"]:
            if first <= day <= last:
                panel.axvline(day, color=DARK, linewidth=1.0, linestyle=":")
        panel.set_xlim(first, last)
        panel.grid(axis="y", color="white", linewidth=0.8)
        panel.tick_params(length=0, labelsize=9, labelcolor=DARK)
        for edge in panel.spines.values():
            edge.set_visible(False)
        panel.text(
            0.5, 0.5, "SIMULATED", transform=panel.transAxes, ha="center", va="center",
            fontsize=30, color=DARK, alpha=0.07, fontweight="bold",
        )  # fmt: skip
    panels[3].xaxis.set_major_locator(mdates.YearLocator())
    panels[3].xaxis.set_major_formatter(mdates.DateFormatter("%Y"))
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in PHASES.values()]
    figure.legend(
        handles, ["cutting", "hiking", "on hold"], loc="upper right", ncols=3, frameon=False,
        bbox_to_anchor=(0.99, 0.99), fontsize=9, handlelength=1.2, columnspacing=1.0,
    )  # fmt: skip
    return figure


def _line(
    panel: Axes,
    values: pd.Series,
    colour: str,
    name: str,
    *,
    digits: int,
    unit: str,
    width: float = 1.3,
) -> None:
    """Draw one line and write its name and newest value at its right end."""
    panel.plot(values.index, values, color=colour, linewidth=width)
    newest = values.dropna()
    panel.annotate(
        f"{name}\n{newest.iloc[-1]:.{digits}f}{unit}",
        (values.index[-1], newest.iloc[-1]),
        xytext=(8, 0), textcoords="offset points", va="center", fontsize=9, color=colour,
        annotation_clip=False,
    )  # fmt: skip


def _separate_labels(panels: list[Axes]) -> None:
    """Move the end labels of a panel apart where they would cover each other."""
    for panel in panels:
        low, high = panel.get_ylim()
        height = panel.get_position().height * panel.figure.get_figheight() * 72
        labels = sorted(panel.texts, key=lambda t: t.xy[1])
        places = [(label.xy[1] - low) / (high - low) * height for label in labels]
        wanted = list(places)
        for i in range(1, len(places)):
            places[i] = max(places[i], places[i - 1] + 27)
        over = max(0.0, places[-1] - height + 6) if places else 0.0
        for label, place, origin in zip(labels, places, wanted, strict=True):
            label.set_position((8, place - over - origin))


def _shade_phases(panel: Axes, phases: pd.Series) -> None:
    """Shade the background by policy phase, one band for each run of equal phases."""
    runs = (phases != phases.shift()).cumsum()
    starts = [(band.index[0], band.iloc[0]) for _, band in phases.groupby(runs)]
    ends = [start for start, _ in starts[1:]] + [phases.index[-1]]
    for (start, phase), end in zip(starts, ends, strict=True):
        panel.axvspan(start, end, color=PHASES.get(phase, "white"), linewidth=0, zorder=0)


def _title(panel: Axes, text: str) -> None:
    panel.set_title(text, loc="left", fontsize=10.5, color=DARK, pad=5)


def photograph(command: str, path: str, wait_for: str, target: Path, size: tuple[int, int]) -> None:
    """Start a server of ours on a free port, photograph one page of it, and stop the server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "pipelines.cli", command, "--port", str(port)],
        start_new_session=True,
    )
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        with sync_playwright() as tool:
            chromium = shutil.which("chromium")
            browser = tool.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": size[0], "height": size[1]})
            page.goto(f"http://127.0.0.1:{port}{path}")
            page.wait_for_selector(wait_for, timeout=120_000)
            page.wait_for_timeout(4000)
            page.screenshot(path=str(target))
            browser.close()
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=60)


SCREENS = {
    "dashboard": ("dashboard", "/", ".vega-embed svg", (1280, 1500)),
    "lineage": ("ui", "/asset-groups", "text=published", (1800, 1500)),
}


def run(names: list[str]) -> int:
    """Draw what is named; without names the chart of the README."""
    if not names:
        return main()
    settings = read_settings()
    if not snapshot.read_publication(settings)["is_simulated"]:
        print("the published file is not simulated: its figures may not be drawn", file=sys.stderr)
        return 2
    for name in names:
        command, path, wait_for, size = SCREENS[name]
        photograph(command, path, wait_for, IMAGES / f"{name}.png", size)
        print(IMAGES / f"{name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
