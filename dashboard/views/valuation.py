"""Cheap? The price lens, the book lens, the earnings lens, and the CAPE as context."""

from __future__ import annotations

from dashboard import charts, panels, reader

PAIRS = ("small_vs_large", "small_value_vs_large_growth")


def show() -> None:
    """Draw the page."""
    panels.page(
        "Valuation",
        _body,
        lead="Three lenses on the same question. None of them is a forecast.",
    )


def _body() -> None:
    pair = panels.choose("Pair", PAIRS, key="pair")
    frame = reader.rows(
        "select traded_on, log_price_ratio_z, log_price_ratio_percentile, "
        "price_ratio_drawdown_pct, pb_small_ratio, pb_large_ratio, pb_gap_pct, "
        "small_fair_value_gap_pct, large_fair_value_gap_pct, is_book_reliable, "
        "pe_small_ratio, pe_large_ratio, is_earnings_reliable, cape_ratio, cape_percentile "
        "from marts.valuation_gaps where pair_id = ? order by traded_on",
        pair,
    )
    shades = panels.shades()
    priced = frame.dropna(subset=["log_price_ratio_z"])
    z = priced["log_price_ratio_z"].iloc[-1] if len(priced) else 0.0
    side = "below" if z < 0 else "above"
    words = charts.Words(
        f"By price, {abs(z):.1f} standard deviations {side} the ten-year average",
        "standard deviations of the log price ratio over 2,520 sessions",
    )
    panels.chart(
        words,
        charts.lines(
            priced, words, names={"log_price_ratio_z": "small against large"}, zero=True,
            shades=shades,
        ),
        priced[["traded_on", "log_price_ratio_z", "log_price_ratio_percentile",
                "price_ratio_drawdown_pct"]],
        source="closes of both sides",
        name="price_lens",
    )  # fmt: skip
    book = frame.dropna(subset=["pb_gap_pct"])
    gap = book["pb_gap_pct"].iloc[-1] if len(book) else 0.0
    words = charts.Words(
        f"By book value, {abs(gap):.0f} % {'cheaper' if gap < 0 else 'dearer'} than the large side",
        "price to book, ratio",
    )
    panels.chart(
        words,
        charts.lines(
            book, words, names={"pb_small_ratio": "small", "pb_large_ratio": "large"},
            shades=shades,
        ),
        book[["traded_on", "pb_small_ratio", "pb_large_ratio", "pb_gap_pct",
              "small_fair_value_gap_pct", "large_fair_value_gap_pct", "is_book_reliable"]],
        source="Kenneth French, 6 portfolios",
        name="book_lens",
    )  # fmt: skip
    earned = frame.dropna(subset=["pe_small_ratio", "pe_large_ratio"])
    reliable = bool(len(earned)) and bool(earned["is_earnings_reliable"].iloc[-1])
    words = charts.Words(
        "By earnings, price to earnings of both universes"
        + ("" if reliable else " (coverage too thin to be reliable)"),
        "price to earnings, ratio",
    )
    panels.chart(
        words,
        charts.lines(
            earned, words, names={"pe_small_ratio": "Russell 2000", "pe_large_ratio": "S&P 500"}
        ),
        earned[["traded_on", "pe_small_ratio", "pe_large_ratio", "is_earnings_reliable"]],
        source="companies' filings, holdings files, closes",
        name="earnings_lens",
    )
    cape = frame.dropna(subset=["cape_ratio"])
    place = cape["cape_percentile"].iloc[-1] if len(cape) else 0.0
    words = charts.Words(
        f"The whole market's CAPE is higher than in {place:.0f} % of the months since 1881",
        "price to ten-year real earnings, ratio",
    )
    panels.chart(
        words,
        charts.lines(cape, words, names={"cape_ratio": "CAPE"}, shades=shades),
        cape[["traded_on", "cape_ratio", "cape_percentile"]],
        source="Robert Shiller",
        name="cape",
    )
