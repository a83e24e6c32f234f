"""From which raw rows a published cell is made: one reviewed rule for every column of every mart.

A rule either reads raw rows by SQL, whose `$names` are columns of the mart's row (and `$as_of`, the
version's day, `$series`, the series that the dictionary names for the column), or points to other
marts that the cell is derived from, or says that it is a label. The queries give what the cell
stands on that evening: of a long window (a z-score, an average of 200 days) its newest row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

INDEX_SYMBOLS: Mapping[str, str] = {"russell_2000": "^RUT", "sp_500": "^GSPC"}
PAIR_SYMBOLS: Mapping[str, tuple[str, str]] = {
    "small_vs_large": ("^RUT", "^GSPC"),
    "small_value_vs_large_growth": ("IWN", "IWF"),
}


@dataclass(frozen=True, slots=True)
class RawRows:
    """Raw rows that enter the cell. `what` names them, `table` is the raw table that holds them."""

    what: str
    table: str
    sql: str


@dataclass(frozen=True, slots=True)
class FromMarts:
    """The cell is computed from other published columns; explain those next."""

    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Label:
    """The cell names the row or says what the catalogue says; `why` tells which."""

    why: str


Rule = RawRows | FromMarts | Label

# A value counts if it was known on the session and loaded by the version's day. What FRED did not
# have by then an agency may have filled (int_macro_vintages); both are shown with their source.
_SERIES = """
with stated as (
    select series_id, observed_on, value, known_on, known_on_basis, source, run_id, payload_sha256,
        fetched_at, loaded_as_of
    from raw.fred_observations
    union all
    select series_id, observed_on, value, known_on, known_on_basis, source, run_id, payload_sha256,
        fetched_at, loaded_as_of
    from raw.agency_observations
),
known as (
    select * from stated
    where series_id in (select unnest($series)) and loaded_as_of <= $as_of
        and known_on <= $traded_on
    qualify row_number() over (
        partition by series_id, source, observed_on order by known_on desc
    ) = 1
),
newest as (
    select series_id, max(observed_on) as newest_on from known where value is not null
    group by series_id
),
wanted as (
    select series_id, cast(newest_on - to_months(unnest($months)) as date) as observed_on
    from newest
    union
    select known.series_id, max(known.observed_on)
    from known
    inner join (
        select traded_on from reference.sessions as s
        where s.session_no in (
            select session_no - unnest($sessions) from reference.sessions
            where traded_on = $traded_on
        )
    ) as before on known.known_on <= before.traded_on and known.value is not null
    group by known.series_id, before.traded_on
)
select known.series_id, known.observed_on, known.value, known.known_on, known.known_on_basis,
    known.source, known.run_id, known.payload_sha256, known.fetched_at
from known
inner join wanted using (series_id, observed_on)
order by known.series_id, known.observed_on desc, known.source
"""

_BARS = """
select symbol, traded_on, close, known_on, known_on_basis, source, run_id, payload_sha256,
    fetched_at
from raw.instrument_bars
where symbol in (select unnest($symbols)) and traded_on in (select unnest($days))
    and known_on <= $as_of and loaded_as_of <= $as_of
qualify row_number() over (partition by symbol, source, traded_on order by basis_on desc) = 1
order by symbol, traded_on, source
"""

_MEMBERS = """
select m.price_symbol as symbol, b.traded_on, b.close, b.known_on, b.known_on_basis, b.source,
    b.run_id, b.payload_sha256, b.fetched_at
from intermediate.int_universe_membership as m
inner join raw.constituent_bars as b
    on m.price_symbol = b.symbol and b.traded_on = $traded_on
where m.universe_id = $universe_id and ($sector = 'all' or m.sector = $sector)
    and $traded_on between m.usable_from and m.usable_to
    and b.known_on <= $as_of and b.loaded_as_of <= $as_of
qualify row_number() over (partition by b.symbol, b.source order by b.basis_on desc) = 1
order by 1
"""

_FILE_LINES = """
select h.fund_id, h.as_of_on, h.line_no, h.ticker, h.sector, h.weight_pct, h.known_on,
    h.known_on_basis, h.source, h.run_id, h.payload_sha256, h.fetched_at
from raw.fund_holdings as h
inner join reference.funds as f on h.fund_id = f.fund_id and f.universe_id = $universe_id
where h.as_of_on = $membership_as_of_on and h.loaded_as_of <= $as_of
order by h.line_no
"""

_SECTOR_LINES = """
select h.fund_id, h.as_of_on, h.line_no, h.ticker, h.sector, h.weight_pct, h.known_on,
    h.known_on_basis, h.source, h.run_id, h.payload_sha256, h.fetched_at
from raw.fund_holdings as h
inner join reference.funds as f on h.fund_id = f.fund_id and f.universe_id = $universe_id
where h.as_of_on = $as_of_on and h.loaded_as_of <= $as_of
    and coalesce(nullif(h.sector, '-'), '') in (
        select coalesce(nullif(e.sector_in_file, '-'), '')
        from staging.stg_funds__holding_editions as e
        where e.fund_id = h.fund_id and e.as_of_on = h.as_of_on and e.sector = $sector
    )
order by h.line_no
"""

_COUNTS = """
select s.fund_id, s.traded_on, s.shares_outstanding, s.nav_usd, s.known_on, s.known_on_basis,
    s.source, s.run_id, s.payload_sha256, s.fetched_at
from raw.fund_shares as s
where s.fund_id = $fund_id and s.loaded_as_of <= $as_of and s.known_on <= $as_of
    and s.traded_on <= $traded_on
qualify dense_rank() over (order by s.traded_on desc) <= 2
order by s.traded_on desc, s.known_on desc
"""

_GROUP_COUNTS = """
select s.fund_id, s.traded_on, s.shares_outstanding, s.nav_usd, s.known_on, s.known_on_basis,
    s.source, s.run_id, s.payload_sha256, s.fetched_at
from raw.fund_shares as s
inner join marts.fund_flows as f
    on s.fund_id = f.fund_id and f.traded_on = $traded_on and f.group_id = $group_id
where s.loaded_as_of <= $as_of and s.known_on <= $as_of and s.traded_on <= $traded_on
qualify dense_rank() over (partition by s.fund_id order by s.traded_on desc) <= 2
order by s.fund_id, s.traded_on desc, s.known_on desc
"""

_FRENCH = """
select file_id, table_id, portfolio, period_on, value, edition, known_on, known_on_basis, source,
    run_id, payload_sha256, fetched_at
from raw.french_portfolios
where file_id = '6_Portfolios_2x3' and edition = $book_edition and frequency = 'monthly'
    and period_on = cast($book_observed_on + 1 as date)
    and (table_id like 'value_weight_average_of_be%' or table_id = 'average_market_cap'
        or table_id = 'number_of_firms_in_portfolios')
    and loaded_as_of <= $as_of
order by table_id, portfolio
"""

_CAPE = """
select observed_on, measure, value, edition, known_on, known_on_basis, source, run_id,
    payload_sha256, fetched_at
from raw.shiller_history
where measure = 'cape_ratio' and observed_on = $cape_observed_on and known_on <= $traded_on
    and loaded_as_of <= $as_of
order by known_on desc
"""

_VINTAGES = """
select series_id, observed_on, value, known_on, known_on_basis, source, run_id, payload_sha256,
    fetched_at
from raw.fred_observations
where series_id = $series_id and observed_on = $observed_on and known_on <= $as_of
    and loaded_as_of <= $as_of
order by known_on
"""

_ARRIVAL = """
select series_id, observed_on, value, known_on, known_on_basis, source, run_id, payload_sha256,
    fetched_at
from raw.fred_observations
where series_id = $series_id and observed_on = $observed_on and loaded_as_of <= $as_of
union all
select series_id, observed_on, value, known_on, known_on_basis, source, run_id, payload_sha256,
    fetched_at
from raw.agency_observations
where series_id = $series_id and observed_on = $observed_on and loaded_as_of <= $as_of
order by known_on
"""

_FILINGS = """
select f.cik, f.tag, f.period_end_on, f.value, f.form, f.filed_on, f.known_on, f.known_on_basis,
    f.source, f.run_id, f.payload_sha256, f.fetched_at
from raw.sec_facts as f
where f.known_on <= $until_on and f.loaded_as_of <= $as_of
    and f.period_end_on > cast($until_on - to_days(400) as date)
    and f.cik in (
        select j.cik from intermediate.int_member_fundamentals_joined as j
        where j.universe_id = $universe_id and j.month_on = $until_on
    )
order by f.cik, f.tag, f.period_end_on
"""

_SERIES_RULE = RawRows(
    "observations of the series, as known on the session", "fred_observations", _SERIES
)
_BARS_RULE = RawRows("closes", "instrument_bars", _BARS)
_MEMBERS_RULE = RawRows("closes of the members that session", "constituent_bars", _MEMBERS)
_LINES_RULE = RawRows("lines of the holdings file in force", "fund_holdings", _FILE_LINES)
_FILINGS_RULE = RawRows("filed figures of the last 400 days, as known then", "sec_facts", _FILINGS)
_SESSION = Label("the row's key: a session of the exchange calendar")
_KEY = Label("part of the row's key, as the catalogue names it")
_FEW: tuple[tuple[str, Rule], ...] = (
    ("members|companies.*|financials|membership_.*", _LINES_RULE),
)

_OF_THE_CLAIM = (
    "claim_id|statement|stated_value|unit|about_on|tolerance|reading|second_reading|would_need|note"
    "|judged_on|figure_unit"
)

TRACES: Mapping[str, Sequence[tuple[str, Rule]]] = {
    "macro_regime": (
        ("traded_on", _SESSION),
        (
            "is_reliable|stale_inputs",
            FromMarts(("macro_regime.is_*_reliable", "release_calendar.days_late")),
        ),
        (".*", _SERIES_RULE),
    ),
    "macro_revisions": (
        ("series_id|unit", _KEY),
        (".*", RawRows("every vintage of the observation", "fred_observations", _VINTAGES)),
    ),
    "release_calendar": (
        ("series_id|release_id|release_name", _KEY),
        (
            "expected_on|expected_on_basis|observed_on",
            Label("the catalogue's release rule, or FRED's release dates"),
        ),
        (".*", RawRows("what came of the observation", "fred_observations", _ARRIVAL)),
    ),
    "valuation_gaps": (
        ("pair_id", _KEY),
        ("traded_on", _SESSION),
        ("(log_)?price_ratio.*", _BARS_RULE),
        (
            "pe_.*|pct_.*_loss|.*earnings.*",
            FromMarts(
                (
                    "portfolio_fundamentals.pe_ratio",
                    "portfolio_fundamentals.pe_without_losses_ratio",
                )
            ),
        ),
        (".*cape.*", RawRows("Shiller's CAPE of the month", "shiller_history", _CAPE)),
        (".*", RawRows("book and market values of the portfolios", "french_portfolios", _FRENCH)),
    ),
    "market_breadth": (
        ("universe_id|sector", _KEY),
        ("traded_on", _SESSION),
        ("members|membership_.*", _LINES_RULE),
        (".*", _MEMBERS_RULE),
    ),
    "fund_flows": (
        ("fund_id|group_id", _KEY),
        ("traded_on", _SESSION),
        (
            ".*",
            RawRows(
                "share counts and NAVs of the session and the one before", "fund_shares", _COUNTS
            ),
        ),
    ),
    "flow_signals": (
        ("group_id", _KEY),
        ("traded_on", _SESSION),
        (
            "small_minus_large.*",
            FromMarts(("flow_signals.flow_pct_aum of small_cap and large_cap",)),
        ),
        (".*", RawRows("share counts and NAVs of the group's funds", "fund_shares", _GROUP_COUNTS)),
    ),
    "record_highs": (
        ("index_id", _KEY),
        (".*", _BARS_RULE),
    ),
    "sector_weights": (
        ("universe_id|sector", _KEY),
        (".*", RawRows("lines of the sector in the file", "fund_holdings", _SECTOR_LINES)),
    ),
    "fundamentals_coverage": (
        ("universe_id|quarter_on", _KEY),
        (".*", _FILINGS_RULE),
    ),
    "portfolio_fundamentals": (
        ("universe_id|month_on", _KEY),
        *_FEW,
        (".*", _FILINGS_RULE),
    ),
    "leverage": (
        ("universe_id|quarter_on", _KEY),
        (
            "small_over_large.*|is_small_over_large_reliable",
            FromMarts(("leverage.net_debt_to_ebitda_ratio of both universes",)),
        ),
        *_FEW,
        (".*", _FILINGS_RULE),
    ),
    "sector_rate_sensitivity": (
        ("fund_id|sector", _KEY),
        ("traded_on|window_.*|weeks", _SESSION),
        ("factors_known_.*", _SERIES_RULE),
        (".*", _BARS_RULE),
    ),
    "event_studies": (
        ("event_kind|universe_id|horizon_sessions", _KEY),
        ("is_over", _SESSION),
        (".*", _BARS_RULE),
    ),
    "event_study_summary": (
        ("event_kind|universe_id|horizon_sessions|measure", _KEY),
        (
            ".*",
            FromMarts(
                ("event_studies.relative_return_pct", "event_studies.relative_total_return_pct")
            ),
        ),
    ),
    "signal_scorecard": (
        ("signal_id", _KEY),
        ("traded_on", _SESSION),
        (".*", FromMarts(("$inputs",))),
    ),
    "signal_evidence": (
        ("signal_id|horizon_sessions", _KEY),
        (".*", FromMarts(("signal_scorecard.score_z", "valuation_gaps.log_price_ratio"))),
    ),
    "signal_revisions": (
        ("signal_id", _KEY),
        ("traded_on", _SESSION),
        (".*", FromMarts(("meta.published_signals.score_z", "signal_scorecard.score_z"))),
    ),
    "claim_audit": (
        (_OF_THE_CLAIM, Label("the claim as it stands in the catalogue, or the run's day")),
        (".*", FromMarts(("$measured_row",))),
    ),
}
"""Mart to (pattern of columns, rule); the first pattern that fits the whole name counts."""


def find_rule(mart: str, column: str) -> Rule:
    """Return the rule of a mart's column.

    Raises:
        KeyError: there is none; a test keeps that from happening to a published column.
    """
    for pattern, rule in TRACES[mart]:
        if re.fullmatch(pattern, column):
            return rule
    raise KeyError(f"{mart}.{column}")


def months_back(formula: str) -> list[int]:
    """Return the lags in months that a formula names, such as P_(t-12); the newest value's is 0."""
    return sorted({0, *(int(n) for n in re.findall(r"_\(t-(\d+)\)", formula))})


def sessions_back(column: str) -> list[int]:
    """Return the lag in sessions that a column's name bears, such as change_63d; none is [0]."""
    found = re.search(r"_change_(\d+)d", column)
    return [0, int(found[1])] if found else [0]
