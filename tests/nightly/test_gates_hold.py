"""Wrong data never reaches a reader, missing data degrades: proved by injecting it."""

from __future__ import annotations

import io
import json
from datetime import date
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from requests import PreparedRequest, Response

from tests.fakes.nights import Fault, run_sample_night

pytestmark = [pytest.mark.nightly, pytest.mark.xdist_group("gates")]


def _series(request: PreparedRequest) -> str:
    return parse_qs(urlsplit(str(request.url)).query).get("series_id", [""])[0]


def _with_body(answer: Response, body: bytes, status: int = 200) -> Response:
    """The same answer with another body, unread."""
    changed = Response()
    changed.status_code = status
    changed.headers.update(answer.headers)
    changed.headers["Content-Length"] = str(len(body))
    changed.raw = io.BytesIO(body)
    changed.url, changed.request = answer.url, answer.request
    return changed


def _observations(series_id: str, change: Fault) -> Fault:
    def fault(request: PreparedRequest, answer: Response) -> Response | None:
        is_values = "/series/observations" in str(request.url)
        return change(request, answer) if is_values and _series(request) == series_id else None

    return fault


def _multiply_newest(request: PreparedRequest, answer: Response) -> Response:
    payload = json.loads(answer.content)
    for row in payload["observations"][-40:]:
        row["value"] = str(float(row["value"]) * 10) if row["value"] != "." else "."
    return _with_body(answer, json.dumps(payload).encode())


def _rename(request: PreparedRequest, answer: Response) -> Response:
    return _with_body(answer, answer.content.replace(b'"value":', b'"obs_value":'))


def _gone(request: PreparedRequest, answer: Response) -> Response:
    body = {"error_code": 400, "error_message": "Bad Request.  The series does not exist."}
    return _with_body(answer, json.dumps(body).encode(), status=400)


def _fred_is_down(request: PreparedRequest, answer: Response) -> Response | None:
    if "stlouisfed" in str(request.url):
        return _with_body(answer, b"Service Unavailable", status=503)
    return None


@pytest.mark.parametrize(
    ("change", "check"),
    [(_multiply_newest, "values_are_plausible"), (_rename, "no_payload_broke_its_contract")],
)
def test_wrong_values_stop_every_mart_that_stands_on_them(
    tmp_path: Path, change: Fault, check: str
) -> None:
    night = run_sample_night(tmp_path, only="macro", fault=_observations("PCEPILFE", change))
    assert not night.success
    assert night.exit_code == 1
    assert night.checks[f"landing/fred_observations.{check}"] is False
    assert "raw/fred_observations" not in night.materialized
    assert not [key for key in night.materialized if key.startswith(("marts/", "published/"))]
    assert night.build("select count(*) from raw.fred_observations") == [(0,)]
    [(status, reasons)] = night.build(
        "select status, reasons from meta.batches where feed = 'fred_observations'"
    )
    assert status == "refused"
    assert check in reasons
    assert "PCEPILFE" in reasons
    assert night.conclusion.current is None


def test_an_unknown_series_degrades_and_is_named(tmp_path: Path) -> None:
    night = run_sample_night(tmp_path, only="macro", fault=_observations("NFCI", _gone))
    assert night.exit_code == 0
    [(status, is_stale)] = night.published(
        "select status, is_stale from meta.source_status "
        "where feed = 'fred_observations' and item = 'NFCI'"
    )
    assert (status, is_stale) == ("unknown", True)
    assert night.published("select count(nfci) from marts.macro_regime") == [(0,)]
    assert night.published("select count(core_pce_yoy_pct) > 5000 from marts.macro_regime") == [
        (True,)
    ]


def test_a_required_dataset_that_never_came_ends_with_three(tmp_path: Path) -> None:
    night = run_sample_night(tmp_path, only="macro", fault=_fred_is_down)
    assert night.exit_code == 3
    assert night.conclusion.current is None


def test_a_refused_night_leaves_the_last_version_and_raw_untouched(tmp_path: Path) -> None:
    good = run_sample_night(tmp_path, only="macro", as_of=date(2025, 10, 8))
    before = good.build("select count(*) from raw.fred_observations")
    current = good.conclusion.current
    assert current is not None
    version = current.parent.resolve().name
    bad = run_sample_night(
        tmp_path, only="macro", as_of=date(2025, 10, 9), fault=_observations("DGS10", _rename)
    )
    assert bad.exit_code == 1
    assert bad.build("select count(*) from raw.fred_observations") == before
    assert bad.conclusion.current is not None
    assert bad.conclusion.current.parent.resolve().name == version


def test_a_source_that_is_down_for_a_night_costs_nothing_published(tmp_path: Path) -> None:
    run_sample_night(tmp_path, only="macro", as_of=date(2025, 10, 8))
    night = run_sample_night(tmp_path, only="macro", as_of=date(2025, 10, 9), fault=_fred_is_down)
    assert night.exit_code == 0
    assert night.published("select max(traded_on) from marts.macro_regime") == [
        (date(2025, 10, 9),)
    ]
    [(unavailable,)] = night.published(
        "select count(*) from meta.source_status "
        "where feed = 'fred_observations' and status = 'unavailable'"
    )
    assert unavailable == 48
