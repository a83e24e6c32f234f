"""One simulated world per clock, shared by the tests of the sample world."""

from __future__ import annotations

from datetime import date
from functools import cache

import requests

from pipelines.sample import SampleAdapter, sample_clock
from pipelines.settings import PUBLIC_HOSTS, SAMPLE_FRED_KEY

AGENT = "smallcaps/0.1 (+tests)"


@cache
def adapter(now: date | None = None) -> SampleAdapter:
    return SampleAdapter(now=now or sample_clock())


def get(
    provider: str,
    path: str,
    now: date | None = None,
    headers: dict[str, str] | None = None,
    **params: str,
) -> requests.Response:
    """GET one public address in the sample world whose clock stands at `now`."""
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", adapter(now))
        session.headers["User-Agent"] = AGENT
        return session.get(PUBLIC_HOSTS[provider] + path, params=params, headers=headers)


def fred(endpoint: str, now: date | None = None, **params: str) -> requests.Response:
    """GET one endpoint of the keyed FRED API."""
    given = {"file_type": "json", "api_key": SAMPLE_FRED_KEY} | params
    return get("fred-api", f"/fred/{endpoint}", now, **given)
