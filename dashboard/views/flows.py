"""Bought? Money into funds, from the issuers' share counts."""

from __future__ import annotations

from dashboard import charts, panels, reader


def show() -> None:
    """Draw the page."""
    panels.page("Flows", _body, lead="Creations and redemptions of fund shares, not trading.")


def _body() -> None:
    gap = reader.rows(
        "select traded_on, small_minus_large_flow_63d_pct, small_minus_large_flow_21d_pct "
        "from marts.flow_signals where group_id = 'small_cap' order by traded_on"
    ).dropna(subset=["small_minus_large_flow_63d_pct"])
    value = gap["small_minus_large_flow_63d_pct"].iloc[-1] if len(gap) else 0.0
    words = charts.Words(
        f"Small-cap funds took in {abs(value):.1f} % of assets "
        f"{'more' if value >= 0 else 'less'} than large-cap funds over 63 sessions",
        "% of assets, small minus large",
    )
    panels.chart(
        words,
        charts.lines(
            gap, words, names={"small_minus_large_flow_63d_pct": "63 sessions"}, zero=True,
            shades=panels.shades(),
        ),
        gap,
        source="issuers' share counts and NAVs",
        name="small_minus_large",
    )  # fmt: skip
    funds = reader.rows(
        "select fund_id, traded_on, flow_5d_usd, flow_21d_usd, flow_63d_usd, flow_63d_pct_aum, "
        "aum_usd, count_status from marts.fund_flows where flow_63d_pct_aum is not null "
        "qualify row_number() over (partition by fund_id order by traded_on desc) = 1 "
        "order by flow_63d_pct_aum desc"
    )
    words = charts.Words(
        f"{funds['fund_id'].iloc[0]} took in most, {funds['fund_id'].iloc[-1]} lost most"
        if len(funds) > 1
        else "Funds",
        "% of assets over 63 sessions, newest session of each fund",
    )
    panels.chart(
        words,
        charts.bars(funds, words, label="fund_id", value="flow_63d_pct_aum"),
        funds,
        source="issuers' share counts and NAVs",
        name="funds",
    )
