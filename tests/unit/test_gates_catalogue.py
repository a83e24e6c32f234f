from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import pipelines.quality
from pipelines.errors import ConfigurationError
from pipelines.quality.gates import CHECKS
from pipelines.storage.contracts import FEEDS
from tests.fakes.gate import (
    a_series,
    an_extract,
    catalog_with,
    gate_checks,
    judge,
    raw_frame,
)

QUALITY = Path(inspect.getfile(pipelines.quality)).parent


def test_every_feed_has_a_gate():
    assert set(CHECKS) == set(FEEDS)


@pytest.mark.parametrize("feed", sorted(FEEDS))
def test_code_and_catalogue_name_the_same_checks_in_the_same_order(feed):
    named = [g.check for g in gate_checks() if g.feed == feed]
    assert sorted(named) == sorted(CHECKS[feed])
    assert len(named) == len(set(named))


def test_every_feed_can_refuse():
    refusing = {g.feed for g in gate_checks() if g.severity == "block"}
    assert refusing == set(FEEDS)


def test_missing_and_late_data_never_block():
    blocking = {g.check for g in gate_checks() if g.severity == "block"}
    assert not {c for c in blocking if "fresh" in c or "answered" in c or "shrunk" in c}


def test_every_reason_is_a_sentence():
    for gate in gate_checks():
        assert re.match(r'["A-Z].{15,}\.$', gate.reason, re.DOTALL), (gate.feed, gate.check)


def _limits_read(feed: str, check: str) -> set[str]:
    """Return the limits that a check's source reads, those of the functions it calls included."""
    seen: set[str] = set()
    waiting = [CHECKS[feed][check]]
    names: set[str] = set()
    while waiting:
        function = waiting.pop()
        if function.__qualname__ in seen:
            continue
        seen.add(function.__qualname__)
        text = inspect.getsource(function)
        names |= set(re.findall(r'"([a-z_]+)"', text))
        module = inspect.getmodule(function)
        for called in re.findall(r"\b([a-z_]+)\(", text):
            found = getattr(module, called, None)
            if inspect.isfunction(found) and found.__module__.startswith("pipelines.quality"):
                waiting.append(found)
    if check in ("measures_are_plausible",):
        names |= set(re.findall(r'"([a-z_]+)"', Path(QUALITY / "long_history.py").read_text()))
    return names


@pytest.mark.parametrize("gate", gate_checks(), ids=lambda g: f"{g.feed}.{g.check}")
def test_no_limit_stands_in_the_catalogue_that_nobody_reads(gate):
    assert set(gate.limits) <= _limits_read(gate.feed, gate.check)


_NOTHING_TO_SAY = {"every_item_is_answered", "newest_month_is_recent"}
"""What may be said of an empty warehouse that nobody asked anything for."""


@pytest.mark.parametrize("feed", sorted(FEEDS))
@pytest.mark.parametrize("framed", [True, False], ids=["empty frames", "no frames"])
def test_a_night_without_a_row_passes_every_gate(feed, framed):
    frames = {t.name: raw_frame(t.name, []) for t in FEEDS[feed]} if framed else {}
    report = judge(an_extract(feed, frames, items=[]), catalog_with())
    assert not report.refused
    assert {f.check for f in report.findings if not f.passed} <= _NOTHING_TO_SAY
    assert [f.check for f in report.findings] == list(CHECKS[feed])
    assert report.quarantined.empty
    assert {t: len(f) for t, f in report.accepted.items()} == dict.fromkeys(frames, 0)


@pytest.mark.parametrize("feed", sorted(FEEDS))
def test_a_batch_whose_rows_are_all_kept_out_is_judged_to_the_end(feed):
    """Every row lacks its date: nothing is left for the later checks, and none of them trips."""
    table = FEEDS[feed][0]
    row = {c.name: "AAA" for c in table.columns if c.type == "VARCHAR"}
    row |= {c.name: 1.0 for c in table.columns if c.type not in ("VARCHAR", "DATE")}
    report = judge(an_extract(feed, {table.name: raw_frame(table.name, [row])}), catalog_with())
    assert report.quarantined["rule"].tolist() == ["columns_have_their_types"]
    assert [f.check for f in report.findings] == list(CHECKS[feed])


def _one_row():
    frame = raw_frame(
        "fred_observations", [{"series_id": "RATE", "observed_on": "2024-05-30", "value": 4.0}]
    )
    return an_extract("fred_observations", {"fred_observations": frame})


def test_a_check_that_the_catalogue_lacks_is_a_configuration_error():
    catalog = catalog_with(series=[a_series("RATE")])
    fewer = tuple(g for g in catalog.gate_checks if g.check != "steps_are_plausible")
    with pytest.raises(ConfigurationError, match=r"fred_observations\.steps_are_plausible"):
        judge(_one_row(), catalog.model_copy(update={"gate_checks": fewer}))


def test_a_limit_that_the_catalogue_lacks_is_a_configuration_error():
    catalog = catalog_with(series=[a_series("RATE")])
    bare = tuple(
        g.model_copy(update={"limits": {}}) if g.check == "steps_are_plausible" else g
        for g in catalog.gate_checks
    )
    with pytest.raises(ConfigurationError, match=r"steps_are_plausible: limits\.spike_factor"):
        judge(_one_row(), catalog.model_copy(update={"gate_checks": bare}))


def test_the_severity_is_read_from_the_catalogue():
    frame = raw_frame(
        "fred_observations", [{"series_id": "OTHER", "observed_on": "2024-05-30", "value": 4.0}]
    )
    extract = an_extract("fred_observations", {"fred_observations": frame})
    catalog = catalog_with(series=[a_series("RATE")])
    assert judge(extract, catalog).refused
    softer = tuple(
        g.model_copy(update={"severity": "warn"}) if g.check == "series_are_catalogued" else g
        for g in catalog.gate_checks
    )
    report = judge(extract, catalog.model_copy(update={"gate_checks": softer}))
    assert not report.refused
    assert report.accepted["fred_observations"].empty


def test_great_expectations_is_imported_in_one_module_and_only_inside_functions():
    importing = {
        path.name: [
            line
            for line in path.read_text(encoding="utf-8").splitlines()
            if re.search(r"(import|from) great_expectations", line)
        ]
        for path in QUALITY.glob("*.py")
    }
    found = {name: lines for name, lines in importing.items() if lines}
    assert set(found) == {"expectations.py"}
    assert all(line.startswith("    ") for line in found["expectations.py"])
