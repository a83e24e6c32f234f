"""Charts as a newspaper prints them: the title says the finding, units below, labels at the lines.

Pure: frames in, Altair charts out. Colours are Okabe and Ito's, which colour-blind readers can tell
apart; lines differ in dash as well. Nothing is fetched: Vega comes with Streamlit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import altair as alt
import pandas as pd

BLUE, ORANGE, GREEN, PINK, GREY, SKY = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#6b7280", "#56B4E9",
)  # fmt: skip
PALETTE = (BLUE, ORANGE, GREEN, PINK, SKY, GREY)
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4], [1, 3])
MOST_POINTS = 1500
"""Points of one line that are sent to the browser: more than a screen has columns."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a chart says: `title` is the finding, `unit` the axis, `alt` the text for a reader."""

    title: str
    unit: str
    alt: str = ""


def thin(frame: pd.DataFrame, key: str | None = None, most: int = MOST_POINTS) -> pd.DataFrame:
    """Return every n-th row (of each key) and always the newest, in order."""
    groups = [frame] if key is None else [g for _, g in frame.groupby(key, sort=False)]
    kept = []
    for group in groups:
        step = max(1, len(group) // most)
        kept.append(group.iloc[(len(group) - 1) % step :: step])
    return pd.concat(kept) if kept else frame


def lines(
    frame: pd.DataFrame,
    words: Words,
    *,
    x: str = "traded_on",
    names: Mapping[str, str],
    zero: bool = False,
    shades: pd.DataFrame | None = None,
    rules: Sequence[tuple[float, str]] = (),
    height: int = 300,
) -> alt.LayerChart:
    """Draw one line per column of `names` (column to label), labelled at its end.

    `shades` are spans (from_on, to_on, kind) drawn behind; `rules` are horizontal (value, label).
    """
    long = thin(frame)[[x, *names]].melt(x, var_name="column", value_name="value").dropna()
    long["name"] = long["column"].map(dict(names))
    order = list(names.values())
    colours = alt.Scale(domain=order, range=list(PALETTE[: len(order)]))
    colour = alt.Color(
        "name:N",
        scale=colours,
        legend=_legend() if len(order) > 1 else None,
    )
    scale = alt.Scale(zero=zero)
    days = (long[x].max() - long[x].min()).days if len(long) else 0
    form = "%Y" if days > 6 * 365 else "%b %Y"
    axis_x = alt.X(f"{x}:T", title=None, axis=alt.Axis(format=form, tickCount=7, grid=False))
    axis_y = alt.Y("value:Q", title=None, scale=scale)
    line = (
        alt.Chart(long)
        .mark_line(strokeWidth=1.6, clip=True)
        .encode(
            x=axis_x,
            y=axis_y,
            color=colour,
            strokeDash=alt.StrokeDash(
                "name:N",
                scale=alt.Scale(domain=order, range=list(DASHES[: len(order)])),
                legend=None,
            ),
            tooltip=[
                alt.Tooltip(f"{x}:T", title="session", format="%Y-%m-%d"),
                alt.Tooltip("name:N", title="line"),
                alt.Tooltip("value:Q", title=words.unit, format=",.2f"),
            ],
        )
    )
    ends = long.loc[long.groupby("name")[x].idxmax()] if len(long) else long
    label = (
        alt.Chart(ends)
        .mark_text(align="right", dy=-9, dx=4, fontWeight="bold", fontSize=12)
        .encode(
            x=f"{x}:T",
            y="value:Q",
            color=alt.Color("name:N", scale=colours, legend=None),
            text=alt.Text("value:Q", format=",.1f"),
        )
    )
    layers: list[alt.Chart] = []
    if shades is not None and len(shades) and len(long):
        first, last = long[x].min(), long[x].max()
        inside = shades[(shades["to_on"] > first) & (shades["from_on"] < last)].copy()
        inside["from_on"] = inside["from_on"].clip(lower=first)
        inside["to_on"] = inside["to_on"].clip(upper=last)
        layers.append(
            alt.Chart(inside)
            .mark_rect(opacity=0.18)
            .encode(
                x="from_on:T",
                x2="to_on:T",
                color=alt.Color(
                    "kind:N",
                    scale=alt.Scale(domain=["recession", "rate cuts"], range=[GREY, GREEN]),
                    legend=alt.Legend(orient="bottom", title=None),
                ),
            )
        )
    for value, text in rules:
        at = pd.DataFrame({"value": [value], "text": [text]})
        layers.append(alt.Chart(at).mark_rule(color=GREY, strokeDash=[4, 4]).encode(y="value:Q"))
        layers.append(
            alt.Chart(at)
            .mark_text(align="left", dx=4, dy=-6, color=GREY, fontSize=11)
            .encode(y="value:Q", x=alt.value(0), text="text:N")
        )
    if zero:
        layers.append(
            alt.Chart(pd.DataFrame({"value": [0.0]})).mark_rule(color=GREY).encode(y="value:Q")
        )
    chart = alt.layer(*layers, line, label).resolve_scale(color="independent")
    return _titled(chart, words, height)


def bars(
    frame: pd.DataFrame,
    words: Words,
    *,
    label: str,
    value: str,
    low: str | None = None,
    high: str | None = None,
    mark: str | None = None,
    height: int | None = None,
) -> alt.LayerChart:
    """Draw horizontal bars, one per row in the frame's order, with whiskers and a second mark.

    Positive is blue, negative orange; the value stands beside its bar.
    """
    data = frame.dropna(subset=[value])
    y = alt.Y(f"{label}:N", sort=list(data[label]), title=None, axis=alt.Axis(labelLimit=230))
    bar = (
        alt.Chart(data)
        .mark_bar(height={"band": 0.62})
        .encode(
            x=alt.X(f"{value}:Q", title=None, axis=alt.Axis(tickCount=6)),
            y=y,
            color=alt.condition(f"datum['{value}'] >= 0", alt.value(BLUE), alt.value(ORANGE)),
            tooltip=[label, alt.Tooltip(f"{value}:Q", format=",.2f", title=words.unit)],
        )
    )
    layers: list[alt.Chart] = [bar]
    if low and high:
        layers.append(
            alt.Chart(data)
            .mark_rule(color="#111827", strokeWidth=1.4)
            .encode(x=f"{low}:Q", x2=f"{high}:Q", y=y)
        )
    else:
        sides: tuple[tuple[str, Literal["left", "right"], int], ...]
        sides = ((">= 0", "left", 4), ("< 0", "right", -4))
        digits = ",.2f" if data[value].abs().max() < 1 else ",.1f"
        for side, align, dx in sides:
            layers.append(
                alt.Chart(data)
                .transform_filter(f"datum['{value}'] {side}")
                .mark_text(align=align, dx=dx, fontSize=11, color=GREY)
                .encode(x=f"{value}:Q", y=y, text=alt.Text(f"{value}:Q", format=digits))
            )
    if mark:
        layers.append(
            alt.Chart(data)
            .mark_tick(color="#111827", thickness=2.5, height={"band": 0.7})
            .encode(x=f"{mark}:Q", y=y)
        )
    layers.append(alt.Chart(pd.DataFrame({"v": [0]})).mark_rule(color=GREY).encode(x="v:Q"))
    return _titled(alt.LayerChart(layer=layers), words, height or max(120, 26 * len(data) + 50))


def _legend() -> alt.Legend:
    return alt.Legend(orient="top", title=None, labelLimit=0, columns=1)


def _titled(chart: alt.LayerChart, words: Words, height: int) -> alt.LayerChart:
    titled: alt.LayerChart = chart.properties(
        height=height,
        width="container",
        description=words.alt or f"{words.title}. Unit: {words.unit}.",
    ).configure_view(strokeWidth=0)
    return titled
