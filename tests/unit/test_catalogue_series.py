"""The reviewed series and providers: complete, coherent, and true of the recorded history."""

from datetime import date
from pathlib import Path

import pytest

from pipelines.catalog.models import CATALOG_DIR, FredSeries, Provider, read_entries
from pipelines.catalog.release_rules import estimated_release, find_newest_expected
from pipelines.settings import PUBLIC_HOSTS

SERIES = {
    s.id: s for s in read_entries(CATALOG_DIR / "fred_series.yaml", FredSeries, id_field="id")
}
PROVIDERS = {p.id: p for p in read_entries(CATALOG_DIR / "providers.yaml", Provider, id_field="id")}
REPLAY = Path(__file__).parents[2].parent / "shared/replay/data/fred/observations.parquet"

WANTED = """
PCE PCEPI PCEPILFE CPIAUCSL CPILFESL FEDFUNDS DFF DFEDTARU DFEDTARL DGS3MO DGS2 DGS10 T10Y2Y T10Y3M
T10YIE T5YIFR DFII10 BAMLH0A0HYM2 BAA10Y NFCI DTWEXBGS DTWEXAFEGS DEXUSEU ECBDFR PAYEMS UNRATE ICSA
JTSJOL INDPRO GDPC1 RSAFS M2SL WALCL MORTGAGE30US MPRIME DRTSCILM DRTSCIS BUSLOANS TOTBKCR VIXCLS
USREC USEPUINDXD EPUTRADE FEDTARMD JCXFEMD PCECTPICTM TLMFGCONS NEWORDER
""".split()  # noqa: SIM905 - 48 quoted names are harder to read


def test_every_wanted_series_is_catalogued() -> None:
    assert sorted(SERIES) == sorted(WANTED)
    assert len(WANTED) == 48


def test_only_the_policy_rate_and_the_ten_year_yield_are_required() -> None:
    assert {s.id for s in SERIES.values() if s.required} == {"DFEDTARU", "DFEDTARL", "DGS10"}


def test_owners_who_ask_for_approval_are_marked() -> None:
    marked = {s.id for s in SERIES.values() if s.rights == "preapproval_required"}
    assert marked == {"BAMLH0A0HYM2", "BAA10Y", "VIXCLS"}


def test_projections_have_no_schedule_and_everything_else_but_the_recession_dates_has_one() -> None:
    future = {s.id for s in SERIES.values() if s.observations_in_future}
    assert future == {"FEDTARMD", "JCXFEMD", "PCECTPICTM"}
    unscheduled = {s.id for s in SERIES.values() if s.release.kind == "unscheduled"}
    assert unscheduled == future | {"USREC"}


def test_october_2025_is_a_known_hole_where_nobody_was_surveyed() -> None:
    holed = {s.id for s in SERIES.values() if s.known_holes}
    assert holed == {"CPIAUCSL", "CPILFESL", "UNRATE"}


def test_every_series_names_its_release_for_the_calendar() -> None:
    assert [s.id for s in SERIES.values() if not s.release.release_id] == []


@pytest.mark.parametrize("frequency", ["daily", "weekly", "monthly", "quarterly", "annual"])
def test_a_series_on_schedule_is_never_stale(frequency: str) -> None:
    days = [date.fromordinal(date(2024, 6, 1).toordinal() + n) for n in range(260)]
    by_rule: dict[str, list[FredSeries]] = {}
    for series in SERIES.values():
        if series.frequency == frequency:
            by_rule.setdefault(series.release.model_dump_json(), []).append(series)
    assert by_rule
    for alike in by_rule.values():
        wait = max((day - find_newest_expected(alike[0], day)).days for day in days)
        # A weekly date is good to the week: the true one is up to six days younger.
        wait -= 6 if frequency == "weekly" else 0
        assert [s.id for s in alike if s.stale_after_days < wait] == []


def test_a_daily_series_that_stops_is_noticed_within_two_weeks() -> None:
    late = [s.id for s in SERIES.values() if s.frequency == "daily" and s.stale_after_days > 14]
    assert late == []


def test_release_rules_reproduce_real_release_days() -> None:
    real = {
        ("PAYEMS", date(2024, 2, 1)): date(2024, 3, 8),
        ("ICSA", date(2025, 3, 29)): date(2025, 4, 3),
        ("PCEPILFE", date(2024, 12, 1)): date(2025, 1, 31),
        ("GDPC1", date(2024, 10, 1)): date(2025, 1, 30),
        ("DTWEXBGS", date(2025, 4, 4)): date(2025, 4, 7),
        ("NFCI", date(2025, 3, 28)): date(2025, 4, 2),
        ("TOTBKCR", date(2025, 1, 8)): date(2025, 1, 17),
        ("CPIAUCSL", date(2024, 12, 1)): date(2025, 1, 15),
    }
    got = {
        (id_, day): estimated_release(SERIES[id_].release, day, SERIES[id_].frequency)
        for id_, day in real
    }
    assert got == real


def test_every_provider_says_how_it_wants_to_be_asked() -> None:
    assert set(PROVIDERS) == set(PUBLIC_HOSTS)
    assert PROVIDERS["fred-api"].min_interval_s >= 0.6
    assert PROVIDERS["sec"].min_interval_s >= 0.1
    assert "{contact}" in PROVIDERS["sec"].user_agent
    for provider in PROVIDERS.values():
        agent = provider.user_agent.lower()
        assert agent.startswith("smallcaps/")
        assert "mozilla" not in agent
        assert "python-requests" not in agent


@pytest.mark.replay
@pytest.mark.skipif(not REPLAY.exists(), reason="../shared/replay is not beside the repository")
def test_ranges_and_steps_hold_for_the_whole_recorded_history() -> None:
    import duckdb

    rows = duckdb.sql(
        f"""
        with newest as (
            select series_id, date, try_cast(value as double) as value
            from '{REPLAY}' where superseded is null and value <> '.'
        )
        select *, lag(value) over (partition by series_id order by date) from newest
        """
    ).fetchall()
    odd = []
    for series_id, day, value, before in rows:
        series = SERIES.get(series_id)
        if series is None:
            continue
        if not series.plausible_min <= value <= series.plausible_max:
            odd.append((series_id, day, value, "range"))
        if before is not None:
            step = abs(value - before)
            if series.step_kind == "pct":
                step = 100 * step / abs(before)
            if step > series.largest_step:
                odd.append((series_id, day, value, "step"))
    assert len(rows) > 150_000
    assert odd == []
