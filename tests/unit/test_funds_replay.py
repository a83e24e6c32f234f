"""The fund parsers on recorded files, where these lie beside the repository."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from pipelines.sources.collect import parse
from pipelines.sources.funds import PARSERS
from tests.fakes.http import payload_of

RECORDED = Path(__file__).parents[2].parent / "shared/replay/data"

pytestmark = [
    pytest.mark.replay,
    pytest.mark.skipif(not RECORDED.is_dir(), reason="no recorded files beside the repository"),
]


def recorded(kind: str, fund_id: str, name: str, path: str):
    body = (RECORDED / path).read_bytes()
    body = gzip.decompress(body) if path.endswith(".gz") else body
    return parse(payload_of("recorded", kind, fund_id, body, name_in_file=name), PARSERS)


@pytest.mark.parametrize(
    ("fund_id", "name", "path", "equity_lines"),
    [
        ("IWM", "iShares Russell 2000 ETF", "ishares/IWM/20251105.csv.gz", 1900),
        ("IWM", "iShares Russell 2000 ETF", "ishares/IWM/20260121.csv.gz", 1900),
        ("IVV", "iShares Core S&P 500 ETF", "ishares/IVV/20221230.csv.gz", 500),
        ("IVV", "iShares Core S&P 500 ETF", "ishares/IVV/20061031.csv.gz", 490),
    ],
)
def test_weights_of_a_recorded_file_add_up(fund_id, name, path, equity_lines) -> None:
    frames = recorded("ishares_holdings", fund_id, name, path)
    assert frames["fund_files"]["equity_lines"].iloc[0] >= equity_lines
    assert frames["fund_holdings"]["weight_pct"].sum() == pytest.approx(100, abs=1.5)


@pytest.mark.parametrize(
    ("fund_id", "name", "first", "days"),
    [
        ("IWM", "iShares Russell 2000 ETF", "2000-05-22", 6218),
        ("IVV", "iShares Core S&P 500 ETF", "2000-05-15", 5534),
    ],
)
def test_a_recorded_workbook_reaches_back_to_inception(fund_id, name, first, days) -> None:
    path = f"ishares/{fund_id}_fund.xls.gz"
    frame = recorded("ishares_workbook", fund_id, name, path)["fund_shares"]
    assert frame["traded_on"].min().strftime("%Y-%m-%d") == first
    assert len(frame) == days
    assert frame["traded_on"].is_unique


@pytest.mark.parametrize(("day", "lines"), [("20230110", 504), ("20260410", 505)])
def test_recorded_state_street_holdings_add_up(day, lines) -> None:
    frames = recorded("ssga_holdings", "SPY", "SPDR S&P 500 ETF Trust", f"ssga/SPY_{day}.xlsx")
    assert len(frames["fund_holdings"]) == lines
    assert frames["fund_holdings"]["weight_pct"].sum() == pytest.approx(100, abs=0.5)
