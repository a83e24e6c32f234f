"""Which rows of a staged batch are new, by kind of raw table; the SQL half of the loader.

Works on temporary tables inside the loader's transaction: `incoming` (the batch, cast to the
contract's types, `n` numbering its rows) goes in, `fresh` (row numbers with known_on,
known_on_basis and, for bars, basis_on) comes out. When a row was known is `storage.dating`'s
answer; nothing is written to raw here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import duckdb
import pandas as pd

from pipelines.storage import dating
from pipelines.storage.contracts import RawTable
from pipelines.storage.dating import DatingRules
from pipelines.storage.errors import LoadRefused

EDITION_KEYS: Mapping[str, tuple[str, ...]] = {
    "fund_files": ("fund_id", "as_of_on", "edition"),
    "fund_holdings": ("fund_id", "as_of_on", "edition"),
    "french_portfolios": ("file_id", "edition"),
    "shiller_history": ("edition",),
}
"""What names one edition as a whole; `key` names one row of it."""

ONE_ITEM_FEEDS: Mapping[str, str] = {
    "shiller_history": "ie_data",
    "sec_companies": "company_tickers",
}
"""Feeds of a single file, whose rows are no items of their own."""

MAX_BUMPS = 10


@dataclass(frozen=True, slots=True)
class Fresh:
    """How many rows are new, how many of them revise stored ones, and which items were judged.

    `held_back` maps an item of which nothing may be loaded to the reason.
    """

    revised: int = 0
    restated: tuple[str, ...] = ()
    held_back: Mapping[str, str] | None = None
    needs_full_history: tuple[str, ...] = ()


def item_of(table: RawTable, alias: str) -> str:
    """Return the SQL expression that names the item of a row, as `meta.item_loads` has it."""
    only = ONE_ITEM_FEEDS.get(table.feed)
    return f"'{only}'" if only else f"cast({alias}.{table.entity} as varchar)"


def find_new_values(
    connection: duckdb.DuckDBPyConnection, table: RawTable, *, as_of: date, rules: DatingRules
) -> Fresh:
    """Find new and changed values of a `vintage` or `event` table.

    A row is new if its compared columns differ from those of the row before it in `known_on`, be
    that one stored or in this batch; on the same day, the stored row comes first. A different
    value under a key that is taken is a correction within the day: it is dated one day later.
    """
    part = [c for c in table.key if c != "known_on"]
    same = " and ".join(f"s.{c} = i.{c}" for c in part)
    vintage = "realtime_start" in table.source_columns
    vintage_facts = ""
    if vintage:
        vintage_facts = f""", i.realtime_start, least(
            min(i.realtime_start) over (partition by i.{table.entity}),
            (
                select min(s.realtime_start) from raw.{table.name} as s
                where s.{table.entity} = i.{table.entity}
            )
        ) as first_vintage_on"""  # noqa: S608 - names from the contract
    filing_facts = ""
    if table.name == "sec_frames":
        filing_facts = r""", try_cast(
            regexp_extract(i.accession, '^\d{10}-(\d{2})-\d{6}$', 1) as integer
        ) as filing_year"""
    facts = connection.execute(
        f"""
        select
            i.n,
            {item_of(table, "i")} as entity,
            i.{table.dated} as dated,
            (
                select max(l.as_of) from meta.item_loads as l
                where l.feed = ? and l.item = {item_of(table, "i")} and l.as_of <= ?
            ) as previous_load_on,
            exists(
                select 1 from raw.{table.name} as s where {same} and s.known_on <= ?
            ) as is_known{vintage_facts}{filing_facts}
        from incoming as i
        order by i.n
        """,  # noqa: S608 - names from the contract
        [table.feed, as_of, as_of],
    ).df()
    facts = _as_days(facts, ("dated", "previous_load_on", "realtime_start", "first_vintage_on"))
    if table.name == "fund_shares":
        dated = dating.date_shares(facts, as_of=as_of, rules=rules)
    elif table.name == "sec_facts":
        dated = dating.date_filings(facts)
    elif table.name == "sec_frames":
        dated = dating.date_frames(facts, as_of=as_of)
    elif table.name == "sec_companies":
        dated = dating.date_listings(facts, as_of=as_of)
    elif table.revision == "event":
        dated = dating.date_events(facts, as_of=as_of)
    else:
        if not vintage:
            none = pd.Series(pd.NaT, index=facts.index, dtype="datetime64[us]")
            facts = facts.assign(realtime_start=none, first_vintage_on=none)
        try:
            dated = dating.date_releases(facts, as_of=as_of, rules=rules)
        except KeyError as error:
            raise LoadRefused(table.name, f"{error} is not in the catalogue") from error
    _store_dates(connection, facts["n"], dated)
    is_vintage = "i.realtime_start is not null" if vintage else str(table.name == "sec_facts")
    connection.execute(
        f"""
        create or replace temp table candidates as
        select i.n, {", ".join(f"i.{c}" for c in (*part, *table.compared))},
            d.known_on, d.known_on_basis, {is_vintage} as is_vintage, false as is_bumped
        from incoming as i join dated as d on d.n = i.n
        """  # noqa: S608
    )
    _settle(connection, table, part, as_of=as_of)
    same_fresh = " and ".join(f"s.{c} = c.{c}" for c in part)
    revised = connection.execute(
        f"""
        select count(*) from fresh as f join candidates as c on c.n = f.n
        where exists(select 1 from raw.{table.name} as s where {same_fresh})
        """  # noqa: S608
    ).fetchone()
    return Fresh(revised=int(revised[0]) if revised else 0)


def _settle(
    connection: duckdb.DuckDBPyConnection, table: RawTable, part: list[str], *, as_of: date
) -> None:
    """Write `fresh`; move rows whose key is taken by another value to a later day first."""
    same = " and ".join(f"s.{c} = c.{c}" for c in part)
    changed = " or ".join(f"{c} is distinct from lag({c}) over w" for c in table.compared)
    columns = ", ".join((*part, *table.compared, "known_on"))
    for _ in range(MAX_BUMPS):
        connection.execute(
            f"""
            create or replace temp table fresh as
            with both_sides as (
                select {columns}, n, true as is_new, is_vintage from candidates
                union all by name
                select {columns}, null as n, false as is_new, false as is_vintage
                from raw.{table.name} as s
                where exists(select 1 from candidates as c where {same})
            )
            , ordered as (
                select *, row_number() over w as place, ({changed}) as is_changed
                from both_sides
                window w as (partition by {", ".join(part)} order by known_on, is_new, n)
            )
            select o.n, c.known_on, c.known_on_basis
            from ordered as o join candidates as c on c.n = o.n
            where o.is_new and (o.place = 1 or o.is_changed)
            """  # noqa: S608
        )
        taken = connection.execute(
            f"""
            update candidates as c
            set
                known_on = case
                    when c.is_vintage then c.known_on + 1 else greatest(?, c.known_on + 1)
                end,
                known_on_basis = case when c.is_vintage then c.known_on_basis else 'observed' end,
                is_bumped = true
            where
                c.n in (select f.n from fresh as f)
                and exists(
                    select 1 from raw.{table.name} as s where {same} and s.known_on = c.known_on
                )
            """,  # noqa: S608
            [as_of],
        ).fetchone()
        if taken is None or taken[0] == 0:
            return
        # A vintage pushed onto the next vintage's first day was never the newest on any day.
        connection.execute(
            f"""
            delete from candidates as c
            where c.is_bumped and c.is_vintage and exists(
                select 1 from candidates as s
                where {same} and s.known_on = c.known_on and s.n <> c.n
            )
            """  # noqa: S608
        )
    raise LoadRefused(table.name, f"a value changed more than {MAX_BUMPS} times on one day")


def find_new_editions(
    connection: duckdb.DuckDBPyConnection,
    table: RawTable,
    *,
    as_of: date,
    rules: DatingRules,
    published_on: Mapping[str, date],
) -> Fresh:
    """Find the rows of editions that are not stored; an edition comes whole or not at all.

    `published_on` maps a payload's content address to its Last-Modified day.
    """
    key = EDITION_KEYS[table.name]
    same = " and ".join(f"s.{c} = i.{c}" for c in key)
    series = [c for c in key if c != "edition"]
    siblings = " and ".join(f"s.{c} = i.{c}" for c in series) or "true"
    frequency = "i.frequency" if "frequency" in table.source_columns else "''"
    ranked = ", ".join(series)
    facts = connection.execute(
        f"""
        with editions as (
            select {", ".join(key)}, min(fetched_at) as fetched_at from incoming group by all
        )
        , ranked as (
            select *, row_number() over (
                {f"partition by {ranked}" if ranked else ""} order by fetched_at, edition
            ) = 1 as is_first
            from editions as i
            where not exists(select 1 from raw.{table.name} as s where {same})
        )
        select
            i.n, i.{table.dated} as dated, {frequency} as frequency, i.payload_sha256,
            s.is_first and not exists(
                select 1 from raw.{table.name} as s where {siblings}
            ) as is_first_edition,
            (
                select max(l.as_of) from meta.item_loads as l
                where l.feed = ? and l.item = {item_of(table, "i")} and l.as_of <= ?
            ) as previous_load_on
        from incoming as i join ranked as s on {same}
        order by i.n
        """,  # noqa: S608
        [table.feed, as_of],
    ).df()
    facts = _as_days(facts, ("dated", "previous_load_on"))
    if table.feed == "fund_holdings":
        dated = dating.date_fund_files(facts, as_of=as_of, rules=rules)
    else:
        days = {digest: pd.Timestamp(day) for digest, day in published_on.items()}
        published = facts["payload_sha256"].map(days).astype("datetime64[us]")
        estimate = (
            dating.estimate_french(facts["dated"], facts["frequency"])
            if table.feed == "french_portfolios"
            else dating.estimate_shiller(facts["dated"])
        )
        dated = dating.date_history_files(
            facts.assign(published_on=published), estimate, as_of=as_of
        )
    _store_dates(connection, facts["n"], dated)
    connection.execute("create or replace temp table fresh as from dated")
    revised = int((~facts["is_first_edition"].astype(bool)).sum())
    return Fresh(revised=revised)


def find_new_bars(connection: duckdb.DuckDBPyConnection, table: RawTable, *, as_of: date) -> Fresh:
    """Find new bars and restated symbols, close for close, exactly.

    A symbol's closes are compared with those of its newest basis. All equal: what is not stored
    is appended under that basis. Any different, or another provider: the symbol's whole history
    goes under `basis_on = as_of` if the batch reaches back to the oldest stored session, else
    nothing of the symbol is loaded and it is reported in `needs_full_history`.
    """
    connection.execute(
        f"""
        create or replace temp table held as
        select s.symbol, s.source, s.basis_on, s.oldest_on, s.loaded_as_of
        from (
            select
                symbol, source, basis_on, min(traded_on) as oldest_on,
                max(max(loaded_as_of)) over (partition by symbol) as loaded_as_of
            from raw.{table.name}
            where symbol in (select symbol from incoming)
            group by symbol, source, basis_on
        ) as s
        qualify row_number() over (partition by s.symbol order by s.basis_on desc, s.source) = 1
        """  # noqa: S608
    )
    connection.execute(
        f"""
        create or replace temp table compared as
        select
            i.symbol, i.source, h.source as held_source, h.basis_on, h.oldest_on as held_oldest_on,
            h.loaded_as_of, min(i.traded_on) as oldest_on, count(s.close) as overlapping,
            count(*) filter (s.close is not null and s.close <> i.close) as different
        from incoming as i
        left join held as h on h.symbol = i.symbol
        left join raw.{table.name} as s
            on s.symbol = i.symbol and s.source = h.source and s.basis_on = h.basis_on
            and s.traded_on = i.traded_on
        group by all
        """  # noqa: S608
    )
    connection.execute(
        """
        create or replace temp table verdicts as
        select
            *,
            case
                when held_source is null then 'first'
                when source = held_source and different = 0 and overlapping > 0 then 'append'
                when ? < loaded_as_of then 'older'
                when oldest_on > held_oldest_on then 'partial'
                when basis_on = ? then 'again'
                else 'restate'
            end as verdict,
            case
                when held_source is null then ?
                when verdict = 'restate' then ?
                else basis_on
            end as new_basis_on
        from compared
        """,
        [as_of, as_of, dating.FIRST_BASIS, as_of],
    )
    facts = connection.execute(
        f"""
        select
            i.n, i.traded_on as dated, v.verdict = 'restate' as is_restated,
            l.as_of as previous_load_on, v.new_basis_on as basis_on
        from incoming as i
        join verdicts as v on v.symbol = i.symbol
        left join (
            select item, max(as_of) as as_of from meta.item_loads
            where feed = ? and as_of <= ? group by item
        ) as l on l.item = i.symbol
        where v.verdict in ('first', 'append', 'restate') and not exists(
            select 1 from raw.{table.name} as s
            where s.symbol = i.symbol and s.source = i.source and s.traded_on = i.traded_on
                and s.basis_on = v.new_basis_on
        )
        """,  # noqa: S608
        [table.feed, as_of],
    ).df()
    facts = _as_days(facts, ("dated", "previous_load_on", "basis_on"))
    dated = dating.date_bars(facts, as_of=as_of)
    _store_dates(connection, facts["n"], dated.assign(basis_on=facts["basis_on"]))
    connection.execute("create or replace temp table fresh as from dated")
    verdicts = connection.execute(
        "select symbol, verdict, source, held_source, different, overlapping, oldest_on, "
        "held_oldest_on from verdicts where verdict not in ('first', 'append') order by symbol"
    ).fetchall()
    held_back: dict[str, str] = {}
    for symbol, verdict, source, held, different, overlapping, oldest, held_oldest in verdicts:
        cause = (
            f"served by {source}, stored from {held}" if source != held
            else f"{different} of {overlapping} stored closes differ" if overlapping
            else "no stored session to compare with"
        )  # fmt: skip
        if verdict == "older":
            held_back[symbol] = f"{cause}, in a batch older than what is stored"
        elif verdict == "again":
            held_back[symbol] = f"{cause}, and a restatement of {as_of} is stored already"
        elif verdict == "partial":
            held_back[symbol] = f"{cause}; the batch begins {oldest}, the store {held_oldest}"
    wanted = {"partial", "again"}
    return Fresh(
        revised=int(facts["is_restated"].sum()),
        restated=tuple(v[0] for v in verdicts if v[1] == "restate"),
        held_back=held_back,
        needs_full_history=tuple(v[0] for v in verdicts if v[1] in wanted),
    )


def _as_days(facts: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    present = {c: "datetime64[us]" for c in columns if c in facts.columns}
    return facts.astype(present)


def _store_dates(
    connection: duckdb.DuckDBPyConnection, numbers: pd.Series, dated: pd.DataFrame
) -> None:
    """Write the temporary table `dated`: row number, days, basis."""
    frame = dated.assign(n=numbers)
    days = [c for c in ("known_on", "basis_on") if c in frame.columns]
    picked = ", ".join(f"cast({c} as date) as {c}" for c in days)
    connection.register("dated_frame", frame)
    try:
        connection.execute(
            f"create or replace temp table dated as "  # noqa: S608
            f"select cast(n as bigint) as n, {picked}, known_on_basis from dated_frame"
        )
    finally:
        connection.unregister("dated_frame")
