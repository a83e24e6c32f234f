"""SEC EDGAR: the list of tickers, and the figures that companies filed.

`company_tickers.json` says which company (CIK) is behind a ticker today. `companyfacts` gives one
company's whole history of XBRL facts, every filing of them: read here are the tags of the concept
map, in the concept's own unit. Quarters and ratios are made of them elsewhere.

A filing repeats the figures of earlier ones for comparison. Of those that say nothing new only the
first is kept, so a row is a value and the filing that first gave it, which is its vintage.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import orjson
import pandas as pd

from pipelines.catalog.models import Catalog, Concept, load_catalog
from pipelines.sources.collect import Parser, collect, merge
from pipelines.sources.errors import SourceContractChanged, UnknownItem
from pipelines.sources.http import HttpClient
from pipelines.sources.payloads import Extract, FetchContext, ItemOutcome, ItemState, Payload

LIST_PROVIDER = "sec-www"
LIST_FEED = "sec_companies"
LIST_ITEM = "company_tickers"
LIST_KIND = "sec_company_tickers"

PROVIDER = "sec"
FEED = "sec_facts"
KIND = "sec_companyfacts"

ASK_EVERY_DAYS = 7
"""A company files about five times a year: once a week is soon enough, spread over its days."""

NO_CONTACT = "not asked: SEC_CONTACT is not set (the SEC wants a name and an e-mail address)"
_SETTLED = ("fetched", "unchanged", "unknown")
_LAST_YEAR = 9999
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class _Fact(NamedTuple):
    """One row of `raw.sec_facts`, days as texts; instants begin on their own day."""

    tag: str
    unit: str
    start: str
    end: str
    value: float
    fiscal_year: int | None
    fiscal_period: str | None
    form: str
    filed: str
    accession: str
    frame: str | None


# -- the list of tickers ------------------------------------------------------------------------
def fetch_sec_companies(
    client: HttpClient,
    catalog: Catalog,  # noqa: ARG001 - the shape that all feeds share
    context: FetchContext,
) -> Extract:
    """Fetch the list of tickers, only if it changed since the stored one (304 otherwise)."""
    if context.sec_contact is None:
        return not_asked(LIST_FEED, LIST_PROVIDER, [LIST_ITEM], NO_CONTACT)

    def fetch_one(item: str) -> list[Payload]:
        state = None if context.full_refresh else context.state.get(item)
        return [
            client.get(
                LIST_PROVIDER,
                "/files/company_tickers.json",
                kind=LIST_KIND,
                item=item,
                expects="json",
                context={"as_of": context.as_of.isoformat()},
                etag=state.etag if state else None,
                last_modified=state.last_modified if state else None,
            )
        ]

    return collect(
        LIST_FEED, client, LIST_PROVIDER, [LIST_ITEM],
        fetch_one=fetch_one, parsers=PARSERS, context=context,
    )  # fmt: skip


def parse_companies(payload: Payload) -> Mapping[str, pd.DataFrame]:
    """Parse the list: one row per ticker, CIKs with their ten digits.

    Raises:
        SourceContractChanged: the list has another shape, or none.
    """
    document = read_json(payload)
    try:
        rows = [
            (str(e["ticker"]).strip().upper(), f"{int(e['cik_str']):010d}", str(e["title"]))
            for e in document.values()
        ]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise broken(payload, f"an entry without ticker, cik_str or title ({error})") from error
    if not rows:
        raise broken(payload, "a list of no company")
    frame = pd.DataFrame(rows, columns=["ticker", "cik", "title"]).astype("str")
    frame = frame.drop_duplicates("ticker", ignore_index=True)
    listed_on = pd.Timestamp(payload.context["as_of"]).as_unit("us")
    return {"sec_companies": frame.assign(listed_on=listed_on)}


# -- the facts of a company ---------------------------------------------------------------------
def fetch_sec_facts(
    client: HttpClient,
    catalog: Catalog,  # noqa: ARG001 - the shape that all feeds share
    context: FetchContext,
    symbols: Sequence[str],
    ciks: Mapping[str, str],
) -> Extract:
    """Fetch the facts of the companies behind `symbols` that are due; `ciks` maps tickers.

    A symbol that the list does not have is unknown. Companies that are not due have no outcome.
    """
    if not ciks:
        why = NO_CONTACT if context.sec_contact is None else "the list of tickers never came"
        return not_asked(FEED, PROVIDER, [LIST_ITEM] if symbols else [], why)
    companies = list(dict.fromkeys(ciks[s] for s in symbols if s in ciks))
    due = [c for c in companies if context.full_refresh or is_due(c, context)]
    if context.sec_contact is None:
        return not_asked(FEED, PROVIDER, due, NO_CONTACT)
    context.progress(f"{FEED}: {len(due)} of {len(companies)} companies are due")

    def fetch_one(cik: str) -> list[Payload]:
        state = None if context.full_refresh else context.state.get(cik)
        return [
            client.get(
                PROVIDER,
                f"/api/xbrl/companyfacts/CIK{cik}.json",
                kind=KIND,
                item=cik,
                expects="json",
                context={"cik": cik},
                etag=state.etag if state else None,
                last_modified=state.last_modified if state else None,
            )
        ]

    fetched = collect(
        FEED, client, PROVIDER, due, fetch_one=fetch_one, parsers=PARSERS, context=context
    )
    unlisted = tuple(
        ItemOutcome(LIST_PROVIDER, s, "unknown", "the SEC's list of tickers does not have it")
        for s in symbols
        if s not in ciks
    )
    return merge(FEED, [fetched, Extract(FEED, (), unlisted, {})])


def is_due(cik: str, context: FetchContext) -> bool:
    """Say whether a company's weekly day has come since it was last asked, or it never answered.

    The day is the CIK's remainder by seven, so that a first load of everything is followed by an
    even share each night; days without a session are made up for on the next one.
    """
    state = context.state.get(cik, ItemState(cik))
    if state.asked_on is None or state.last_status not in _SETTLED:
        return True
    since_its_day = (context.as_of.toordinal() - int(cik)) % ASK_EVERY_DAYS
    its_day = date.fromordinal(context.as_of.toordinal() - since_its_day)
    return state.asked_on < its_day


def parse_facts(payload: Payload, concepts: Sequence[Concept]) -> Mapping[str, pd.DataFrame]:
    """Parse one company's facts: the tags of `concepts`, each value with its first filing.

    Raises:
        SourceContractChanged: another shape, another company, or a fact without its fields.
        UnknownItem: the company reports nothing that the concept map knows.
    """
    document = read_json(payload)
    cik = payload.context["cik"]
    try:
        if int(document["cik"]) != int(cik):
            raise broken(payload, f"the facts of CIK {document['cik']} for those of {cik}")
        rows = [
            fact
            for concept in concepts
            for tag in concept.tags
            for fact in _first_filings(
                _facts_of(document["facts"], tag.taxonomy, tag.tag, concept.unit)
            )
        ]
        frame = _frame(cik, rows) if rows else None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise broken(payload, f"a fact without its fields ({error!r:.200})") from error
    if frame is None:
        raise UnknownItem(PROVIDER, payload.item, "files, but nothing that the concept map knows")
    return {FEED: frame}


def _facts_of(facts: Mapping[str, Any], taxonomy: str, tag: str, unit: str) -> Iterator[_Fact]:
    for entry in facts.get(taxonomy, {}).get(tag, {}).get("units", {}).get(unit, ()):
        end, filed = entry["end"], entry["filed"]
        start = entry.get("start", end)
        if not (_DAY.fullmatch(end) and _DAY.fullmatch(filed) and _DAY.fullmatch(start)):
            raise ValueError(f"{tag}: {start}, {end} or {filed} is no day")
        year, period = entry.get("fy"), entry.get("fp")
        texts = (entry["form"], entry["accn"], period or "", entry.get("frame") or "")
        if not all(isinstance(text, str) for text in texts):
            raise ValueError(f"{tag}: {texts!r} are no texts")
        if not math.isfinite(float(entry["val"])) or not 0 <= int(year or 0) <= _LAST_YEAR:
            raise ValueError(f"{tag}: a value or a fiscal year that is none")
        yield _Fact(
            tag, unit, start, end, float(entry["val"]), None if year is None else int(year),
            period, entry["form"], filed, entry["accn"], entry.get("frame"),
        )  # fmt: skip


def _first_filings(facts: Iterable[_Fact]) -> Iterator[_Fact]:
    """Yield a value where no filing before gave the same for the period.

    The frame, which the SEC moves to the newest filing, comes from whichever filing carries it.
    """
    groups: dict[tuple[str, str], list[_Fact]] = {}
    for fact in facts:
        groups.setdefault((fact.start, fact.end), []).append(fact)
    for group in groups.values():
        frame = next((f.frame for f in group if f.frame), None)
        group.sort(key=lambda f: (f.filed, f.accession))
        known: float | None = None
        accession = ""
        for fact in group:
            if fact.value != known and fact.accession != accession:
                yield fact._replace(frame=frame)
                known, accession = fact.value, fact.accession


def _frame(cik: str, rows: Sequence[_Fact]) -> pd.DataFrame:
    columns = list(zip(*rows, strict=True))
    tag, unit, start, end, value, year, period, form, filed, accession, frame = columns

    def days(texts: Sequence[str]) -> pd.Series:
        return pd.to_datetime(pd.Series(texts), format="%Y-%m-%d").astype("datetime64[us]")

    def text(values: Sequence[Any]) -> pd.Series:
        return pd.Series(values, dtype="str")

    return pd.DataFrame(
        {
            "cik": pd.Series([cik] * len(rows), dtype="str"),
            "tag": text(tag),
            "unit": text(unit),
            "period_start_on": days(start),
            "period_end_on": days(end),
            "value": pd.Series(value, dtype="float64"),
            "fiscal_year": pd.Series(year, dtype="Int64"),
            "fiscal_period": text(period),
            "form": text(form),
            "filed_on": days(filed),
            "accession": text(accession),
            "frame": text(frame),
        }
    )


# -- both ---------------------------------------------------------------------------------------
def not_asked(feed: str, provider: str, items: Sequence[str], why: str) -> Extract:
    """Return the extract of a feed that sent nothing: every item unavailable, and why."""
    outcomes = tuple(ItemOutcome(provider, item, "unavailable", why) for item in items)
    return Extract(feed, (), outcomes, {})


def read_json(payload: Payload) -> dict[str, Any]:
    """Return the JSON object of a reply; SourceContractChanged if it is none."""
    try:
        document = orjson.loads(payload.body)
    except orjson.JSONDecodeError as error:
        raise broken(payload, "a body that is no JSON") from error
    if not isinstance(document, dict):
        raise broken(payload, f"a {type(document).__name__} instead of an object")
    return document


def broken(payload: Payload, rule: str) -> SourceContractChanged:
    """Return the error that says what a reply is instead of what was promised."""
    return SourceContractChanged(payload.provider, payload.item, rule)


PARSERS: dict[str, Parser] = {
    LIST_KIND: parse_companies,
    KIND: lambda payload: parse_facts(payload, load_catalog().concepts),
}
