"""Which sectors weigh what, and how they move with yields."""

from __future__ import annotations

from dashboard import charts, panels, reader

FACTORS = ("yield_10y", "breakeven_10y", "dollar")
NAMES = {
    "yield_10y": "10-year yield",
    "breakeven_10y": "10-year breakeven inflation",
    "dollar": "dollar",
}
UNITS = {"yield_10y": "pct_per_pt", "breakeven_10y": "pct_per_pt", "dollar": "pct_per_pct"}


def show() -> None:
    """Draw the page."""
    panels.page("Sectors", _body)


def _body() -> None:
    factor = panels.choose("Factor", FACTORS, key="factor")
    beta = f"beta_{factor}_{UNITS[factor]}"
    frame = reader.rows(
        f"select fund_id || ' ' || sector as fund, {beta} as beta, t_{factor} as t, "  # noqa: S608
        f"{beta} - 1.96 * abs({beta} / nullif(t_{factor}, 0)) as low, "
        f"{beta} + 1.96 * abs({beta} / nullif(t_{factor}, 0)) as high, "
        "r_squared_ratio, window_from_on, window_to_on "
        "from marts.sector_rate_sensitivity where r_squared_ratio is not null "
        "qualify row_number() over (partition by fund_id order by traded_on desc) = 1 order by beta"
    )
    sure = frame[frame["t"].abs() >= 2]
    title = f"No sector moves surely with the {NAMES[factor]}"
    if len(sure):
        strongest = sure.iloc[int(sure["t"].abs().to_numpy().argmax())]
        title = (
            f"{strongest['fund']} moves most surely with the {NAMES[factor]}: "
            f"{strongest['beta']:+.1f} (t {strongest['t']:+.1f})"
        )
    words = charts.Words(
        title, "weekly return beyond SPY, % per point (dollar: % per %), 95 % interval, 104 weeks"
    )
    panels.chart(
        words,
        charts.bars(frame, words, label="fund", value="beta", low="low", high="high"),
        frame,
        source="adjusted closes; FRED DGS10, T10YIE, DTWEXBGS",
        name=f"betas_{factor}",
    )
    weights = reader.rows(
        "with newest as (select universe_id, sector, weight_pct, as_of_on "
        "from marts.sector_weights "
        "qualify as_of_on = max(as_of_on) over (partition by universe_id)) "
        "select sector, "
        "max(weight_pct) filter (where universe_id = 'russell_2000') as russell_2000, "
        "max(weight_pct) filter (where universe_id = 'sp_500') as sp_500, "
        "max(as_of_on) as as_of_on "
        "from newest group by sector order by russell_2000 desc nulls last"
    )
    top = weights.dropna(subset=["russell_2000"])
    words = charts.Words(
        f"{top['sector'].iloc[0]} weighs most in the Russell 2000" if len(top) else "Weights",
        "% of the fund (bar: Russell 2000, tick: S&P 500)",
    )
    panels.chart(
        words,
        charts.bars(top, words, label="sector", value="russell_2000", mark="sp_500"),
        weights,
        source="holdings files of IWM and IVV",
        name="weights",
    )
