"""The catalogue as typed, checked objects. What we collect is data in the YAML files beside this.

`load_catalog` refuses an entry that is incomplete or contradicts itself, naming file, entry and
field. No network, no warehouse, no environment here.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import Field, ValidationError, model_validator

from pipelines.catalog.claims import Claim
from pipelines.catalog.entry import Entry
from pipelines.catalog.signals import DERIVED_SERIES, PILLARS, SignalInput
from pipelines.errors import ConfigurationError

CATALOG_DIR = Path(__file__).resolve().parent

Rights = Literal["public_domain", "citation_required", "preapproval_required"]
Severity = Literal["block", "warn"]
Branch = Literal["macro", "prices", "funds", "long_history", "fundamentals"]


class ReleaseRule(Entry):
    """When a value is first published, relative to its observation date.

    `kind`: `business_days_after` (the observation), `days_after` (the observation date itself),
    `days_after_month`, `days_after_quarter`, `days_after_year` (the end of the observed period,
    weekends moved to Monday), `next_weekday` (the first `weekday` after the observation's week,
    0 = Monday), or `unscheduled` (no rule: known when first seen). With any other kind a `weekday`
    moves the day on to the next such weekday, or leaves it if it is one. The arithmetic is in
    `release_rules`.
    """

    kind: Literal[
        "business_days_after",
        "days_after",
        "days_after_month",
        "days_after_quarter",
        "days_after_year",
        "next_weekday",
        "unscheduled",
    ]
    days: int = 0
    weekday: int | None = Field(default=None, ge=0, le=6)
    release_id: int | None = None
    """FRED release, for the calendar."""


class FredSeries(Entry):
    """One FRED series. `largest_step` is in units (`abs`) or percent (`pct`) between neighbours."""

    id: str
    title: str
    unit: str
    frequency: Literal["daily", "weekly", "monthly", "quarterly", "annual", "irregular"]
    release: ReleaseRule
    plausible_min: float
    plausible_max: float
    largest_step: float = Field(gt=0)
    step_kind: Literal["abs", "pct"]
    stale_after_days: int = Field(gt=0)
    """Calendar days that the newest `observed_on` may lie back before the series is stale."""
    required: bool = False
    rights: Rights
    why: str
    vintages: bool = False
    """Revised after release: with a key, ask FRED for the whole real-time history."""
    revision_days: int = Field(default=10, gt=0)
    """How far back a nightly request looks, in calendar days before the newest observation."""
    known_holes: tuple[date, ...] = ()
    """Observation dates that do not exist and are no alarm."""
    alternate: Literal["treasury", "fed-board", "ecb"] | None = None
    alternate_series: str | None = None
    """The agency's own name: keyless stand-in when FRED does not answer."""
    observations_in_future: bool = False
    weekends: bool = False
    """A daily series that has values of Saturdays and Sundays too."""

    @model_validator(mode="after")
    def _range_is_a_range(self) -> FredSeries:
        if self.plausible_min >= self.plausible_max:
            raise ValueError("plausible_min is not below plausible_max")
        if (self.alternate is None) != (self.alternate_series is None):
            raise ValueError("alternate and alternate_series go together")
        if self.weekends and self.frequency != "daily":
            raise ValueError("weekends is said of daily series only")
        return self


class Instrument(Entry):
    """One index or ETF whose daily bars are collected."""

    symbol: str
    title: str
    kind: Literal["index", "etf"]
    groups: tuple[str, ...]
    """What it serves, e.g. small_cap, large_cap, sector, rates, dollar."""
    sector: str | None = None
    currency: str = "USD"
    providers: tuple[str, ...] = ("yahoo", "tiingo")
    """In order of preference. A symbol's rows are never mixed across providers."""
    provider_symbols: dict[str, str] = Field(default_factory=dict)
    has_volume: bool = True
    history_from: date = date(1927, 1, 1)
    largest_move_pct: float = Field(default=35.0, gt=0)
    stale_after_sessions: int = Field(default=3, gt=0)
    required: bool = False
    why: str


class Fund(Entry):
    """One fund with issuer files: share counts, and holdings where `holdings` is true."""

    id: str
    title: str
    name_in_file: str
    """How line 1 of the issuer's file names the fund; another name is another fund's file."""
    issuer: Literal["ishares", "ssga"]
    product_id: str
    slug: str
    """Path segment of the product page (iShares) or lower-case ticker (SSGA)."""
    group: str
    """small_cap, large_cap, small_value, small_growth, or sector."""
    sector: str | None = None
    universe_id: Literal["russell_2000", "sp_500"] | None = None
    holdings: bool = False
    shares: bool = True
    history_from: date
    shares_stale_after_sessions: int = Field(default=5, gt=0)
    holdings_stale_after_days: int = Field(default=100, gt=0)
    why: str


class TickerRename(Entry):
    """A company that changed its ticker: the files say one, the price source the other."""

    universe_ticker: str
    price_symbol: str
    valid_from: date = date(1900, 1, 1)
    valid_to: date = date(9999, 12, 31)
    note: str


class TickerReuse(Entry):
    """A ticker whose price history belongs to another company on these dates: no member then."""

    price_symbol: str
    valid_from: date = date(1900, 1, 1)
    valid_to: date = date(9999, 12, 31)
    note: str


class Restatement(Entry):
    """A change of a history's basis that no split event explains, looked into and accepted."""

    price_symbol: str
    factor: float = Field(gt=0)
    """New close over the old one."""
    note: str


class TickerMap(Entry):
    """Reviewed data on top of the spelling rules (class suffixes) of `sources.tickers`."""

    class_shares: dict[str, str]
    """Issuer spelling to price spelling, e.g. BRKB: BRK-B."""
    renames: tuple[TickerRename, ...]
    reuses: tuple[TickerReuse, ...]
    restatements: tuple[Restatement, ...] = ()


class ConceptTag(Entry):
    """One XBRL tag under which companies report a concept, with the years in which they used it."""

    tag: str
    taxonomy: Literal["us-gaap", "dei"] = "us-gaap"
    from_year: int | None = None
    to_year: int | None = None
    """First and last fiscal year of its usual use; None where it has no such end."""
    includes: str | None = None
    """Another concept that is part of what this tag says: it is not added a second time."""
    note: str = ""


class Concept(Entry):
    """One figure of the financial statements, under whatever tags companies report it.

    The first of `tags` that a company reports for a period counts. `kind`: a `flow` covers a
    period, an `instant` describes a day.
    """

    id: str
    title: str
    unit: Literal["USD", "USD/shares", "shares"]
    kind: Literal["flow", "instant"]
    tags: tuple[ConceptTag, ...] = Field(min_length=1)
    why: str


class FrameRules(Entry):
    """Which of the SEC's frames (one figure of all companies in one period) are asked, and when.

    A period's season is the stretch of days after its end in which companies file for it.
    """

    years: int = Field(default=3, ge=1)
    """How far a first load reaches back, in years of quarters."""
    opens_after_days: int = Field(default=20, ge=0)
    closes_after_days: int = Field(default=130, gt=0)
    year_closes_after_days: int = Field(default=310, gt=0)
    """The same of a calendar year, in which fiscal years end up to half a year later."""
    ask_every_days: int = Field(default=7, ge=1)

    @model_validator(mode="after")
    def _a_season_is_longer_than_a_day(self) -> FrameRules:
        if not self.opens_after_days < self.closes_after_days <= self.year_closes_after_days:
            raise ValueError("a season opens before it closes, that of a quarter first")
        return self


class Provider(Entry):
    """How one provider wants to be asked."""

    id: str
    title: str
    user_agent: str
    """May hold {contact}, filled from SEC_CONTACT."""
    min_interval_s: float = Field(ge=0)
    """Least seconds between the starts of two requests, over all threads."""
    max_parallel: int = Field(default=1, ge=1)
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 30.0
    total_timeout_s: float = 120.0
    max_attempts: int = Field(default=4, ge=1)
    max_body_mb: float = 64.0
    terms: str
    breaker_after: int = Field(default=8, ge=1)
    """Consecutive failures after which the provider is left alone for the rest of the run."""
    paced_with: str | None = None
    """Provider whose limit this one counts towards: their requests keep one common distance."""


class GateCheck(Entry):
    """One check of the landing gate: what must be true of a batch, how hard, and why."""

    feed: str
    check: str
    severity: Severity
    reason: str
    limits: dict[str, float] = Field(default_factory=dict)


class Catalog(Entry):
    """All of it."""

    fred_series: tuple[FredSeries, ...]
    instruments: tuple[Instrument, ...]
    funds: tuple[Fund, ...]
    tickers: TickerMap
    providers: tuple[Provider, ...]
    gate_checks: tuple[GateCheck, ...]
    concepts: tuple[Concept, ...] = ()
    frames: FrameRules = FrameRules()
    signal_inputs: tuple[SignalInput, ...] = ()
    claims: tuple[Claim, ...] = ()

    @model_validator(mode="after")
    def _signals_stand_on_the_catalogue(self) -> Catalog:
        if not self.signal_inputs:
            return self
        if bare := [p for p in PILLARS if p not in {i.pillar for i in self.signal_inputs}]:
            raise ValueError(f"signals.yaml: no input for the pillar {bare[0]}")
        known = {s.id for s in self.fred_series} | DERIVED_SERIES
        named = [(i.id, series) for i in self.signal_inputs for series in i.series]
        if strange := [pair for pair in named if pair[1] not in known]:
            raise ValueError(f"signals.yaml: {strange[0][0]}: no such series: {strange[0][1]}")
        return self

    @model_validator(mode="after")
    def _a_tag_has_one_meaning(self) -> Catalog:
        tags = [t.tag for c in self.concepts for t in c.tags]
        if doubled := sorted({t for t in tags if tags.count(t) > 1}):
            raise ValueError(f"concepts.yaml: a tag stands for two concepts: {doubled[0]}")
        concepts = {c.id for c in self.concepts}
        included = {(t.tag, t.includes) for c in self.concepts for t in c.tags if t.includes}
        if unknown := sorted(pair for pair in included if pair[1] not in concepts):
            raise ValueError(f"concepts.yaml: {unknown[0][0]} includes no concept: {unknown[0][1]}")
        return self

    def series(self, series_id: str) -> FredSeries:
        """Return one series; KeyError if the catalogue has none of that id."""
        return {s.id: s for s in self.fred_series}[series_id]

    def fund(self, fund_id: str) -> Fund:
        """Return one fund; KeyError if the catalogue has none of that id."""
        return {f.id: f for f in self.funds}[fund_id]

    def provider(self, provider_id: str) -> Provider:
        """Return one provider; KeyError if the catalogue has none of that id."""
        return {p.id: p for p in self.providers}[provider_id]


EntryT = TypeVar("EntryT", bound=Entry)


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path.name}: {error}") from error


def _refuse(path: Path, entry: str, error: ValidationError) -> ConfigurationError:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"]) or "the entry as a whole"
    return ConfigurationError(f"{path.name}: {entry}: {field}: {first['msg']}")


def read_entries(path: Path, model: type[EntryT], *, id_field: str) -> tuple[EntryT, ...]:
    """Read a YAML list of entries.

    Raises:
        ConfigurationError: naming file, entry and field, for an entry that is incomplete, has a
            field nobody reads, contradicts itself or stands twice.
    """
    rows = _read_yaml(path)
    if not isinstance(rows, list):
        raise ConfigurationError(f"{path.name}: expected a list of entries")
    out: list[EntryT] = []
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        name = (
            str(row.get(id_field, f"entry {number}"))
            if isinstance(row, dict)
            else f"entry {number}"
        )
        try:
            out.append(model.model_validate(row))
        except ValidationError as error:
            raise _refuse(path, name, error) from error
        if name in seen:
            raise ConfigurationError(f"{path.name}: {name}: stands twice")
        seen.add(name)
    return tuple(out)


def load_catalog_from(folder: Path) -> Catalog:
    """Read and check all catalogue files of `folder`. Raises ConfigurationError."""
    tickers_path = folder / "tickers.yaml"
    try:
        tickers = TickerMap.model_validate(_read_yaml(tickers_path))
    except ValidationError as error:
        raise _refuse(tickers_path, "tickers", error) from error
    frames_path = folder / "frames.yaml"
    try:
        frames = FrameRules.model_validate(_read_yaml(frames_path))
    except ValidationError as error:
        raise _refuse(frames_path, "frames", error) from error
    gates = folder / "gates.yaml"
    rows = _read_yaml(gates)
    checks: list[GateCheck] = []
    for feed, entries in (rows or {}).items():
        for entry in entries:
            name = f"{feed}.{entry.get('check', '?')}"
            try:
                checks.append(GateCheck.model_validate({"feed": feed, **entry}))
            except ValidationError as error:
                raise _refuse(gates, name, error) from error
    return Catalog(
        fred_series=read_entries(folder / "fred_series.yaml", FredSeries, id_field="id"),
        instruments=read_entries(folder / "instruments.yaml", Instrument, id_field="symbol"),
        funds=read_entries(folder / "funds.yaml", Fund, id_field="id"),
        tickers=tickers,
        providers=read_entries(folder / "providers.yaml", Provider, id_field="id"),
        gate_checks=tuple(checks),
        concepts=read_entries(folder / "concepts.yaml", Concept, id_field="id"),
        signal_inputs=read_entries(folder / "signals.yaml", SignalInput, id_field="id"),
        claims=read_entries(folder / "claims.yaml", Claim, id_field="id"),
        frames=frames,
    )


@cache
def load_catalog() -> Catalog:
    """Return the project's own catalogue, read and checked once a process."""
    return load_catalog_from(CATALOG_DIR)
