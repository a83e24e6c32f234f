"""Fund flows over a scratch warehouse: what needs hundreds of rows or the passing of days."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date

import pandas as pd
import pytest

MODELS = ("+fund_flows", "+flow_signals", "+quarantined_counts")


def add_fund(warehouse, fund_id: str, group: str) -> None:
    warehouse.insert(
        "reference.funds",
        [
            {
                "fund_id": fund_id, "title": fund_id, "issuer": "ishares", "group_id": group,
                "sector": None, "universe_id": None, "has_holdings": False, "has_shares": True,
            }
        ],
    )  # fmt: skip


def add_counts(
    warehouse, fund_id: str, sessions: Sequence[date], shares: Sequence[float], nav: float = 10.0
) -> None:
    warehouse.insert(
        "raw.fund_shares",
        pd.DataFrame(
            {
                "fund_id": fund_id,
                "traded_on": sessions[: len(shares)],
                "nav_usd": nav,
                "shares_outstanding": shares,
                "total_net_assets_usd": float("nan"),
                "known_on": sessions[1 : len(shares) + 1],
            }
        ),
    )


@pytest.fixture
def sessions(dbt_warehouse) -> list[date]:
    return dbt_warehouse.insert_sessions(date(2023, 1, 3), date(2024, 6, 28))


def test_the_z_score_of_one_creation_after_252_quiet_values(dbt_warehouse, sessions) -> None:
    # 251 zeros and one v: mean v/252, sample deviation v/sqrt(252), so z = 251/sqrt(252).
    # The first five-session sum stands on the fifth session, the 252nd on the 256th.
    add_fund(dbt_warehouse, "SML", "small_cap")
    add_counts(dbt_warehouse, "SML", sessions, [1000.0] * 255 + [1010.0])

    dbt_warehouse.build(*MODELS, as_of=sessions[256], command="run")

    for mart in ("fund_flows", "flow_signals"):
        rows = dbt_warehouse.query(f"select flow_z from marts.{mart} order by traded_on")
        assert len(rows) == 256
        assert rows["flow_z"].iloc[:255].isna().all()
        assert rows["flow_z"].iloc[255] == pytest.approx(251 / math.sqrt(252), rel=1e-9)


def test_rows_of_a_rebuild_for_a_past_day_are_the_rows_of_that_day(dbt_warehouse, sessions) -> None:
    add_fund(dbt_warehouse, "SML", "small_cap")
    add_fund(dbt_warehouse, "BIG", "large_cap")
    add_counts(dbt_warehouse, "SML", sessions, [1000.0 + 7 * (i % 11) for i in range(90)])
    add_counts(dbt_warehouse, "BIG", sessions, [5000.0 - 9 * (i % 7) for i in range(90)], nav=4.0)
    past, present = sessions[60], sessions[90]
    marts = ("fund_flows", "flow_signals")
    query = f"select * from marts.{{}} where known_on <= '{past}' order by all"
    dbt_warehouse.build(*MODELS, as_of=past, command="run")
    then = {mart: dbt_warehouse.query(query.format(mart)) for mart in marts}
    outcomes = dbt_warehouse.build(*MODELS, as_of=present)

    assert "test.smallcaps.assert_group_flows_add_up_to_fund_flows" in outcomes
    for mart in marts:
        assert len(then[mart]) == 2 * 60
        pd.testing.assert_frame_equal(then[mart], dbt_warehouse.query(query.format(mart)))


def test_a_spike_is_unconfirmed_until_five_counts_have_followed(dbt_warehouse, sessions) -> None:
    add_fund(dbt_warehouse, "SML", "small_cap")
    shares = [1000.0] * 40
    shares[30] = 1500.0
    add_counts(dbt_warehouse, "SML", sessions, shares)
    query = "select traded_on, count_status, count_reason from meta.quarantined_counts"
    verdicts = {}
    for followed in (4, 5):
        dbt_warehouse.build(*MODELS, as_of=sessions[31 + followed], command="run")
        rows = dbt_warehouse.query(query)
        assert [day.date() for day in rows["traded_on"]] == [sessions[30]]
        assert rows["count_reason"].tolist() == ["spike"]
        verdicts[followed] = rows["count_status"].iloc[0]
        flows = dbt_warehouse.query("select flow_usd from marts.fund_flows order by traded_on")
        assert flows["flow_usd"].iloc[30:32].isna().all()
        assert flows["flow_usd"].iloc[1:30].eq(0).all()
    assert verdicts == {4: "unconfirmed", 5: "refused"}


def test_a_lasting_change_of_level_is_accepted_once_its_neighbours_have_come(
    dbt_warehouse, sessions
) -> None:
    add_fund(dbt_warehouse, "SML", "small_cap")
    add_counts(dbt_warehouse, "SML", sessions, [1000.0] * 30 + [1500.0] * 6)

    dbt_warehouse.build(*MODELS, as_of=sessions[36], command="run")

    assert dbt_warehouse.query("select * from meta.quarantined_counts").empty
    flow = dbt_warehouse.query("select flow_usd from marts.fund_flows order by traded_on")
    assert flow["flow_usd"].iloc[30] == 5000.0


def test_a_revised_count_is_used_from_the_day_it_was_known(dbt_warehouse, sessions) -> None:
    add_fund(dbt_warehouse, "SML", "small_cap")
    add_counts(dbt_warehouse, "SML", sessions, [1000.0] * 29 + [1010.0])
    revised = {
        "fund_id": "SML", "traded_on": sessions[29], "nav_usd": 10.0,
        "shares_outstanding": 1020.0, "total_net_assets_usd": None, "known_on": sessions[32],
    }  # fmt: skip
    dbt_warehouse.insert("raw.fund_shares", [revised])
    query = "select flow_usd, known_on from marts.fund_flows where aum_usd > 10000"
    seen = []
    for as_of in (sessions[31], sessions[32]):
        dbt_warehouse.build(*MODELS, as_of=as_of, command="run")
        row = dbt_warehouse.query(query).iloc[0]
        seen.append((row["flow_usd"], row["known_on"].date()))
    assert seen == [(100.0, sessions[30]), (200.0, sessions[32])]
