"""SEC frames: one tag in one unit and one calendar period, of every company that filed it.

A frame gives the value that a company filed last for the period that fits best, with the filing's
accession number but not its day, and never what was said before. So frames are the cross-section,
and a second telling of what `sources.sec` reads company by company; vintages come from there.

Only companies of the list of tickers are kept (`keep_listed`): a frame also holds some thousand
funds, trusts and companies without a quoted share, of which nothing here is made. Landing has all.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

import pandas as pd

from pipelines.catalog.models import Catalog, FrameRules
from pipelines.sources.collect import Parser, collect, merge
from pipelines.sources.errors import UnknownItem
from pipelines.sources.http import HttpClient
from pipelines.sources.payloads import Extract, FetchContext, ItemState, Payload
from pipelines.sources.sec import NO_CONTACT, PROVIDER, broken, not_asked, read_json

FEED = "sec_frames"
KIND = "sec_frame"
PROBE = "frames"
"""The item that stands for all frames where none could be asked for."""

NO_LIST = "not asked: without the list of tickers nobody's figures would be kept"
_LONGEST_CIK = 9_999_999_999
_SETTLED = ("fetched", "unchanged", "unknown")


@dataclass(frozen=True, slots=True)
class Frame:
    """One question: a tag in a unit and a period, e.g. `us-gaap.Revenues.USD.CY2024Q3`.

    `period` is the SEC's: `CY2024` a year, `CY2024Q3` a quarter, `CY2024Q3I` its last day.
    `ended_on` is the period's last day, `is_first_choice` whether its concept prefers the tag.
    """

    taxonomy: str
    tag: str
    unit: str
    period: str
    ended_on: date
    is_first_choice: bool

    @property
    def unit_in_path(self) -> str:
        """The unit as the address spells it."""
        return self.unit.replace("/", "-per-")

    @property
    def id(self) -> str:
        """The item's name: no blanks and no slashes."""
        return f"{self.taxonomy}.{self.tag}.{self.unit_in_path}.{self.period}"

    @property
    def path(self) -> str:
        """The address on `data.sec.gov`."""
        return f"/api/xbrl/frames/{self.taxonomy}/{self.tag}/{self.unit_in_path}/{self.period}.json"

    @property
    def is_year(self) -> bool:
        """Whether the period is a year."""
        return "Q" not in self.period


# -- which frames -------------------------------------------------------------------------------
def frames_of(catalog: Catalog, *, as_of: date) -> list[Frame]:
    """Return the frames of the newest years whose season has begun, newest period first.

    A figure of a period (flow) is asked by quarter and by year: the last quarter of a fiscal year
    and figures that are filed for the year so far stand in no quarterly frame.
    """
    rules = catalog.frames
    quarters = _ended_quarters(as_of - timedelta(days=rules.opens_after_days), 4 * rules.years)
    periods: list[tuple[str, str, date]] = []
    for year, quarter, ended_on in quarters:
        periods.append(("instant", f"CY{year}Q{quarter}I", ended_on))
        periods.append(("flow", f"CY{year}Q{quarter}", ended_on))
        if quarter == 4:
            periods.append(("flow", f"CY{year}", ended_on))
    return [
        Frame(tag.taxonomy, tag.tag, concept.unit, period, ended_on, place == 0)
        for kind, period, ended_on in periods
        for concept in catalog.concepts
        if concept.kind == kind
        for place, tag in enumerate(concept.tags)
    ]


def _ended_quarters(until: date, count: int) -> Iterator[tuple[int, int, date]]:
    """Yield year, number and last day of the `count` newest quarters that ended by `until`."""
    year, quarter = until.year, (until.month - 1) // 3 + 1
    while count:
        following = date(year + quarter // 4, quarter % 4 * 3 + 1, 1)
        ended_on = following - timedelta(days=1)
        if ended_on <= until:
            yield year, quarter, ended_on
            count -= 1
        year, quarter = (year, quarter - 1) if quarter > 1 else (year - 1, 4)


def is_due(frame: Frame, context: FetchContext, rules: FrameRules) -> bool:
    """Say whether a frame is to be asked tonight.

    In its season once every `ask_every_days`, and once more after it: then it is settled. A frame
    that did not answer is due again, one that the SEC does not know only like any other.
    """
    state = context.state.get(frame.id, ItemState(frame.id))
    if state.asked_on is None or state.last_status not in _SETTLED:
        return True
    lasts = rules.year_closes_after_days if frame.is_year else rules.closes_after_days
    is_settled = state.asked_on > frame.ended_on + timedelta(days=lasts)
    return not is_settled and (context.as_of - state.asked_on).days >= rules.ask_every_days


# -- asking -------------------------------------------------------------------------------------
def fetch_sec_frames(
    client: HttpClient, catalog: Catalog, context: FetchContext, listed: Collection[str]
) -> Extract:
    """Fetch the frames that are due. `listed` are the CIKs of the list of tickers.

    Before anything is stored, a dozen frames that must exist are asked first, one a concept: where
    the source knows none of them, the others are left for the next night.
    """
    if context.sec_contact is None:
        return not_asked(FEED, PROVIDER, [PROBE], NO_CONTACT)
    if not listed:
        return not_asked(FEED, PROVIDER, [PROBE], NO_LIST)
    rules = catalog.frames
    every = frames_of(catalog, as_of=context.as_of)
    has_rows = any(s.newest_on is not None for s in context.state.values())
    due = [
        f for f in every if context.full_refresh or not has_rows or is_due(f, context, rules)
    ]  # fmt: skip
    context.progress(f"{FEED}: {len(due)} of {len(every)} frames are due")
    probes = [] if has_rows else _well_known(every, rules, as_of=context.as_of)
    asked = _ask(client, context, probes) if probes else Extract(FEED, (), (), {})
    if probes and all(o.status != "fetched" for o in asked.outcomes):
        return asked
    rest = [f for f in due if f not in set(probes)]
    return merge(FEED, [asked, _ask(client, context, rest)])


def _well_known(frames: list[Frame], rules: FrameRules, *, as_of: date) -> list[Frame]:
    """Return each concept's preferred tag in the newest period whose season is over."""
    closed = as_of - timedelta(days=rules.closes_after_days)
    chosen: dict[str, Frame] = {}
    for frame in frames:
        if frame.is_first_choice and frame.ended_on < closed and not frame.is_year:
            chosen.setdefault(frame.tag, frame)
    return list(chosen.values())


def _ask(client: HttpClient, context: FetchContext, frames: list[Frame]) -> Extract:
    def fetch_one(frame: Frame) -> list[Payload]:
        state = None if context.full_refresh else context.state.get(frame.id)
        return [
            client.get(
                PROVIDER,
                frame.path,
                kind=KIND,
                item=frame.id,
                expects="json",
                context={
                    "taxonomy": frame.taxonomy,
                    "tag": frame.tag,
                    "unit": frame.unit,
                    "period": frame.period,
                },
                etag=state.etag if state else None,
                last_modified=state.last_modified if state else None,
            )
        ]

    return collect(
        FEED, client, PROVIDER, frames,
        fetch_one=fetch_one, parsers=PARSERS, context=context, name=lambda frame: frame.id,
    )  # fmt: skip


def keep_listed(extract: Extract, listed: Collection[str]) -> Extract:
    """Return the extract with the rows of companies in `listed` alone."""
    frames = {
        table: rows[rows["cik"].isin(list(listed))].reset_index(drop=True)
        for table, rows in extract.frames.items()
    }
    return replace(extract, frames=frames)


# -- reading ------------------------------------------------------------------------------------
def parse_frame(payload: Payload) -> Mapping[str, pd.DataFrame]:
    """Parse one frame: a row per company, instants begin on their own day.

    Raises:
        SourceContractChanged: another shape, the answer to another question, fewer companies than
            the reply says it has, or a company without its fields.
        UnknownItem: the frame has no company.
    """
    document = read_json(payload)
    asked = payload.context
    unit = asked["unit"]
    units = (unit, unit.replace("/", "-per-"))
    told = tuple(document.get(name) for name in ("taxonomy", "tag", "ccp"))
    wanted = (asked["taxonomy"], asked["tag"], asked["period"])
    if told != wanted or document.get("uom") not in units:
        said = ".".join(str(part)[:80] for part in (*told, document.get("uom")))
        raise broken(payload, f"the frame {said} for another one")
    rows = document.get("data")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise broken(payload, "no list of companies")
    if document.get("pts", len(rows)) != len(rows):
        raise broken(payload, f"{len(rows)} companies where it says {document['pts']!r:.20}")
    if not rows:
        raise UnknownItem(PROVIDER, payload.item, "a frame of no company")
    try:
        ciks = [row["cik"] for row in rows]
        ends = [row["end"] for row in rows]
        starts = ends if asked["period"].endswith("I") else [row["start"] for row in rows]
        values = [row["val"] for row in rows]
        accessions = [row["accn"] for row in rows]
        if not all(type(cik) is int and 0 < cik <= _LONGEST_CIK for cik in ciks):
            raise ValueError("a cik that is none")
        if not all(type(v) in (int, float) and math.isfinite(v) for v in values):
            raise ValueError("a value that is no number")
        if not all(isinstance(text, str) and text for text in accessions):
            raise ValueError("a filing without its number")
        frame = pd.DataFrame(
            {
                "frame_id": payload.item,
                "cik": pd.Series([f"{cik:010d}" for cik in ciks], dtype="str"),
                "taxonomy": asked["taxonomy"],
                "tag": asked["tag"],
                "unit": unit,
                "frame": asked["period"],
                "period_start_on": _days(starts),
                "period_end_on": _days(ends),
                "value": pd.Series(values, dtype="float64"),
                "accession": pd.Series(accessions, dtype="str"),
            }
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise broken(payload, f"a company without its fields ({error!r:.200})") from error
    return {FEED: frame}


def _days(texts: list[str]) -> pd.Series[pd.Timestamp]:
    if not all(isinstance(text, str) and len(text) == 10 for text in texts):
        raise ValueError("a day that is none")
    return pd.to_datetime(pd.Series(texts), format="%Y-%m-%d").astype("datetime64[us]")


PARSERS: dict[str, Parser] = {KIND: parse_frame}
