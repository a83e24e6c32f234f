from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from pipelines.sources.payloads import ItemOutcome
from tests.fakes.gate import (
    AS_OF,
    a_series,
    an_extract,
    catalog_with,
    finding,
    judge,
    kept_out,
    raw_frame,
    stored,
)

RATE = a_series("RATE")
DAYS = [f"{d:%Y-%m-%d}" for d in pd.bdate_range("2024-01-02", "2024-05-30")]


def observations(values: dict[str, float | None], series_id: str = "RATE", **more: object):
    return raw_frame(
        "fred_observations",
        [{"series_id": series_id, "observed_on": d, "value": v, **more} for d, v in values.items()],
    )


def a_quiet_year() -> dict[str, float | None]:
    return {d: 4.0 + 0.01 * (i % 10) for i, d in enumerate(DAYS)}


def judge_values(values, catalog=None, history=None, **options):
    extract = an_extract("fred_observations", {"fred_observations": observations(values)})
    return judge(extract, catalog or catalog_with(series=[RATE]), history=history, **options)


def test_a_good_batch_passes_whole():
    report = judge_values(a_quiet_year())
    assert [f.check for f in report.findings if not f.passed] == []
    assert len(report.accepted["fred_observations"]) == len(DAYS)
    assert report.quarantined.empty
    assert not report.refused


def test_a_missing_value_is_no_fault():
    report = judge_values({**a_quiet_year(), "2024-03-29": None})
    assert len(report.accepted["fred_observations"]) == len(DAYS)
    assert all(f.passed for f in report.findings)


def test_a_value_out_of_range_is_quarantined_with_its_reason():
    report = judge_values({**a_quiet_year(), "2024-03-05": 41.0})
    assert kept_out(report, "values_are_plausible") == [("RATE", "2024-03-05")]
    row = report.quarantined.iloc[0]
    assert row["reason"] == "41 is outside -1 to 20"
    assert row["table_name"] == "fred_observations"
    assert row["source"] == "a-source"
    assert json.loads(row["row_json"])["value"] == 41.0
    assert len(report.accepted["fred_observations"]) == len(DAYS) - 1
    assert finding(report, "values_are_plausible").severity == "warn"
    assert not report.refused


def test_a_changed_unit_refuses_the_batch():
    values = a_quiet_year()
    for day in DAYS[-2:]:
        values[day] = 405.0
    report = judge_values(values)
    assert report.refused
    assert report.accepted == {}
    assert report.reasons == (
        "values_are_plausible: too many of the newest values are out of range in RATE",
    )


def test_a_tail_in_another_unit_refuses_the_batch():
    report = judge_values({"2024-05-28": 400.0, "2024-05-29": 401.0, "2024-05-30": 402.0})
    assert finding(report, "values_are_plausible").severity == "block"
    assert report.refused


@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_a_value_with_a_shifted_point_is_a_lone_spike(factor):
    index = a_series("INDEX", plausible_min=1, plausible_max=5000, largest_step=5, step_kind="pct")
    values = {d: 100.0 + i for i, d in enumerate(DAYS)}
    values["2024-03-05"] = values["2024-03-05"] * factor
    extract = an_extract("fred_observations", {"fred_observations": observations(values, "INDEX")})
    report = judge(extract, catalog_with(series=[index]))
    assert kept_out(report, "steps_are_plausible") == [("INDEX", "2024-03-05")]
    assert "a lone spike" in report.quarantined.iloc[0]["reason"]
    assert not report.refused


def test_a_spike_within_a_very_wide_step_is_still_found():
    claims = a_series(
        "CLAIMS", plausible_max=1e7, largest_step=1200, step_kind="pct", stale_after_days=20
    )
    values = {d: 210_000.0 for d in DAYS}
    values["2024-03-05"] = 2_100_000.0
    extract = an_extract("fred_observations", {"fred_observations": observations(values, "CLAIMS")})
    report = judge(extract, catalog_with(series=[claims]))
    assert kept_out(report, "steps_are_plausible") == [("CLAIMS", "2024-03-05")]


def test_a_jump_on_the_newest_value_waits_for_its_confirmation():
    report = judge_values({**a_quiet_year(), DAYS[-1]: 9.0})
    assert kept_out(report, "steps_are_plausible") == [("RATE", DAYS[-1])]
    assert "no later value confirms" in report.quarantined.iloc[0]["reason"]
    assert not report.refused


def test_a_jump_from_the_stored_value_is_seen_in_a_batch_of_one_row():
    history = {"fred_observations": stored(("RATE", 900, "2020-01-02", "2024-05-29", 4.0))}
    assert kept_out(judge_values({"2024-05-30": 9.0}, history=history), "steps_are_plausible") == [
        ("RATE", "2024-05-30")
    ]
    assert judge_values({"2024-05-30": 4.5}, history=history).quarantined.empty


def test_a_step_that_stays_is_reported_and_kept():
    values = {d: (4.0 if d < "2024-03-05" else 7.0) for d in DAYS}
    report = judge_values(values)
    found = finding(report, "steps_are_plausible")
    assert (found.passed, found.severity, found.failing_rows) == (False, "warn", 1)
    assert found.examples == ("RATE 2024-03-05: 4 to 7",)
    assert report.quarantined.empty


def test_steps_are_measured_within_what_was_known_at_the_time():
    # Vintage 2 rebases the series from 100 to 60: a level change between vintages, none within.
    index = a_series(
        "GDP",
        frequency="quarterly",
        plausible_max=500,
        largest_step=5,
        step_kind="pct",
        stale_after_days=900,
    )
    months = ["2023-01-01", "2023-04-01", "2023-07-01"]
    rows = [
        {"series_id": "GDP", "observed_on": m, "value": v, "realtime_start": r}
        for r, level in (("2023-10-01", 100.0), ("2024-01-01", 60.0))
        for m, v in zip(months, (level, level * 1.01, level * 1.02), strict=True)
    ]
    extract = an_extract(
        "fred_observations", {"fred_observations": raw_frame("fred_observations", rows)}
    )
    assert all(f.passed for f in judge(extract, catalog_with(series=[index])).findings)
    rows[4]["value"] = 606.0 / 10 * 8  # a bad middle value within the second vintage
    extract = an_extract(
        "fred_observations", {"fred_observations": raw_frame("fred_observations", rows)}
    )
    report = judge(extract, catalog_with(series=[index]))
    assert kept_out(report, "steps_are_plausible") == [("GDP", "2023-04-01")]
    assert json.loads(report.quarantined.iloc[0]["row_json"])["realtime_start"].startswith("2024")


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_an_infinite_value_is_quarantined(bad):
    report = judge_values({**a_quiet_year(), "2024-03-05": bad})
    assert kept_out(report, "columns_have_their_types") == [("RATE", "2024-03-05")]
    assert report.quarantined.iloc[0]["reason"] == "value is infinite"


def test_a_row_without_a_date_is_quarantined():
    frame = observations(a_quiet_year())
    frame.loc[3, "observed_on"] = pd.NaT
    report = judge(
        an_extract("fred_observations", {"fred_observations": frame}), catalog_with(series=[RATE])
    )
    assert report.quarantined["reason"].tolist() == ["observed_on is missing"]
    assert pd.isna(report.quarantined.iloc[0]["row_date"])
    assert len(report.accepted["fred_observations"]) == len(DAYS) - 1


def test_a_column_of_another_type_refuses_the_batch_and_judges_no_further():
    frame = observations(a_quiet_year())
    frame["value"] = frame["value"].astype("str")
    report = judge(
        an_extract("fred_observations", {"fred_observations": frame}), catalog_with(series=[RATE])
    )
    assert report.reasons == (
        "columns_have_their_types: fred_observations.value is text, not number",
    )
    assert finding(report, "values_are_plausible").message.startswith("not judged")


def test_a_missing_column_refuses_the_batch():
    frame = observations(a_quiet_year()).drop(columns="value")
    report = judge(
        an_extract("fred_observations", {"fred_observations": frame}), catalog_with(series=[RATE])
    )
    assert report.reasons == (
        "columns_have_their_types: columns are not the contract's: fred_observations.value",
    )


def test_dates_with_a_time_of_day_refuse_the_batch():
    frame = observations(a_quiet_year())
    frame["observed_on"] += pd.Timedelta(hours=16)
    report = judge(
        an_extract("fred_observations", {"fred_observations": frame}), catalog_with(series=[RATE])
    )
    assert "observed_on is timestamp, not date" in report.reasons[0]


def test_an_exact_copy_is_dropped_and_contradicting_rows_are_all_kept_out():
    frame = observations(a_quiet_year())
    copy = frame.iloc[[5]]
    contradiction = frame.iloc[[9]].assign(value=4.5)
    doubled = pd.concat([frame, copy, contradiction], ignore_index=True)
    report = judge(
        an_extract("fred_observations", {"fred_observations": doubled}), catalog_with(series=[RATE])
    )
    assert kept_out(report, "keys_are_unique") == [
        ("RATE", DAYS[9]),
        ("RATE", DAYS[5]),
        ("RATE", DAYS[9]),
    ]
    assert len(report.accepted["fred_observations"]) == len(DAYS) - 1
    assert not report.refused


def test_a_source_that_doubles_every_row_is_refused():
    frame = observations(a_quiet_year())
    doubled = pd.concat([frame, frame], ignore_index=True)
    report = judge(
        an_extract("fred_observations", {"fred_observations": doubled}), catalog_with(series=[RATE])
    )
    assert report.refused
    assert finding(report, "keys_are_unique").severity == "block"


def test_two_vintages_of_one_date_are_no_copies():
    first = observations({"2024-05-01": 4.0}, realtime_start="2024-05-10")
    second = observations({"2024-05-01": 4.0}, realtime_start="2024-05-20")
    both = pd.concat([first, second], ignore_index=True)
    report = judge(
        an_extract("fred_observations", {"fred_observations": both}), catalog_with(series=[RATE])
    )
    assert finding(report, "keys_are_unique").passed
    assert len(report.accepted["fred_observations"]) == 2


def test_a_row_from_the_future_is_quarantined_unless_it_is_a_projection():
    projected = a_series("PROJECTED", frequency="annual", observations_in_future=True)
    frame = pd.concat(
        [
            observations({**a_quiet_year(), "2024-06-03": 4.0}),
            observations({"2026-01-01": 2.0}, "PROJECTED"),
        ],
        ignore_index=True,
    )
    report = judge(
        an_extract("fred_observations", {"fred_observations": frame}),
        catalog_with(series=[RATE, projected]),
    )
    assert kept_out(report, "no_row_is_in_the_future") == [("RATE", "2024-06-03")]
    assert report.quarantined.iloc[0]["reason"] == f"dated after {AS_OF}"


def test_a_vintage_from_the_future_is_quarantined():
    report = judge(
        an_extract(
            "fred_observations",
            {"fred_observations": observations({"2024-05-01": 4.0}, realtime_start="2024-07-01")},
        ),
        catalog_with(series=[RATE]),
    )
    assert kept_out(report, "no_row_is_in_the_future") == [("RATE", "2024-05-01")]


def test_an_uncatalogued_series_refuses_the_batch():
    frame = pd.concat(
        [observations(a_quiet_year()), observations({"2024-05-01": 1.0}, "OTHER")],
        ignore_index=True,
    )
    report = judge(
        an_extract("fred_observations", {"fred_observations": frame}), catalog_with(series=[RATE])
    )
    assert report.refused
    assert report.reasons[0].startswith("series_are_catalogued: 1 rows fail")


def test_a_value_of_a_sunday_is_quarantined_unless_the_series_has_weekends():
    rows = pd.concat(
        [observations(a_quiet_year()), observations({"2024-05-26": 4.0})], ignore_index=True
    )
    extract = an_extract("fred_observations", {"fred_observations": rows})
    report = judge(extract, catalog_with(series=[RATE]))
    assert kept_out(report, "observations_are_of_weekdays") == [("RATE", "2024-05-26")]
    assert report.quarantined.iloc[0]["reason"] == "a value of a Sunday"
    every_day = RATE.model_copy(update={"weekends": True})
    assert judge(extract, catalog_with(series=[every_day])).quarantined.empty


def test_missing_items_are_named_and_never_refuse():
    catalog = catalog_with(series=[RATE, a_series("GONE"), a_series("DOWN"), a_series("FORGOTTEN")])
    extract = an_extract(
        "fred_observations",
        {"fred_observations": observations(a_quiet_year())},
        outcomes=[
            ItemOutcome("fred-api", "RATE", "fetched"),
            ItemOutcome("fred-api", "GONE", "unknown", "does not exist"),
            ItemOutcome("fred-api", "DOWN", "unavailable", "503"),
        ],
    )
    report = judge(extract, catalog)
    found = finding(report, "every_item_is_answered")
    assert found.examples == ("GONE (unknown)", "DOWN (unavailable)", "FORGOTTEN (not asked)")
    assert (found.passed, found.severity, found.failing_rows) == (False, "warn", 3)
    assert not report.refused


def test_the_answer_of_a_fallback_counts():
    extract = an_extract(
        "fred_observations",
        {"fred_observations": observations(a_quiet_year())},
        outcomes=[
            ItemOutcome("fred-api", "RATE", "unavailable", "503"),
            ItemOutcome("fred-graph", "RATE", "fetched"),
        ],
    )
    assert finding(judge(extract, catalog_with(series=[RATE])), "every_item_is_answered").passed


def test_a_broken_payload_refuses_the_batch():
    extract = an_extract(
        "fred_observations",
        {"fred_observations": observations(a_quiet_year())},
        outcomes=[
            ItemOutcome("fred-api", "RATE", "fetched"),
            ItemOutcome("fred-api", "OTHER", "broken", "expected 'observations'"),
        ],
    )
    report = judge(extract, catalog_with(series=[RATE]))
    assert report.reasons == (
        "no_payload_broke_its_contract: 1 of 2 payloads broke their contract: "
        "fred-api OTHER: expected 'observations'",
    )


def test_a_shrunk_history_is_a_warning_that_keeps_all_rows():
    history = {"fred_observations": stored(("RATE", 7000, "1996-12-31", "2024-05-29", 4.0))}
    report = judge_values(a_quiet_year(), history=history, full_refresh=True)
    found = finding(report, "history_has_not_shrunk")
    assert found.examples == ("RATE now begins 2024-01-02, stored from 1996-12-31",)
    assert found.severity == "warn"
    assert len(report.accepted["fred_observations"]) == len(DAYS)


def test_a_tail_is_no_shrunk_history():
    history = {"fred_observations": stored(("RATE", 7000, "1996-12-31", "2024-05-29", 4.0))}
    report = judge_values(a_quiet_year(), history=history)
    assert finding(report, "history_has_not_shrunk").passed


def test_a_read_of_most_of_the_history_is_judged_as_whole():
    history = {"fred_observations": stored(("RATE", 130, "2023-11-28", "2024-05-29", 4.0))}
    report = judge_values(a_quiet_year(), history=history)
    assert not finding(report, "history_has_not_shrunk").passed


def test_stale_series_are_warned_of():
    report = judge_values({d: 4.0 for d in DAYS if d <= "2024-05-20"})
    found = finding(report, "series_are_fresh")
    assert found.examples == (
        "RATE: newest 2024-05-20, limit 7 days, stale since 2024-05-28; "
        "the value of 2024-05-21 was due on 2024-05-22",
    )
    assert found.severity == "warn"


def test_a_night_with_nothing_new_passes():
    history = {"fred_observations": stored(("RATE", 7000, "1996-12-31", "2024-05-30", 4.0))}
    extract = an_extract(
        "fred_observations", {}, outcomes=[ItemOutcome("fred-api", "RATE", "unchanged")]
    )
    report = judge(extract, catalog_with(series=[RATE]), history=history)
    assert all(f.passed for f in report.findings)
    assert report.accepted == {}
    assert not report.refused


def test_two_agencies_may_give_one_figure():
    catalog = catalog_with(
        series=[a_series("RATE", alternate="treasury", alternate_series="10 Yr")]
    )
    rows = [
        {"series_id": "RATE", "source_series": "x", "observed_on": d, "value": 4.0, "source": s}
        for d in DAYS[-5:]
        for s in ("treasury", "fed-board")
    ]
    frame = raw_frame("agency_observations", rows)
    report = judge(an_extract("agency_observations", {"agency_observations": frame}), catalog)
    assert all(f.passed for f in report.findings)


def test_a_release_date_beyond_any_calendar_is_quarantined():
    rows = [
        {"release_id": 10, "release_name": "CPI", "release_on": day}
        for day in ("2024-05-15", "2025-12-18", "2036-01-01")
    ]
    frame = raw_frame("fred_release_dates", rows)
    report = judge(
        an_extract("fred_releases", {"fred_release_dates": frame}), catalog_with(series=[RATE])
    )
    assert kept_out(report, "release_dates_are_plausible") == [("10", "2036-01-01")]
    assert len(report.accepted["fred_release_dates"]) == 2


def test_frames_that_came_in_are_left_as_they_were():
    frame = observations({**a_quiet_year(), "2024-03-05": 41.0})
    before = frame.copy()
    judge(
        an_extract("fred_observations", {"fred_observations": frame}), catalog_with(series=[RATE])
    )
    pd.testing.assert_frame_equal(frame, before)
