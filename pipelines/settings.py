"""The only reader of the process environment: world, folders, keys, addresses, clock.

Everything else takes a `Settings` as an argument. A secret is wrapped in `Secret`, whose text form
is a row of asterisks, so that it cannot reach a log, an exception or a metadata field by accident.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal, get_args

from pipelines.errors import ConfigurationError

World = Literal["sample", "live"]
WORLDS: tuple[str, ...] = get_args(World)
AlertForm = Literal["json", "slack"]
DEFAULT_UI_URL = "http://127.0.0.1:3000"

PACKAGE_DIR = Path(__file__).resolve().parent
PROJECT_DIR = PACKAGE_DIR.parent
DBT_PROJECT_DIR = PROJECT_DIR / "dbt_project"

PUBLIC_HOSTS: Mapping[str, str] = {
    "fred-api": "https://api.stlouisfed.org",
    "fred-graph": "https://fred.stlouisfed.org",
    "yahoo": "https://query1.finance.yahoo.com",
    "tiingo": "https://api.tiingo.com",
    "ishares": "https://www.ishares.com",
    "blackrock": "https://www.blackrock.com",
    "ssga": "https://www.ssga.com",
    "sec": "https://data.sec.gov",
    "sec-www": "https://www.sec.gov",
    "french": "https://mba.tuck.dartmouth.edu",
    "shiller": "https://img1.wsimg.com",
    "shiller-page": "https://shillerdata.com",
    "ecb": "https://data-api.ecb.europa.eu",
    "treasury": "https://home.treasury.gov",
    "fed-board": "https://www.federalreserve.gov",
}
"""Provider id to the host that it answers on. `<PROVIDER>_BASE_URL` overrides one."""

SAMPLE_FRED_KEY = "sampleworldsampleworldsamplewor1"
"""Opens only the simulated FRED of the sample world; it is no secret."""


class Secret:
    """A value that shows itself only to those who call `reveal`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the plain text, for the one request that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "********"

    __str__ = __repr__


def base_url_variable(provider: str) -> str:
    """Return the name of the environment variable that redirects a provider."""
    return f"{provider.upper().replace('-', '_')}_BASE_URL"


@dataclass(frozen=True, slots=True)
class Settings:
    """One run's surroundings. `as_of` is None where the world's own clock decides."""

    world: World
    warehouse: Path
    as_of: date | None = None
    fred_api_key: Secret | None = None
    tiingo_api_key: Secret | None = None
    sec_contact: str | None = None
    base_urls: Mapping[str, str] = field(default_factory=lambda: dict(PUBLIC_HOSTS))
    pacing: bool = True
    full_refresh: bool = False
    ui_url: str = DEFAULT_UI_URL
    """Where the Dagster UI is reached; alerts link to the run there."""
    alert_webhook: Secret | None = None
    alert_webhook_form: AlertForm = "json"
    alert_smtp: Secret | None = None
    serve_token: Secret | None = None
    publish_restricted: bool = True
    """False leaves series whose owners ask for prior approval out of what is published."""

    @property
    def landing_dir(self) -> Path:
        """Folder of immutable payloads and typed batches."""
        return self.warehouse / "landing"

    @property
    def build_path(self) -> Path:
        """The one read-write DuckDB file."""
        return self.warehouse / "build" / "warehouse.duckdb"

    @property
    def published_dir(self) -> Path:
        """Folder with `versions/` and the link `current`."""
        return self.warehouse / "published"

    @property
    def dagster_home(self) -> Path:
        """Dagster's instance folder: runs, schedules, event log."""
        return self.warehouse / "dagster_home"

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Every secret in use, for redaction."""
        every = (
            self.fred_api_key,
            self.tiingo_api_key,
            self.alert_webhook,
            self.alert_smtp,
            self.serve_token,
        )
        return tuple(s for s in every if s is not None)

    @property
    def alert_memory(self) -> Path:
        """File that says which causes were told on which day."""
        return self.warehouse / "alerts.json"

    @property
    def alerts_are_on(self) -> bool:
        """Whether anybody is to be told."""
        return self.alert_webhook is not None or self.alert_smtp is not None

    def with_options(
        self,
        *,
        world: str | None = None,
        warehouse: str | None = None,
        as_of: date | None = None,
        full_refresh: bool | None = None,
    ) -> Settings:
        """Return a copy in which what a run's configuration names wins over the environment."""
        chosen = self if world is None else replace(self, world=check_world(world))
        if warehouse is not None:
            chosen = replace(chosen, warehouse=Path(warehouse).resolve())
        key = chosen.fred_api_key
        if chosen.world == "sample" and key is None:
            chosen = replace(chosen, fred_api_key=Secret(SAMPLE_FRED_KEY))
        if chosen.world == "live" and key is not None and key.reveal() == SAMPLE_FRED_KEY:
            chosen = replace(chosen, fred_api_key=None)
        if as_of is not None:
            chosen = replace(chosen, as_of=as_of)
        if full_refresh is not None:
            chosen = replace(chosen, full_refresh=full_refresh)
        return chosen


def check_world(text: str) -> World:
    """Return `text` as a world, or raise ConfigurationError."""
    if text == "sample":
        return "sample"
    if text == "live":
        return "live"
    raise ConfigurationError(f"SMALLCAPS_WORLD: {text!r} is not one of {', '.join(WORLDS)}")


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read settings from `environ` (default: the process environment).

    Raises:
        ConfigurationError: a variable has a value that cannot be used; its name is in the message,
            a key's value is not.
    """
    env = os.environ if environ is None else environ
    world = check_world(env.get("SMALLCAPS_WORLD", "sample"))
    pacing = env.get("SMALLCAPS_PACING", "on")
    if pacing not in ("on", "off"):
        raise ConfigurationError(f"SMALLCAPS_PACING: {pacing!r} is neither 'on' nor 'off'")
    restricted = env.get("SMALLCAPS_PUBLISH_RESTRICTED", "on")
    if restricted not in ("on", "off"):
        raise ConfigurationError(
            f"SMALLCAPS_PUBLISH_RESTRICTED: {restricted!r} is neither 'on' nor 'off'"
        )
    fred_key = env.get("FRED_API_KEY") or (SAMPLE_FRED_KEY if world == "sample" else None)
    if fred_key is not None and not re.fullmatch(r"[0-9a-z]{32}", fred_key):
        raise ConfigurationError("FRED_API_KEY: not 32 lower-case letters and digits")
    contact = env.get("SEC_CONTACT") or None
    if contact is not None and "@" not in contact:
        raise ConfigurationError("SEC_CONTACT: needs a name and an e-mail address")
    as_of = env.get("SMALLCAPS_AS_OF")
    try:
        as_of_date = date.fromisoformat(as_of) if as_of else None
    except ValueError as error:
        raise ConfigurationError(f"SMALLCAPS_AS_OF: {as_of!r} is no date (YYYY-MM-DD)") from error
    tiingo, token = env.get("TIINGO_API_KEY"), env.get("SMALLCAPS_SERVE_TOKEN")
    ui_url = env.get("SMALLCAPS_UI_URL", DEFAULT_UI_URL).rstrip("/")
    if not re.fullmatch(r"https?://[^\s?#]+", ui_url):
        raise ConfigurationError(f"SMALLCAPS_UI_URL: {ui_url!r} is no address")
    urls = {p: env.get(base_url_variable(p), host).rstrip("/") for p, host in PUBLIC_HOSTS.items()}
    if base_url_variable("shiller") in env and base_url_variable("shiller-page") not in env:
        # Who stands in for the files stands in for the page that links to them.
        urls["shiller-page"] = urls["shiller"]
    for provider, url in urls.items():
        if not re.fullmatch(r"https?://[^\s?#]+", url):
            raise ConfigurationError(f"{base_url_variable(provider)}: {url!r} is no address")
    return Settings(
        world=world,
        warehouse=Path(env.get("SMALLCAPS_WAREHOUSE", str(PROJECT_DIR / "warehouse"))).resolve(),
        as_of=as_of_date,
        fred_api_key=Secret(fred_key) if fred_key else None,
        tiingo_api_key=Secret(tiingo) if tiingo else None,
        sec_contact=contact,
        base_urls=urls,
        pacing=pacing == "on",
        publish_restricted=restricted == "on",
        ui_url=ui_url,
        serve_token=Secret(token) if token else None,
        **_read_alerts(env),
    )


def _read_alerts(env: Mapping[str, str]) -> dict[str, Any]:
    """Read where alerts go. Addresses hold tokens and passwords: they are never in a message."""
    webhook, smtp = env.get("SMALLCAPS_ALERT_WEBHOOK"), env.get("SMALLCAPS_ALERT_SMTP")
    form = env.get("SMALLCAPS_ALERT_WEBHOOK_FORM", "json")
    if form not in get_args(AlertForm):
        raise ConfigurationError(f"SMALLCAPS_ALERT_WEBHOOK_FORM: {form!r} is not json or slack")
    if webhook and not re.fullmatch(r"https?://[^\s/]+(/\S*)?", webhook):
        raise ConfigurationError("SMALLCAPS_ALERT_WEBHOOK: no http or https address")
    if smtp and not re.fullmatch(r"smtps?://\S+\?(?=\S*\bfrom=\S)(?=\S*\bto=\S)\S+", smtp):
        raise ConfigurationError(
            "SMALLCAPS_ALERT_SMTP: not of the form smtp://user:password@host:port?from=…&to=…"
        )
    return {
        "alert_webhook": Secret(webhook) if webhook else None,
        "alert_webhook_form": form,
        "alert_smtp": Secret(smtp) if smtp else None,
    }


@contextlib.contextmanager
def process_environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process for the length of a block, for tools that read only those."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def quiet_environment() -> dict[str, str]:
    """Return the variables that keep every tool in use from calling home."""
    return {
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "GX_ANALYTICS_ENABLED": "false",
    }


def child_environment(settings: Settings | None = None) -> dict[str, str]:
    """Return the environment of a child process, with the choices of the command line in it."""
    chosen = {**os.environ, **quiet_environment()}
    if settings is not None:
        chosen |= {
            "SMALLCAPS_WORLD": settings.world,
            "SMALLCAPS_WAREHOUSE": str(settings.warehouse),
        }
    return chosen


def dbt_environment(build_path: Path) -> dict[str, str]:
    """Return the variables that `dbt_project/profiles.yml` reads."""
    return quiet_environment() | {"SMALLCAPS_DUCKDB_PATH": str(build_path)}
