"""Marts that stand on dbt Python models: their unit tests, and what an empty warehouse gives."""

from __future__ import annotations

from typing import Any


def test_rates_and_events_pass_their_unit_tests_and_build_on_an_empty_warehouse(
    dbt_warehouse: Any,
) -> None:
    outcomes = dbt_warehouse.build(
        "+sector_rate_sensitivity", "+event_studies", "+event_study_summary", command="run"
    )
    assert set(outcomes.values()) == {"success"}
    outcomes = dbt_warehouse.build(
        "path:models/intermediate/rates",
        "path:models/intermediate/events",
        "path:models/marts/rates",
        "path:models/marts/events",
        exclude_types=(),
    )
    unit_tests = {name.split(".")[-1] for name in outcomes if name.startswith("unit_test.")}
    assert unit_tests == {
        "a_week_is_dated_when_all_five_are_settled",
        "a_session_repeats_the_newest_fit_known",
        "a_return_needs_both_ends_of_both_sides",
        "events_of_every_kind",
        "an_events_returns_are_those_of_its_session",
        "means_shares_and_base_rates",
    }
    for mart in ("sector_rate_sensitivity", "event_studies", "event_study_summary"):
        assert dbt_warehouse.query(f"select count(*) as n from marts.{mart}")["n"][0] == 0
