"""One night's surroundings: settings, catalogue, clock, client, landing. No step is taken here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pipelines.catalog.models import Catalog, load_catalog
from pipelines.errors import ConfigurationError
from pipelines.settings import PUBLIC_HOSTS, Settings
from pipelines.sources.calendar import is_session, session_close
from pipelines.sources.http import HttpClient, Transport
from pipelines.storage.landing import Landing

NEW_YORK = ZoneInfo("America/New_York")
BRANCHES = ("macro", "prices", "funds", "long_history", "fundamentals")
FEEDS_OF_BRANCH: Mapping[str, tuple[str, ...]] = {
    "macro": ("fred_observations", "fred_releases", "agency_observations"),
    "prices": ("instrument_bars", "constituent_bars"),
    "funds": ("fund_holdings", "fund_shares"),
    "long_history": ("french_portfolios", "shiller_history"),
    "fundamentals": ("sec_companies", "sec_facts", "sec_frames"),
}
DBT_TAGS_OF_BRANCH: Mapping[str, tuple[str, ...]] = {
    "macro": ("macro", "rates", "events", "signals", "claims"),
    "prices": ("prices", "breadth", "valuation", "rates", "events", "signals", "claims"),
    "funds": ("funds", "breadth", "events", "signals", "claims"),
    "long_history": ("long_history", "valuation", "signals", "claims"),
    "fundamentals": ("fundamentals", "valuation", "signals", "claims"),
}
"""Models to build when a branch runs alone: its own, and those that stand on it and have no feeds
of their own. The fundamentals' models have feeds: after prices or funds alone they are those of the
last night that read filings."""


@dataclass(frozen=True, slots=True)
class Night:
    """One run's surroundings, the same object in every step of the run.

    `now` is aware (UTC) and never later than the end of `as_of` in New York, so that a night run
    late still sees that night's clock. Raw rows of later loads than `loaded_by` are not used.
    `home` is set where a past day is rebuilt: `settings` are then those of the copy it works in.
    """

    settings: Settings
    catalog: Catalog
    run_id: str
    as_of: date
    now: datetime
    branches: tuple[str, ...]
    client: HttpClient
    landing: Landing
    loaded_by: date
    from_landing: str | None = None
    with_late_loads: bool = False
    home: Settings | None = None

    @property
    def is_rebuild(self) -> bool:
        """Whether a past day is rebuilt: nothing is fetched, and the link stays where it is."""
        return self.home is not None

    @property
    def dbt_variables(self) -> dict[str, str]:
        """What dbt may know: see `was_known` in the project's macros."""
        return {"as_of": self.as_of.isoformat(), "loaded_by": self.loaded_by.isoformat()}


def newest_closed_day(now: datetime) -> date:
    """Return the newest New York day of which everything is over: today, unless a session runs."""
    today = now.astimezone(NEW_YORK).date()
    if is_session(today) and now < session_close(today):
        return today - timedelta(days=1)
    return today


def make_night(
    settings: Settings,
    run_id: str,
    *,
    branches: tuple[str, ...] = BRANCHES,
    from_landing: str | None = None,
    with_late_loads: bool = False,
    wall_clock: datetime | None = None,
    adapter: Transport | None = None,
) -> Night:
    """Return the night of a run. Reads the sample world's clock or the wall clock; opens nothing.

    `adapter` replaces the network (a test's faults); the sample world brings its own.

    Raises:
        ConfigurationError: `as_of` lies in the future, or an unknown branch is named.
    """
    if unknown := set(branches) - set(BRANCHES):
        raise ConfigurationError(f"no such branch: {', '.join(sorted(unknown))}")
    landing = Landing(settings.landing_dir)
    now = wall_clock or datetime.now(UTC)
    as_of = settings.as_of
    base_urls = settings.base_urls
    if from_landing is not None:
        landed = {run.run_id: run.as_of for run in landing.runs()}
        if from_landing not in landed:
            raise ConfigurationError(f"--from-landing {from_landing}: landing holds no such run")
        as_of = landed[from_landing]
    if settings.world == "sample":
        from pipelines.sample.adapter import SampleAdapter, sample_clock

        newest = sample_clock()
        as_of = as_of or newest
        if as_of > newest:
            raise ConfigurationError(
                f"--as-of {as_of}: the sample world ends on {newest}, it has no later day"
            )
        now = _end_of(as_of)
        adapter = adapter or SampleAdapter(now=as_of)
        base_urls = PUBLIC_HOSTS
    as_of = as_of or newest_closed_day(now)
    if as_of > now.astimezone(NEW_YORK).date():
        raise ConfigurationError(f"--as-of {as_of}: that day has not come")
    return Night(
        settings=settings,
        catalog=load_catalog(),
        run_id=run_id,
        as_of=as_of,
        now=min(now, _end_of(as_of)),
        branches=branches,
        client=HttpClient(
            load_catalog().providers,
            base_urls=base_urls,
            secrets=settings.secrets,
            contact=settings.sec_contact,
            pacing=settings.pacing and adapter is None,
            adapter=adapter,
        ),
        landing=landing,
        loaded_by=as_of,
        from_landing=from_landing,
        with_late_loads=with_late_loads,
    )


def _end_of(day: date) -> datetime:
    return datetime.combine(day, time(23, 59, 59), NEW_YORK).astimezone(UTC)
