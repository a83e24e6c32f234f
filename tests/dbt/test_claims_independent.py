"""What claims are held against computed a second time, straight from raw rows, and their verdicts.

The invented world has records and breakouts of the index, a bar that repeats a volume, two cuts,
revised payrolls and dollars, a holdings file and vintages that come only after the night.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.catalog.claims import Claim
from pipelines.catalog.models import load_catalog
from pipelines.storage.reference import TABLES, catalog_rows

START, NIGHT = date(2017, 1, 3), date(2025, 10, 10)
LATE = date(2025, 10, 13)
"""First known after the night: none of it may count."""
CLAIMS = {c.id: c for c in load_catalog().claims}
AUDIT = "select * from marts.claim_audit order by claim_id"
MODEL = "models/marts/claims/claim_audit.sql"

UNIT_TESTS = {
    "a_claim_is_read_up_to_its_date_or_to_the_clock",
    "a_repeated_volume_is_suspect_and_its_close_is_not",
    "records_of_the_month_and_before_it",
    "an_average_takes_nearly_all_sessions",
    "cuts_payrolls_and_policies",
    "inflation_of_a_year_is_that_of_its_december",
    "a_quarters_mean_may_fall_while_its_end_rises",
    "the_newest_row_by_the_claims_day",
    "only_what_was_over_by_the_claims_day",
    "verdicts_in_their_order",
    "close_calls_lie_within_a_fifth_of_the_edge",
}

Vintages = dict[str, list[tuple[date, date, float]]]
"""Series to (observed, known, value)."""


def days(first: date, last: date) -> list[date]:
    """Return every calendar day of a span."""
    return [first + timedelta(n) for n in range((last - first).days + 1)]


def make_bars(sessions: list[date]) -> pd.DataFrame:
    """Return raw bars; small caps crest every 620 sessions, the last time in September 2025."""
    random = np.random.default_rng(17)
    place = np.arange(len(sessions))
    cycle = 1 + 0.3 * np.cos(2 * np.pi * (place - len(sessions) + 15) / 620)
    levels = {
        "^RUT": 1500 * (1 + 0.0003 * place) * cycle * np.exp(random.normal(0, 0.002, len(place))),
        "^GSPC": 2500 * np.exp(np.cumsum(random.normal(0.0004, 0.01, len(place)))),
    }
    for symbol in ("IWM", "SPY", "XLRE", "KRE", "XLI"):
        levels[symbol] = 100 * np.exp(np.cumsum(random.normal(0.0003, 0.01, len(place))))
    rows = []
    for symbol, closes in levels.items():
        volumes = random.integers(20_000_000, 50_000_000, len(place))
        if symbol == "^RUT":
            volumes = volumes * 150
            volumes[-1] = volumes[-2]  # the night's bar repeats the day before
        rows += [
            {
                "symbol": symbol, "traded_on": day, "close": round(float(close), 2),
                "volume": int(volume), "known_on": day,
            }
            for day, close, volume in zip(sessions, closes, volumes, strict=True)
        ]  # fmt: skip
    late = [r | {"traded_on": LATE, "known_on": LATE} for r in rows if r["traded_on"] == NIGHT]
    return pd.DataFrame(rows + late)


def make_vintages(sessions: list[date]) -> Vintages:
    """Return the macro vintages, those that come after the night included."""
    random = np.random.default_rng(18)
    out: Vintages = {}
    moves = ((date(2024, 9, 19), 5.0), (date(2024, 12, 19), 4.5), (date(2025, 9, 18), 4.25))
    upper = {
        day: next((v for d, v in reversed(moves) if day >= d), 5.5)
        for day in days(date(2024, 1, 1), LATE)
    }
    out["DFEDTARU"] = [(day, day, value) for day, value in upper.items()]
    out["DFEDTARL"] = [(day, day, value - 0.25) for day, value in upper.items()]
    out["ECBDFR"] = [(d, d, 2.25 if d < date(2025, 6, 11) else 2.0) for d in upper]
    recent = [s for s in sessions if s >= date(2023, 1, 3)]
    for series, level, step in (
        ("DGS10", 4.0, 0.06), ("T10YIE", 2.3, 0.03), ("DTWEXBGS", 120.0, 0.4),
    ):  # fmt: skip
        values = level + np.cumsum(random.normal(0, step, len(recent)))
        out[series] = [
            (
                day,
                day + timedelta(7 - day.weekday()) if series == "DTWEXBGS" else day,
                round(float(value), 4),
            )
            for day, value in zip(recent, values, strict=True)
        ]
    out["DTWEXBGS"] += [
        (date(2025, 8, 4), date(2025, 9, 2), 131.5),  # revised in time
        (date(2025, 8, 5), LATE, 555.0),  # and too late
    ]
    months = [date(2022 + n // 12, n % 12 + 1, 1) for n in range(44)]
    level = 118.0 * np.cumprod(1 + random.normal(0.0023, 0.0008, len(months)))
    out["PCEPILFE"] = [
        (m, m + timedelta(58), round(float(v), 3)) for m, v in zip(months, level, strict=True)
    ]
    out["PCEPILFE"] += [(date(2024, 8, 1), date(2025, 9, 26), 123.456), (months[-1], LATE, 999.0)]
    jobs = 155_000 + np.cumsum(random.normal(120, 60, len(months)))
    out["PAYEMS"] = [
        (m, m + timedelta(35), float(round(v))) for m, v in zip(months, jobs, strict=True)
    ]
    out["PAYEMS"] += [(months[-3], date(2025, 9, 5), out["PAYEMS"][-3][2] - 90.0)]
    out["PAYEMS"] += [(months[-2], date(2025, 10, 3), out["PAYEMS"][-3][2] + 400.0)]
    out["JCXFEMD"] = [
        (date(2025, 1, 1), date(2025, 6, 18), 3.1), (date(2025, 1, 1), date(2025, 9, 17), 3.0),
        (date(2028, 1, 1), date(2025, 9, 17), 2.0), (date(2028, 1, 1), LATE, 2.4),
    ]  # fmt: skip
    return out


def make_holdings() -> pd.DataFrame:
    """Return two files of IWM; the second is known after the night."""
    rows = []
    for as_of, known, shift in (
        (date(2025, 9, 30), date(2025, 10, 1), 0.0), (NIGHT, LATE, 3.0),
    ):  # fmt: skip
        lines = (
            ("Financials", "Equity", 10.2 + shift), ("Financials", "Equity", 8.1),
            ("Industrials", "Equity", 17.3), ("Health Care", "Equity", 14.4),
            ("Energy", "Equity", 48.0 - shift), ("Cash and/or Derivatives", "Cash", 2.0),
        )  # fmt: skip
        rows += [
            {
                "fund_id": "IWM", "as_of_on": as_of, "edition": "e", "line_no": n,
                "ticker": f"T{n}", "name": f"T{n}", "sector": sector, "asset_class": kind,
                "market_value_usd": 1e6 * weight + n, "weight_pct": weight, "quantity": 1.0,
                "price_usd": 1.0, "source": "ishares", "known_on": known,
            }
            for n, (sector, kind, weight) in enumerate(lines, 1)
        ]  # fmt: skip
    return pd.DataFrame(rows)


def known(vintages: Vintages, series: str, day: date) -> dict[date, float]:
    """Return the values of a series as a reader knew them at the end of the day."""
    rows = sorted(vintages[series], key=lambda r: r[1])
    return {observed: value for observed, seen, value in rows if seen <= day}


def month_back(day: date, months: int) -> date:
    """Return the first day of the month so many months before."""
    index = day.year * 12 + day.month - 1 - months
    return date(index // 12, index % 12 + 1, 1)


def gains(vintages: Vintages, day: date) -> float:
    """Return the mean payroll gain of the last three months known."""
    values = known(vintages, "PAYEMS", day)
    last = max(values)
    return (values[last] - values[month_back(last, 3)]) / 3


def beta(closes: Mapping[str, Mapping[date, float]], vintages: Vintages, fund: str) -> float:
    """Return the beta to the 10-year yield over the 104 weeks to 3 October, by least squares."""
    weeks: dict[date, date] = {}
    for day in sorted(closes[fund]):
        if day <= date(2025, 10, 3):
            weeks[day - timedelta(day.weekday())] = day
    ends = list(weeks.values())[-105:]
    factors = {s: known(vintages, s, date(2025, 10, 6)) for s in ("DGS10", "T10YIE", "DTWEXBGS")}

    def change(values: Mapping[date, float]) -> np.ndarray:
        return np.diff([values[d] for d in ends])

    def growth(values: Mapping[date, float]) -> np.ndarray:
        return 100 * change(values) / np.array([values[d] for d in ends[:-1]])

    design = np.column_stack(
        [
            np.ones(104), change(factors["DGS10"]), change(factors["T10YIE"]),
            growth(factors["DTWEXBGS"]),
        ]
    )  # fmt: skip
    fitted, *_ = np.linalg.lstsq(design, growth(closes[fund]) - growth(closes["SPY"]), rcond=None)
    return float(fitted[1])


def records(closes: Mapping[date, float]) -> list[date]:
    """Return the days of record closes, from the 253rd session on."""
    out, highest = [], 0.0
    for place, (day, close) in enumerate(sorted(closes.items())):
        if close > highest:
            highest = close
            if place >= 252:
                out.append(day)
    return out


def returns_after(closes: Mapping[date, float], events: Iterable[date]) -> dict[date, float]:
    """Return the percent gained over 252 sessions from each event, where they are over."""
    ordered = sorted(closes)
    places = {day: n for n, day in enumerate(ordered)}
    return {
        event: 100 * (closes[ordered[places[event] + 252]] / closes[event] - 1)
        for event in events
        if places[event] + 252 < len(ordered)
    }


def measure(
    bars: pd.DataFrame, vintages: Vintages, holdings: pd.DataFrame, shares: pd.DataFrame
) -> dict[str, dict[str, Any]]:
    """Return value, figure, second value and date of each claim that raw rows tell."""
    seen = bars[bars.known_on <= NIGHT]
    closes = {
        symbol: dict(zip(own.traded_on, own.close, strict=True))
        for symbol, own in seen.groupby("symbol")
    }
    rut, september = closes["^RUT"], date(2025, 9, 30)
    highs = records(rut)
    in_month = [d for d in highs if date(2025, 9, 1) <= d <= september]
    before = max(d for d in highs if d < date(2025, 9, 1))
    order = {day: n for n, day in enumerate(sorted(rut))}
    gaps = zip([None, *highs], highs, strict=False)
    breakouts = [d for last, d in gaps if last is None or order[d] - order[last] > 252]
    elections = [date(2020, 11, 3), date(2024, 11, 5)]
    after = {
        s: returns_after(closes[s], breakouts + elections) for s in ("^RUT", "^GSPC", "IWM", "SPY")
    }
    broke = [d for d in breakouts if d in after["^GSPC"]]
    chosen = [d for d in elections if d in after["^GSPC"]]
    volumes = seen[(seen.symbol == "IWM") & (seen.traded_on >= date(2025, 1, 1))].volume
    dollar = known(vintages, "DTWEXBGS", NIGHT)
    third = [v for d, v in sorted(dollar.items()) if date(2025, 7, 1) <= d <= september]
    second = [v for d, v in dollar.items() if date(2025, 4, 1) <= d <= date(2025, 6, 30)]
    prices = known(vintages, "PCEPILFE", NIGHT)
    newest = max(prices)
    count = shares[(shares.known_on <= NIGHT)].sort_values("traded_on").iloc[-1]
    file = holdings[holdings.known_on <= NIGHT]
    equities = file[file.asset_class == "Equity"]
    change = gains(vintages, september) - gains(vintages, date(2024, 9, 30))
    betas = {fund: beta(closes, vintages, fund) for fund in ("XLRE", "KRE", "XLI")}
    low, high = sorted((betas["KRE"], betas["XLI"]))
    drift = 100 * (np.mean(third) / np.mean(second) - 1)
    along = 100 * (third[-1] / third[0] - 1)
    out: dict[str, dict[str, Any]] = {
        "rut_close": {"measured_value": rut[NIGHT], "observed_on": NIGHT},
        "index_volume": {
            "measured_value": seen[(seen.symbol == "^RUT")].volume.iloc[-1] / 1e9,
            "observed_on": NIGHT,
        },
        "rut_record_september": {
            "measured_value": float(bool(in_month)), "figure": len(in_month),
            "observed_on": september,
        },
        "rut_record_gap": {
            "measured_value": 100 * before.year + before.month, "observed_on": september,
        },
        "first_cut_in_nine_months": {
            "measured_value": (date(2025, 9, 18) - date(2024, 12, 19)).days / 30.4375,
            "observed_on": september,
        },
        "core_pce_2025": {
            "measured_value": 100 * (prices[newest] / prices[month_back(newest, 12)] - 1),
            "second_value": 3.0, "observed_on": newest,
        },
        "core_pce_2028": {"measured_value": 2.0, "observed_on": NIGHT},
        "iwm_assets": {
            "measured_value": count.shares_outstanding * count.nav_usd / 1e9,
            "observed_on": count.traded_on,
        },
        "iwm_average_volume": {"measured_value": volumes.mean() / 1e6, "observed_on": NIGHT},
        "sp500_after_breakout": {
            "measured_value": np.mean([after["^GSPC"][d] for d in broke]),
            "second_value": np.mean([after["SPY"][d] for d in broke]),
            "n": len(broke), "observed_on": NIGHT,
        },
        "post_election": {
            "measured_value": 100 * np.mean([after["^RUT"][d] > after["^GSPC"][d] for d in chosen]),
            "second_value": 100 * np.mean([after["IWM"][d] > after["SPY"][d] for d in chosen]),
            "n": len(chosen), "observed_on": NIGHT,
        },
        "dollar_q3": {
            "measured_value": np.sign(drift), "figure": drift,
            "second_value": np.sign(along), "second_figure": along,
            "n": len(third), "observed_on": september,
        },
        "policy_divergence": {"measured_value": 1.0, "figure": -0.25, "observed_on": september},
        "job_growth_slower": {
            "measured_value": np.sign(change), "figure": change, "observed_on": date(2025, 8, 1),
        },
        "reits_lag": {
            "measured_value": np.sign(betas["XLRE"]), "figure": betas["XLRE"],
            "observed_on": date(2025, 10, 3),
        },
        "banks_gain": {
            "measured_value": np.sign(low), "figure": low, "second_value": np.sign(high),
            "second_figure": high, "observed_on": date(2025, 10, 3),
        },
    }  # fmt: skip
    for claim in ("weight_financials", "weight_industrials", "weight_health_care"):
        own = equities[equities.sector == CLAIMS[claim].subject]
        out[claim] = {
            "measured_value": own.weight_pct.sum(),
            "second_value": 100 * own.market_value_usd.sum() / equities.market_value_usd.sum(),
            "observed_on": date(2025, 9, 30),
        }
    return out


def judge(claim: Claim, said: Mapping[str, Any]) -> str:
    """Return the verdict of section 11 of the methods, in its order."""
    if claim.judged != "compared":
        return claim.judged
    assert claim.tolerance is not None
    value = said.get("measured_value")
    if value is None or claim.about_on > NIGHT or (claim.about_on - said["observed_on"]).days > 100:
        return "outside_data"
    return "supported" if abs(value - claim.stated_value) <= claim.tolerance else "contradicted"


def insert_catalog(warehouse: Any) -> None:
    """Fill the reference tables that come from the catalogue."""
    for name, rows in catalog_rows(load_catalog()).items():
        frame = pd.DataFrame(rows, columns=list(TABLES[name]))
        warehouse.insert(f"reference.{name}", frame)


def test_every_value_and_verdict_is_that_of_the_raw_rows(dbt_warehouse: Any) -> None:
    insert_catalog(dbt_warehouse)
    calendar = dbt_warehouse.insert_sessions(date(2016, 12, 1), NIGHT + timedelta(400))
    sessions = [s for s in calendar if START <= s <= NIGHT]
    bars, vintages, holdings = make_bars(sessions), make_vintages(sessions), make_holdings()
    shares = pd.DataFrame(
        {
            "fund_id": "IWM", "traded_on": sessions[-40:], "known_on": [*sessions[-39:], LATE],
            "shares_outstanding": [2.7e8 + 1e5 * (n % 7) for n in range(40)],
            "nav_usd": [240.0 + 0.37 * n for n in range(40)], "source": "ishares",
        }
    )  # fmt: skip
    dbt_warehouse.insert("raw.instrument_bars", bars)
    dbt_warehouse.insert("raw.fund_holdings", holdings)
    dbt_warehouse.insert(
        "raw.fund_files",
        holdings.groupby(["fund_id", "as_of_on", "edition", "known_on", "source"], as_index=False)
        .agg(line_count=("line_no", "count"))
        .assign(fund_name="IWM", equity_lines=5),
    )
    dbt_warehouse.insert("raw.fund_shares", shares)
    dbt_warehouse.insert(
        "raw.fred_observations",
        [
            {
                "series_id": series, "observed_on": observed, "known_on": seen, "value": value,
                "realtime_start": seen, "source": "fred-api", "loaded_as_of": NIGHT,
            }
            for series, rows in vintages.items()
            for observed, seen, value in rows
        ],
    )  # fmt: skip
    dbt_warehouse.build("+claim_audit", command="run", as_of=NIGHT)
    # Once more with the models' own tests, and with the unit tests of their SQL.
    outcomes = dbt_warehouse.build("tag:claims", as_of=NIGHT, exclude_types=())
    assert {u.split(".")[-1] for u in outcomes if u.startswith("unit_test.")} == UNIT_TESTS
    audit = dbt_warehouse.query(AUDIT).set_index("claim_id")
    expected = measure(bars, vintages, holdings, shares)

    assert set(audit.index) == set(CLAIMS)
    for claim_id, said in expected.items():
        for column, want in said.items():
            got = audit.at[claim_id, column]
            where = f"{claim_id}.{column}: {got!r} instead of {want!r}"
            if isinstance(want, date):
                assert pd.Timestamp(got) == pd.Timestamp(want), where
            else:
                assert math.isclose(got, want, rel_tol=1e-9, abs_tol=1e-9), where
    for claim_id, claim in CLAIMS.items():
        verdict = audit.at[claim_id, "verdict"]
        assert verdict == judge(claim, expected.get(claim_id, {})), claim_id
        assert (audit.at[claim_id, "would_need"] == claim.would_need) == (
            verdict not in {"supported", "contradicted"}
        )
    # Nothing was loaded for these; the repeated volume is marked, the close of its bar is not.
    assert audit.loc[["vb_assets", "debt_twice"], "measured_value"].isna().all()
    assert list(audit.index[audit.is_suspect]) == ["index_volume"]
    # The invented data reach what they are there for.
    assert expected["sp500_after_breakout"]["n"] >= 2
    assert expected["rut_record_september"]["figure"] > 0
    assert set(audit.verdict) == {
        "supported", "contradicted", "different_measure", "outside_data", "not_testable",
    }  # fmt: skip

    # The clock set back, over tables that hold what came later: the claims cut it off themselves.
    early = date(2025, 9, 30)
    dbt_warehouse.build("int_claims_dated+", command="run", as_of=early)
    then = dbt_warehouse.query(AUDIT).set_index("claim_id")
    assert (pd.to_datetime(then.judged_on) == pd.Timestamp(early)).all()
    assert (pd.to_datetime(then.observed_on).dropna() <= pd.Timestamp(early)).all()
    later = [c.id for c in CLAIMS.values() if c.about_on > early and c.judged == "compared"]
    assert set(then.loc[later, "verdict"]) == {"outside_data"}
    dollar = [v for d, v in sorted(known(vintages, "DTWEXBGS", early).items()) if d <= early]
    assert then.at["dollar_q3", "second_figure"] == pytest.approx(
        100 * (dollar[-1] / known(vintages, "DTWEXBGS", early)[date(2025, 7, 1)] - 1), rel=1e-9
    )
    # What was settled by then is said in the same words eleven days later.
    settled = [c.id for c in CLAIMS.values() if c.about_on <= early and c.id != "dollar_q3"]
    pd.testing.assert_frame_equal(
        then.loc[settled].drop(columns="judged_on"),
        audit.loc[settled].drop(columns="judged_on"),
        rtol=0,
        atol=0,
    )


DATED = {
    "statement": "s", "unit": "points", "about_on": date(2025, 9, 30), "judged": "compared",
    "measure": "index_close", "reading": "r", "would_need": "w", "clock_on": NIGHT,
    "until_on": date(2025, 9, 30),
}  # fmt: skip
MEASURED = {"is_complete": True, "is_suspect": False, "observed_on": date(2025, 9, 30), "n": 1}
values = st.decimals(-1000, 1000, places=3).map(float)
widths = st.decimals(0, 50, places=3).map(float)


INPUTS = {
    "int_claims_dated": {
        **{c: kind.removesuffix(" NOT NULL") for c, kind in TABLES["claims"].items()},
        "clock_on": "DATE", "until_on": "DATE",
    },
    "int_claims_measured": {
        "claim_id": "VARCHAR", "measured_value": "DOUBLE", "figure": "DOUBLE",
        "figure_unit": "VARCHAR", "second_value": "DOUBLE", "second_figure": "DOUBLE",
        "n": "INTEGER", "is_complete": "BOOLEAN", "is_suspect": "BOOLEAN", "observed_on": "DATE",
        "measured_row": "VARCHAR", "source": "VARCHAR",
    },
}  # fmt: skip
"""What the mart reads."""


@pytest.fixture
def audited(dbt_warehouse: Any) -> Any:
    """Judge drawn (stated, measured, tolerance) by the mart's own SQL, in the order given."""
    dbt_warehouse.build("claim_audit", command="compile")
    sql = (dbt_warehouse.folder / "target/compiled/smallcaps" / MODEL).read_text(encoding="utf-8")
    with duckdb.connect(str(dbt_warehouse.path)) as connection:
        connection.execute("create schema intermediate")
        for name, columns in INPUTS.items():
            body = ", ".join(f"{column} {kind}" for column, kind in columns.items())
            connection.execute(f"create table intermediate.{name} ({body})")

        def judge_all(drawn: list[tuple[float, float, float]]) -> list[tuple[Any, ...]]:
            keys = [f"{n:04d}" for n in range(len(drawn))]
            tables = {
                "int_claims_dated": [
                    DATED | {"claim_id": k, "stated_value": s, "tolerance": t}
                    for k, (s, _, t) in zip(keys, drawn, strict=True)
                ],
                "int_claims_measured": [
                    MEASURED | {"claim_id": k, "measured_value": m}
                    for k, (_, m, _) in zip(keys, drawn, strict=True)
                ],
            }
            for name, rows in tables.items():
                connection.execute(f"delete from intermediate.{name}")
                connection.register("drawn", pd.DataFrame(rows))
                connection.execute(f"insert into intermediate.{name} by name from drawn")
            return connection.execute(
                f"select verdict, is_close_call, distance from ({sql})"
            ).fetchall()

        yield judge_all


def test_a_larger_tolerance_never_turns_support_into_contradiction(audited: Any) -> None:
    @given(
        drawn=st.lists(st.tuples(values, values, widths, widths), min_size=1, max_size=40),
        shift=values,
    )
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    def holds(drawn: list[tuple[float, float, float, float]], shift: float) -> None:
        narrow = audited([(s, m, min(a, b)) for s, m, a, b in drawn])
        wide = audited([(s, m, max(a, b)) for s, m, a, b in drawn])
        for (before, *_), (after, *_) in zip(narrow, wide, strict=True):
            assert (before, after) != ("supported", "contradicted")
        # Only the distance counts: neither the side nor the level.
        swapped = audited([(m + shift, s + shift, min(a, b)) for s, m, a, b in drawn])
        assert [r[:2] for r in swapped] == [r[:2] for r in narrow]
        for (s, m, a, b), (verdict, _, _) in zip(drawn, narrow, strict=True):
            assert (verdict == "supported") == (round(abs(s - m), 9) <= min(a, b))

    holds()
