"""One small picture per mart for the Dagster UI: what its newest years look like.

A plot is a query and a way to draw its rows; the frame comes from the build file (`storage`), the
drawing is pure and costs about 0.1 s. The pictures for readers are the dashboard's, not these.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9")
"""From Okabe and Ito's palette, which colour-blind readers can tell apart."""
WORD_COLOURS: Mapping[str, str] = {
    "supported": "#009E73",
    "contradicted": "#D55E00",
    "different measure": "#0072B2",
    "late": "#D55E00",
    "expected": "#0072B2",
}
"""Colour of a table's word; any other word is grey."""


@dataclass(frozen=True, slots=True)
class Plot:
    """`sql` returns a first column x and one column per line (or one value per bar).

    Of `intervals` the first column is a label and each other one a value beside it; columns
    `<name>_low` and `<name>_high` are the ends of the value's whiskers. A `table` is text, its last
    column a word that is coloured by `WORD_COLOURS`.
    """

    title: str
    unit: str
    sql: str
    kind: Literal["lines", "bars", "intervals", "table"] = "lines"
    zero_line: bool = False


PLOTS: Mapping[str, Plot] = {
    "macro_regime": Plot(
        "Core PCE inflation and the middle of the Fed's target range",
        "%",
        "select traded_on, core_pce_yoy_pct as core_pce, fed_target_mid_pct as fed_target "
        "from marts.macro_regime order by traded_on",
    ),
    "valuation_gaps": Plot(
        "Price ratio of small to large caps, z-score (below zero: small caps cheaper than usual)",
        "standard deviations",
        "pivot (select traded_on, pair_id, log_price_ratio_z from marts.valuation_gaps "
        "where log_price_ratio_z is not null) on pair_id using first(log_price_ratio_z) "
        "group by traded_on order by traded_on",
        zero_line=True,
    ),
    "market_breadth": Plot(
        "Members above their 200-day average, whole universe, last two years",
        "% of members",
        "pivot (select traded_on, universe_id, pct_above_200d from marts.market_breadth "
        "where sector = 'all' and traded_on > (select max(traded_on) - interval 2 year "
        "from marts.market_breadth)) on universe_id using first(pct_above_200d) "
        "group by traded_on order by traded_on",
    ),
    "fund_flows": Plot(
        "Money into each fund over the last 63 sessions, newest session of the fund",
        "% of assets",
        "select fund_id, flow_63d_pct_aum as flow from marts.fund_flows "
        "qualify row_number() over (partition by fund_id order by traded_on desc) = 1 "
        "order by flow",
        kind="bars",
        zero_line=True,
    ),
    "flow_signals": Plot(
        "Flow into small minus large caps over 63 sessions, last five years",
        "% of assets",
        "select traded_on, small_minus_large_flow_63d_pct as small_minus_large "
        "from marts.flow_signals where group_id = 'small_cap' and traded_on > "
        "(select max(traded_on) - interval 5 year from marts.flow_signals) order by traded_on",
        zero_line=True,
    ),
    "record_highs": Plot(
        "Record closes per year",
        "sessions",
        "pivot (select year(s.traded_on) as year, i.index_id, h.traded_on "
        "from reference.sessions as s "
        "cross join (select distinct index_id from marts.record_highs) as i "
        "left join marts.record_highs as h on h.traded_on = s.traded_on "
        "and h.index_id = i.index_id where s.traded_on between "
        "(select min(traded_on) from marts.record_highs) and (select max(traded_on) "
        "from marts.record_highs)) on index_id using count(traded_on) "
        "group by year order by year",
    ),
    "sector_weights": Plot(
        "Russell 2000: weight of each sector in the newest file",
        "% of the fund",
        "select sector, weight_pct from marts.sector_weights where universe_id = 'russell_2000' "
        "qualify as_of_on = max(as_of_on) over () order by weight_pct",
        kind="bars",
    ),
    "fundamentals_coverage": Plot(
        "Weight of the members whose company filed in the 130 days before the quarter's end",
        "% of the members' weight",
        "pivot (select quarter_on, universe_id, weight_covered_pct from "
        "marts.fundamentals_coverage) on universe_id using first(weight_covered_pct) "
        "group by quarter_on order by quarter_on",
    ),
    "sector_rate_sensitivity": Plot(
        "Return beyond SPY per point of yield and breakeven, 95 % intervals",
        "% per point, newest fit",
        # se = beta / t; 1.96 standard errors on either side
        "select fund_id || ' ' || sector as fund, "
        "beta_yield_10y_pct_per_pt as yield, "
        "yield - 1.96 * abs(yield / t_yield_10y) as yield_low, "
        "yield + 1.96 * abs(yield / t_yield_10y) as yield_high, "
        "beta_breakeven_10y_pct_per_pt as breakeven, "
        "breakeven - 1.96 * abs(breakeven / t_breakeven_10y) as breakeven_low, "
        "breakeven + 1.96 * abs(breakeven / t_breakeven_10y) as breakeven_high "
        "from marts.sector_rate_sensitivity where r_squared_ratio is not null "
        "qualify row_number() over (partition by fund_id order by traded_on desc) = 1 "
        "order by yield",
        kind="intervals",
        zero_line=True,
    ),
    "event_studies": Plot(
        "Small minus large caps after each kind of event, mean path",
        "% since the event",
        "pivot (select horizon_sessions as sessions, "
        "replace(event_kind, '_', ' ') || case when universe_id = 'sp_500' then ' S&P 500' "
        "else '' end as kind, relative_return_pct from marts.event_studies "
        "union all select 0, replace(event_kind, '_', ' ') || case when universe_id = 'sp_500' "
        "then ' S&P 500' else '' end, 0.0 from marts.event_studies) "
        "on kind using avg(relative_return_pct) group by sessions order by sessions",
        zero_line=True,
    ),
    "event_study_summary": Plot(
        "Small minus large caps over 126 sessions, mean with 95 % interval",
        "% by price",
        "select replace(event_kind, '_', ' ') || case when universe_id = 'sp_500' "
        "then ' S&P 500' else '' end || ', n = ' || n as event, "
        "mean_pct as after_the_event, mean_low_pct as after_the_event_low, "
        "mean_high_pct as after_the_event_high, base_mean_pct as all_sessions "
        "from marts.event_study_summary "
        "where measure = 'relative_price' and horizon_sessions = 126 order by mean_pct desc",
        kind="intervals",
        zero_line=True,
    ),
    "signal_scorecard": Plot(
        "Six signals on the newest session: right of zero is a tailwind for small caps",
        "standard deviations (from 0.5 on a tailwind, from -0.5 on a headwind)",
        "select signal_id || coalesce(' (' || state || ')', ' (too little known)') as signal, "
        "coalesce(score_z, 0) as score from marts.signal_scorecard "
        "qualify traded_on = max(traded_on) over () "
        "order by signal_id = 'composite', signal_id desc",
        kind="bars",
        zero_line=True,
    ),
    "signal_evidence": Plot(
        "Rank correlation of each signal with the relative return of the next 63 sessions",
        "correlation, and sessions without overlap",
        "select signal_id || case when has_evidence then ' (' || n_without_overlap || ')' "
        "else ' (no evidence)' end as signal, coalesce(rank_correlation, 0) as correlation "
        "from marts.signal_evidence where horizon_sessions = 63 "
        "order by signal_id = 'composite', signal_id desc",
        kind="bars",
        zero_line=True,
    ),
    "claim_audit": Plot(
        "Public claims held against the data of this world",
        "~ close call, ? the bar repeats its neighbour",
        "select replace(claim_id, '_', ' ') as claim, unit, "
        "format('{:.8g}', round(stated_value, 2)) as claimed, "
        "coalesce(format('{:.8g}', round(measured_value, 2)), '') "
        "|| case when is_close_call then ' ~' else '' end "
        "|| case when is_suspect then ' ?' else '' end as measured, "
        "coalesce(format('{:.8g}', round(second_value, 2)), '') as second_reading, "
        "replace(verdict, '_', ' ') as verdict from marts.claim_audit "
        "order by verdict desc, claim_id",
        kind="table",
    ),
    "macro_revisions": Plot(
        "How far values were revised since their first release, newest ten years",
        "standard deviations of the series' own change: median size, and 9 of 10 are smaller",
        "select series_id, median(abs(revision_in_sd)) as median_size, "
        "quantile_cont(abs(revision_in_sd), 0.9) as nine_of_ten from marts.macro_revisions "
        "where revision_in_sd is not null and observed_on > "
        "(select max(observed_on) - interval 10 year from marts.macro_revisions) "
        "group by series_id order by nine_of_ten",
        kind="intervals",
    ),
    "signal_revisions": Plot(
        "The composite as it was published, and as it would be today",
        "standard deviations",
        "select traded_on, published_score_z as as_published, current_score_z as as_of_today "
        "from marts.signal_revisions where signal_id = 'composite' order by traded_on",
        zero_line=True,
    ),
    "release_calendar": Plot(
        "Values that are late, and those of the next 14 days",
        "late or expected, by the night's day",
        "select series_id, strftime(observed_on, '%Y-%m-%d') as observed_on, "
        "strftime(expected_on, '%Y-%m-%d') as expected_on, "
        "coalesce(release_name, '') as release, coalesce(days_late::varchar, '') as days_late, "
        "replace(status, '_', ' ') as status from marts.release_calendar "
        "where status in ('late', 'never_seen') or (status = 'expected' and expected_on <= "
        "(select min(expected_on) + 14 from marts.release_calendar where status = 'expected')) "
        "order by status != 'late', status, expected_on, series_id limit 40",
        kind="table",
    ),
    "portfolio_fundamentals": Plot(
        "Price to earnings of each universe, with and without loss-makers",
        "ratio",
        "pivot (unpivot (select month_on, universe_id, pe_ratio as all_members, "
        "pe_without_losses_ratio as without_losses from marts.portfolio_fundamentals) "
        "on all_members, without_losses into name line value ratio) "
        "on universe_id, line using first(ratio) group by month_on order by month_on",
    ),
    "leverage": Plot(
        "Net debt to EBITDA without financials",
        "ratio",
        "pivot (select quarter_on, universe_id, net_debt_to_ebitda_ratio from marts.leverage) "
        "on universe_id using first(net_debt_to_ebitda_ratio) "
        "group by quarter_on order by quarter_on",
        zero_line=True,
    ),
}


def draw_markdown(plot: Plot, frame: pd.DataFrame) -> str:
    """Return the picture as Markdown with the PNG inside; says so where there is nothing to draw.

    64 colours are enough for four lines and letters (with 32 two lines of a legend looked alike):
    20 kB a picture in the event log, not 60.
    """
    png = draw_png(plot, frame, colours=64)
    if png is None:
        return "nothing to draw yet"
    return f"![{plot.title}](data:image/png;base64,{base64.b64encode(png).decode()})"


def draw_png(
    plot: Plot, frame: pd.DataFrame, *, dpi: int = 90, colours: int = 256, titled: bool = True
) -> bytes | None:
    """Return the picture as PNG, 7.5 inches wide, or None where there is nothing to draw.

    The figure is made without pyplot, so that no state outlives it.
    """
    frame = frame.dropna(how="all", axis="columns").dropna(how="all")
    if frame.empty or len(frame.columns) < 2:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    x, values = frame.columns[0], list(frame.columns[1:])
    height = 0.8 + 0.2 * len(frame) if plot.kind == "table" else 3.2
    figure = Figure(figsize=(7.5, height), dpi=dpi, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    if plot.kind == "bars":
        axes.barh(
            frame[x].astype(str).str.replace("_", " "),
            frame[values[0]].astype(float),
            color=COLOURS[0],
        )
        axes.set_xlabel(plot.unit)
    elif plot.kind == "table":
        _draw_table(axes, frame, plot.unit)
    elif plot.kind == "intervals":
        _draw_intervals(axes, frame)
        axes.set_xlabel(plot.unit)
    else:
        for place, name in enumerate(values):
            colour = COLOURS[place % len(COLOURS)]
            axes.plot(
                frame[x],
                frame[name].astype(float),
                color=colour,
                lw=1.2,
                label=name.replace("_", " "),
            )
        axes.set_ylabel(plot.unit)
        axes.legend(frameon=False, fontsize=8)
    if plot.zero_line:
        line = axes.axhline if plot.kind == "lines" else axes.axvline
        line(0, color="#555555", lw=0.8)
    if titled:
        axes.set_title(plot.title, fontsize=10, loc="left")
    axes.tick_params(labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    png = io.BytesIO()
    picture.quantize(colours).save(png, format="png", optimize=True)
    return png.getvalue()


def _draw_table(axes: Axes, frame: pd.DataFrame, legend: str) -> None:
    """Write one line a row, columns side by side, the last one on a bar of its word's colour."""
    names = list(frame.columns)
    lengths = [max(len(str(n)), *frame[n].astype(str).str.len()) + 2 for n in names]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    for row, values in enumerate(frame.itertuples(index=False), start=1):
        colour = WORD_COLOURS.get(str(values[-1]), "#999999")
        axes.barh(row, lengths[-1], left=starts[-2] - 1, height=0.86, color=colour)
        for start, value in zip(starts, values[:-1], strict=False):
            axes.text(start, row, str(value), fontsize=8, va="center")
        axes.text(starts[-2], row, str(values[-1]), fontsize=8, va="center", color="white")
    for start, name in zip(starts, names, strict=False):
        axes.text(start, 0, str(name).replace("_", " "), fontsize=8, va="center", weight="bold")
    axes.set_xlim(0, starts[-1])
    axes.set_ylim(len(frame) + 0.6, -0.6)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_xlabel(legend, fontsize=8, loc="left")


def _draw_intervals(axes: Axes, frame: pd.DataFrame) -> None:
    """Draw one row a label and in it one dot a value, with whiskers where it has low and high."""
    names = [n for n in frame.columns[1:] if not str(n).endswith(("_low", "_high"))]
    rows = np.arange(len(frame))
    for place, name in enumerate(names):
        colour = COLOURS[place % len(COLOURS)]
        height = rows + 0.3 * ((len(names) - 1) / 2 - place)
        axes.plot(
            frame[name].astype(float),
            height,
            "o",
            ms=3.5,
            color=colour,
            label=name.replace("_", " "),
        )
        if f"{name}_low" in frame and f"{name}_high" in frame:
            low, high = frame[f"{name}_low"].astype(float), frame[f"{name}_high"].astype(float)
            axes.hlines(height, low, high, color=colour, lw=1.2)
    axes.set_yticks(rows, frame[frame.columns[0]].astype(str))
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
