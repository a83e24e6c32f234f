"""How one cell is played: an honest night, a night with one fault, and what the loader left.

A cell is the second night of a station on a copy of its warehouse, with one fault in the answers
about one item, through the real connectors, landing, gate and loader. What is then in raw is
compared with what an honest night would have left.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import duckdb
from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter

from pipelines import steps
from pipelines.night import Night, make_night
from pipelines.quality.findings import GateReport
from pipelines.quality.gates import CHECKS, judge_batch
from pipelines.settings import Settings, read_settings
from pipelines.sources.calendar import sessions_between
from pipelines.sources.http import HttpClient
from pipelines.sources.payloads import Extract
from pipelines.storage import history
from pipelines.storage.contracts import FEEDS
from pipelines.storage.errors import LoadRefused
from tests.fakes.sample_world import adapter as sample_adapter
from tests.faults import injected
from tests.faults.injected import Clock, Wire
from tests.faults.stations import STATIONS, Station
from tests.faults.tiingo_wire import TiingoWire


class FaultyWire(BaseAdapter):
    """The sample world with one fault in the answers about one item."""

    def __init__(self, honest: BaseAdapter, station: Station, wire: Wire, clock: Clock) -> None:
        super().__init__()
        self.honest, self.station, self.wire, self.clock = honest, station, wire, clock
        self.faulted = 0

    def send(self, request: PreparedRequest, **options: Any) -> Response:
        answer = self.honest.send(request, **options)
        parts = urlsplit(str(request.url))
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if not self.station.is_item(parts.netloc, unquote(parts.path), query):
            return answer
        if answer.status_code != 200:
            return answer
        changed = self.wire(request, answer, self.clock)
        if changed is None:
            return answer
        self.faulted += 1
        return changed

    def close(self) -> None:
        pass


def make_wire(station: Station, fault: str) -> Wire:
    """Return a fresh fault for the answers about the station's item."""
    if fault in injected.WIRE:
        return injected.WIRE[fault]()
    if fault in injected.BODIES:
        return injected.BODIES[fault]()
    if fault == injected.OTHERS:
        assert station.other is not None
        old, new = station.other

        def other(request: PreparedRequest, _answer: Response, _clock: Clock) -> Response:
            asked = request.copy()
            asked.url = str(request.url).replace(old, new)
            if asked.url == request.url:  # the legacy address, which names the product in the path
                asked.url = asked.url.replace(old.strip("="), new.strip("="))
            assert asked.url != request.url, f"{request.url} does not hold {old}"
            return injected.answer_with(request, _honest(station.nights[1]).send(asked).content)

        return other
    change = injected.TABLES[fault]

    def edit(request: PreparedRequest, answer: Response, _clock: Clock) -> Response:
        table = station.form.read(answer.content)
        change(table, station.form)
        return injected.answer_with(request, station.form.write(table))

    return edit


class _Remembered(BaseAdapter):
    """The sample world of one day, each answer drawn once: a cell asks what the last one asked."""

    def __init__(self, day: date) -> None:
        super().__init__()
        self.world = TiingoWire(sample_adapter(day))
        self.answers: dict[tuple[str, str | None, str | None], Response] = {}

    def send(self, request: PreparedRequest, **options: Any) -> Response:
        sent = request.headers
        key = (str(request.url), sent.get("If-None-Match"), sent.get("If-Modified-Since"))
        if key not in self.answers:
            self.answers[key] = self.world.send(request, **options)
        known = self.answers[key]
        answer = Response()
        answer.status_code, answer.headers = known.status_code, known.headers
        answer.raw, answer.url, answer.request = io.BytesIO(known.content), known.url, request
        return answer

    def close(self) -> None:
        pass


@cache
def _honest(day: date) -> BaseAdapter:
    return _Remembered(day)


class _Down(BaseAdapter):
    """The sample world in which the provider of one item does not know it."""

    def __init__(self, honest: BaseAdapter, station: Station) -> None:
        super().__init__()
        self.honest, self.station = honest, station

    def send(self, request: PreparedRequest, **options: Any) -> Response:
        parts = urlsplit(str(request.url))
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if self.station.is_item(parts.netloc, unquote(parts.path), query):
            return injected.answer_with(request, b"Not Found", status=404)
        return self.honest.send(request, **options)

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Outcome:
    """How one cell ended.

    `missing` are rows that an honest night would have brought and that are not there; `strange`
    are rows that no honest night would have brought. `failed` maps failed checks that an honest
    night passes to their severity.
    """

    status: str
    detail: str
    refused: bool
    failed: Mapping[str, str]
    reasons: tuple[str, ...]
    quarantined: int
    new_rows: int
    missing: int
    strange: int
    faulted: int
    slept: tuple[float, ...]
    extract: Extract = field(repr=False)
    report: GateReport = field(repr=False)
    judge_without: Callable[[str], GateReport] = field(repr=False)
    """Judges the same batch again with one check taken away."""

    @property
    def is_flagged(self) -> bool:
        """True where somebody is told: a status, a finding, a quarantined row."""
        told = self.status not in ("fetched", "unchanged")
        return told or bool(self.failed) or self.quarantined > 0

    @property
    def verdict(self) -> str:
        """`absorbed`, `degraded`, `blocked`, or `passes` where wrong rows got through."""
        if self.refused:
            return "blocked" if self.new_rows == 0 else "passes"
        if self.strange:
            return "passes"
        if self.missing and self.is_flagged:
            return "degraded"
        return "absorbed"


@cache
def base_of(name: str) -> Path:
    """Return the warehouse of a station after its honest night; made once a process."""
    station = STATIONS[name]
    folder = Path(mkdtemp(prefix=f"smallcaps-{name}-"))
    night = _night(station, folder, station.nights[0], _honest(station.nights[0]), Clock())
    for feed in (*station.stands_on, station.feed):
        steps.fetch_feed(night, feed)
        report = steps.judge_feed(night, feed)
        assert not report.refused, report.reasons
        steps.load_feed(night, feed)
        if feed == "fund_holdings":
            _keep_members(night.settings, station.members)
    return folder


def _keep_members(settings: Settings, members: tuple[str, ...]) -> None:
    """Leave a universe of few companies: each of them would be asked for in each cell."""
    with duckdb.connect(str(settings.build_path)) as connection:
        connection.execute(
            "delete from raw.fund_holdings where not list_contains($members, ticker)",
            {"members": list(members)},
        )


@cache
def honest_of(name: str, *, by_the_other: bool = False) -> tuple[Path, frozenset[str]]:
    """Return the warehouse after the honest second night, and the checks that fail even then.

    `by_the_other`: the night in which the station's provider does not know the item, and the
    provider behind it answers honestly.
    """
    station = STATIONS[name]
    folder = _copy_of(name)
    world = _honest(station.nights[1])
    adapter = _Down(world, station) if by_the_other else world
    night = _night(station, folder, station.nights[1], adapter, Clock())
    steps.fetch_feed(night, station.feed)
    report = steps.judge_feed(night, station.feed)
    steps.load_feed(night, station.feed)
    return folder, frozenset(f.check for f in report.findings if not f.passed)


def play(name: str, fault: str) -> Outcome:
    """Play the second night of a station with one fault and say how it ended."""
    station = STATIONS[name]
    clock = Clock()
    folder = _copy_of(name)
    honest, usual = honest_of(name)
    wire = FaultyWire(_honest(station.nights[1]), station, make_wire(station, fault), clock)
    night = _night(station, folder, station.nights[1], wire, clock)
    try:
        before = _count(night.settings, station.feed)
        steps.fetch_feed(night, station.feed)
        with duckdb.connect(str(night.settings.build_path)) as connection:
            stored = history.read_history(connection, station.feed)
        report = steps.judge_feed(night, station.feed)
        if report.refused:
            try:
                steps.load_feed(night, station.feed)
            except LoadRefused:
                pass
            else:
                raise AssertionError(f"{name}, {fault}: the loader took a refused batch")
        else:
            steps.load_feed(night, station.feed)
        extract = night.landing.read_batch(night.run_id, station.feed)
        own = [o for o in extract.outcomes if o.item == station.item]
        if own and own[-1].status == "fetched" and own[-1].provider != station.source:
            honest, usual = honest_of(name, by_the_other=True)
        missing, strange = _difference(night.settings, honest, station.feed)

        def judge_without(check: str) -> GateReport:
            return judge_batch(
                extract,
                catalog=night.catalog,
                history=stored,
                as_of=night.as_of,
                sessions=sessions_between(steps.FIRST_SESSION, night.as_of),
                checks={n: c for n, c in CHECKS[station.feed].items() if n != check},
            )

        return Outcome(
            status=own[-1].status if own else "none",
            detail=f"{own[-1].provider}: {own[-1].item}: {own[-1].detail}" if own else "",
            refused=report.refused,
            failed={
                f.check: f.severity
                for f in report.findings
                if not f.passed and f.check not in usual
            },
            reasons=report.reasons,
            quarantined=len(report.quarantined),
            new_rows=_count(night.settings, station.feed) - before,
            missing=missing,
            strange=strange,
            faulted=wire.faulted,
            slept=tuple(clock.slept),
            extract=extract,
            report=report,
            judge_without=judge_without,
        )
    finally:
        shutil.rmtree(folder)


def _copy_of(name: str) -> Path:
    folder = Path(mkdtemp(prefix=f"smallcaps-{name}-"))
    (folder / "build").mkdir()
    for path in (base_of(name) / "build").iterdir():
        shutil.copy(path, folder / "build" / path.name)
    return folder


def _night(
    station: Station, folder: Path, as_of: date, adapter: BaseAdapter, clock: Clock
) -> Night:
    environment = {
        "SMALLCAPS_WAREHOUSE": str(folder),
        "SEC_CONTACT": "Test test@example.com",
        "TIINGO_API_KEY": "0123456789abcdef0123456789abcdef01234567",
    }
    settings = read_settings(environment).with_options(as_of=as_of)
    night = make_night(settings, f"night-{as_of}", adapter=adapter)
    if station.keyless:
        settings = replace(settings, fred_api_key=None)
    catalog = station.catalog()
    client = HttpClient(
        catalog.providers,
        adapter=adapter,
        secrets=settings.secrets,
        pacing=False,
        sleep=clock.sleep,
        monotonic=clock.monotonic,
        now=lambda: night.now,
    )
    return replace(night, settings=settings, catalog=catalog, client=client)


def _count(settings: Settings, feed: str) -> int:
    with duckdb.connect(str(settings.build_path), read_only=True) as connection:
        counts = [
            connection.execute(f"select count(*) from raw.{t.name}").fetchone() for t in FEEDS[feed]
        ]
    return sum(row[0] for row in counts if row is not None)


def _difference(settings: Settings, honest: Path, feed: str) -> tuple[int, int]:
    """Return how many honest rows are not there, and how many there are not honest."""
    missing = strange = 0
    with duckdb.connect() as connection:
        connection.execute(f"attach '{settings.build_path}' as here (read_only)")
        connection.execute(f"attach '{honest}/build/warehouse.duckdb' as honest (read_only)")
        for table in FEEDS[feed]:
            columns = ", ".join(
                f"round({c.name}, 6) as {c.name}" if c.type == "DOUBLE" else c.name
                for c in table.columns
                if c.filled_by == "source" and c.name != "edition"
            )
            ours, theirs = (
                f"select {columns} from {db}.raw.{table.name}" for db in ("here", "honest")
            )
            gone = connection.execute(f"select count(*) from ({theirs} except {ours})").fetchone()
            # A row that says "no value" claims nothing: it is a missing one.
            named = [c for c in table.compared if c != "edition"] or [table.entity]
            says = " or ".join(f"{c} is not null" for c in named)
            new = connection.execute(
                f"select count(*) from ({ours} except {theirs}) where {says}"
            ).fetchone()
            assert gone is not None and new is not None
            missing, strange = missing + gone[0], strange + new[0]
    return missing, strange
