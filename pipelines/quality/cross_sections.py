"""What must be true of the SEC's frames: one figure of all companies in one calendar period.

What a single figure may be is in `quality.fundamentals`, which judges both tellings alike.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from pipelines.catalog.models import GateCheck
from pipelines.quality import expectations as gx
from pipelines.quality.bench import Bad, Bench, Ruling, limit, name_some, rule_on_rows
from pipelines.quality.structure import fresh_items

_FRAMES = "sec_frames"
_PERIOD = r"^CY(\d{4})(?:Q([1-4])(I)?)?$"


def frames_are_answered(bench: Bench, gate: GateCheck) -> Ruling:
    """At most `max_missing_share` of the frames did not come, those without a company apart.

    A tag that no company used in a period has no frame: that is an answer, unless it is the only
    one and nothing is stored either.
    """
    status = pd.Series([o.status for o in bench.extract.outcomes], dtype="str")
    answers = ["fetched", "unchanged", "broken"]  # broken: another check's business
    if not bench.stored(_FRAMES).empty or status.isin(answers).any():
        answers.append("unknown")
    verdict = gx.expect_in_set(status, answers, mostly=1.0 - limit(gate, "max_missing_share"))
    told = tuple(
        f"{o.item} ({o.status})" for o in (bench.extract.outcomes[r] for r in verdict.rows)
    )
    if not told:
        return Ruling(f"all {len(status)} frames are answered")
    return Ruling(
        f"{len(told)} of {len(status)} frames are missing: {name_some(told)}",
        noted=not verdict.success,
        failing=len(told),
        examples=told[:50],
    )


def periods_fit_their_frame(bench: Bench, gate: GateCheck) -> Ruling:
    """A company's own period is about as long as the frame's and ends about when it does.

    The SEC takes 91 or 365 days, 30 more or fewer, and the calendar period that fits best; an
    instant lies near the quarter's last day. `slack_days` are for the end of a quarter,
    `year_slack_days` for that of a year.
    """
    frame = bench.frame(_FRAMES)
    if frame.empty:
        return Ruling("no rows in this batch")
    parts = frame["frame"].str.extract(_PERIOD)
    is_year, is_instant = parts[1].isna(), parts[2].notna()
    month = (pd.to_numeric(parts[1]).fillna(4) * 3).astype("int64").astype("str")
    ended_on = pd.to_datetime(parts[0] + "-" + month + "-01") + pd.offsets.MonthEnd(0)
    wanted = pd.Series(91.0, index=frame.index).mask(is_year, 365.0).mask(is_instant, 1.0)
    lasted = (frame["period_end_on"] - frame["period_start_on"]).dt.days + 1.0
    off = (frame["period_end_on"] - ended_on).dt.days.astype("float64").abs()
    slack = pd.Series(limit(gate, "slack_days"), index=frame.index)
    slack = slack.mask(is_year, limit(gate, "year_slack_days"))
    length = pd.Series(limit(gate, "length_slack_days"), index=frame.index).mask(is_instant, 0.0)
    odd_length = gx.expect_within_bounds(lasted, wanted - length, wanted + length).rows
    odd_end = gx.expect_within_bounds(off, slack * 0, slack).rows.difference(odd_length)
    reasons = pd.concat(
        [
            pd.Series(
                [f"{lasted[r]:.0f} days in {frame['frame'][r]}" for r in odd_length],
                index=odd_length, dtype="str",
            ),
            pd.Series(
                [f"ends {off[r]:.0f} days from {frame['frame'][r]}" for r in odd_end],
                index=odd_end, dtype="str",
            ),
        ]
    ).sort_index()  # fmt: skip
    return rule_on_rows(
        bench, gate, [Bad(_FRAMES, reasons)], good=f"{len(frame)} periods fit their frame"
    )


def cross_sections_have_not_shrunk(bench: Bench, gate: GateCheck) -> Ruling:
    """A frame has no fewer companies than `min_share` of those stored of it.

    Nothing is deleted: a company that is missing tonight keeps its stored row.
    """
    frame, stored = bench.frame(_FRAMES), bench.history.get(f"{_FRAMES}__sizes")
    if frame.empty or stored is None or stored.empty:
        return Ruling("no stored frame to compare with")
    came: pd.Series[Any] = frame.groupby("frame_id")["cik"].nunique().rename("came")
    both = stored.set_index("frame_id").join(came, how="inner").reset_index()
    share = both["came"] / both["companies"].astype("float64")
    small = both.loc[gx.expect_between(share, low=limit(gate, "min_share")).rows]
    told = tuple(
        f"{name}: {now} companies, {before} stored"
        for name, now, before in zip(
            small["frame_id"], small["came"], small["companies"], strict=True
        )
    )
    if not told:
        return Ruling(f"{len(both)} frames have the companies that they had")
    return Ruling(
        f"{len(told)} of {len(both)} frames lost companies: {name_some(told)}; stored rows stay",
        noted=True,
        failing=len(told),
        examples=told[:50],
    )


def stored_values_agree(bench: Bench, gate: GateCheck) -> Ruling:
    """Of a frame's companies that are stored, most have the value that they had.

    Amendments and comparisons change a few. A frame of which more than `max_rows` and more than
    `max_share` of the values are others is told in another unit, or is another figure's.
    """
    frame, stored = bench.frame(_FRAMES), bench.history.get(f"{_FRAMES}__values")
    if frame.empty or stored is None or stored.empty:
        return Ruling("no stored value to compare with")
    both = frame[["frame_id", "cik", "value"]].merge(
        stored, on=["frame_id", "cik"], suffixes=("", "_stored")
    )
    if both.empty:
        return Ruling("no stored value to compare with")
    moved = (both["value"] != both["value_stored"]).groupby(both["frame_id"]).agg(["sum", "size"])
    allowed = (limit(gate, "max_share") * moved["size"]).clip(lower=limit(gate, "max_rows"))
    room = (allowed - moved["sum"]).reset_index(drop=True)
    crowded = moved.iloc[list(gx.expect_between(room, low=0.0).rows)]
    told = tuple(f"{name}: {part} of {whole}" for name, part, whole in crowded.itertuples())
    changed = int(moved["sum"].sum())
    if told:
        return Ruling(
            f"values of most companies are others in {name_some(told)}",
            refuses=True,
            failing=changed,
            examples=told[:50],
        )
    return Ruling(f"{changed} of {len(both)} stored values changed")


def frames_are_fresh(bench: Bench, gate: GateCheck) -> Ruling:
    """Of each concept that ever had a frame there is one that ended in the last `max_age_days`."""
    newest = bench.newest(_FRAMES)
    if not newest:
        return Ruling("no frame was ever read")
    oldest = pd.Timestamp(bench.as_of) - pd.Timedelta(days=limit(gate, "max_age_days"))
    records: dict[str, tuple[bool, str]] = {}
    for concept in bench.catalog.concepts:
        tags = {tag.tag for tag in concept.tags}
        days = [day for frame_id, day in newest.items() if frame_id.split(".")[1] in tags]
        if days:
            stale = pd.Timestamp(max(days)) < oldest
            records[concept.id] = (stale, f"{concept.id}: newest {max(days)}")
    return fresh_items(records)
