"""A short pass over every parser; the long one is `make fuzz`."""

from __future__ import annotations

import warnings
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.sample.workbooks import biff
from pipelines.sources.collect import parse
from pipelines.sources.parsers import PARSERS
from pipelines.sources.shiller import MOST_ROWS
from tests.fuzz.long_pass import STEPS_ONLY_STEER
from tests.fuzz.mutations import STEPS, Step, apply
from tests.fuzz.outcomes import check_frame, outcome
from tests.fuzz.seeds import seeds

NUMBER = st.integers(0, 2**16)
BREAKS = st.lists(
    st.tuples(st.sampled_from(sorted(STEPS)), NUMBER, NUMBER, NUMBER), min_size=1, max_size=4
)
FUZZ = settings(
    max_examples=60,
    deadline=timedelta(seconds=5),
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
KINDS = [k for k in sorted(PARSERS) if k not in STEPS_ONLY_STEER]


def test_there_is_a_valid_payload_of_every_kind() -> None:
    assert sorted(seeds()) == sorted(PARSERS)
    for payload in seeds().values():
        for table, frame in parse(payload, PARSERS).items():
            assert len(frame) > 0, payload.kind
            check_frame(table, frame)


@pytest.mark.parametrize("kind", KINDS)
@FUZZ
@given(steps=BREAKS)
def test_a_broken_payload_gives_rows_as_promised_or_a_typed_error(
    kind: str, steps: list[Step]
) -> None:
    payload = seeds()[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcome(payload, apply(payload.body, steps))


@pytest.mark.parametrize("kind", KINDS)
@FUZZ
@given(body=st.binary(max_size=80))
def test_noise_is_never_taken_for_data(kind: str, body: bytes) -> None:
    assert not outcome(seeds()[kind], body).startswith("rows")


# What the long pass found on its first day, one case for each place that let something through.
FOUND = {
    "board_csv": [b'Time Period,"x\ry\r', b'"' + b"x" * 140_000],
    "ecb_csv": [b'KEY,TIME_PERIOD,OBS_VALUE\n"' + b"x" * 140_000],
    "treasury_curve": [b"Date,2 Yr\n1/2/2025,\r4\r.1,\n"],
    "fred_graph_csv": [b'observation_date,DGS10,DGS2\n2025-01-02,"4.1,4.2\n'],
    "fred_releases": [
        b'{"release_dates":[{"release_id":[1],"release_name":"x","date":"2025-01-02"}]}'
    ],
    "sec_company_tickers": [b'{"0":{"ticker":"\\ud800","cik_str":1,"title":"x"}}'],
    "ishares_holdings": [b"Fund Holdings as of,\rx\r\nTicker,Name\n", b'"' + b"x" * 140_000],
    "tiingo_daily": [
        b'[{"date":"2025-04-01","close":1e308,"adjClose":1,"open":1,"high":1,"low":1,"volume":1,'
        b'"divCash":0,"splitFactor":1}]'
    ],
}
CHART = (
    b'{"chart":{"result":[{"meta":{"symbol":"IWM","exchangeTimezoneName":"America/New_York"},'
    b'"timestamp":%s,"indicators":%s,"events":%s}]}}'
)
QUOTE = (
    b'{"quote":[{"open":[1],"high":[Infinity],"low":[1],"close":[1],"volume":[1]}],"adjclose":[]}'
)
CHARTS = [
    CHART % (b"7", b"{}", b"{}"),
    CHART % (b"[1]", b"true", b"{}"),
    CHART % (b"[1]", b'{"quote":["x"]}', b"{}"),
    CHART % (b"[1]", QUOTE, b"{}"),
    CHART % (b"[1e300]", QUOTE.replace(b"Infinity", b"1"), b"{}"),
    CHART % (b"[1]", QUOTE.replace(b"Infinity", b"1"), b'"x"'),
    b"[" * 100_000,
]


@pytest.mark.parametrize(
    ("kind", "body"),
    [(k, b) for k, bodies in {**FOUND, "yahoo_chart": CHARTS}.items() for b in bodies],
    ids=lambda value: value if isinstance(value, str) else str(len(value)),
)
def test_what_was_found_stays_found(kind: str, body: bytes) -> None:
    assert not outcome(seeds()[kind], body).startswith("rows")


def test_a_sheet_of_a_million_cells_is_refused_before_it_is_walked() -> None:
    body = biff({"Data": [[1.0]] * (MOST_ROWS + 1)})
    assert outcome(seeds()["shiller_workbook"], body) == (
        "SourceContractChanged: a sheet of  by  cells"
    )
