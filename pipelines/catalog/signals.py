"""An entry of `signals.yaml`, typed. What a signal becomes of its inputs is in the dbt models."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field, model_validator

from pipelines.catalog.entry import Entry

Pillar = Literal["valuation", "breadth", "flows", "rates_and_inflation", "credit", "dollar"]
PILLARS: tuple[Pillar, ...] = get_args(Pillar)
DERIVED_SERIES = frozenset({"DFEDTAR_MID"})
"""Made of catalogued series by the models, under a name of their own."""


class SignalInput(Entry):
    """One input of a signal: a mart's column, on which scale and in which direction it counts.

    `scale`: `z_score` standardises the column (minus the column `minus`, if one is named) over the
    last `look_back_sessions` usable values; `as_published` takes a column that is a z-score over
    so many sessions already.
    """

    id: str
    pillar: Pillar
    title: str
    mart: str
    column: str
    minus: str | None = None
    scale: Literal["z_score", "as_published"]
    look_back_sessions: Literal[252, 756, 2520]
    """One, three or ten years. Another window needs its place in `int_signal_inputs_scored`."""
    orientation: Literal[1, -1]
    """1: high is a tailwind for small against large caps; -1: high is a headwind."""
    weight: float = Field(gt=0, le=1)
    """Against the other inputs of the pillar."""
    series: tuple[str, ...] = ()
    """Macro series that the column stands on: a stale one takes the value out."""
    span_sessions: int = Field(default=0, ge=0)
    """How far back the column itself looks (a change): the series must not be stale there too."""
    why: str

    @model_validator(mode="after")
    def _scale_is_one(self) -> SignalInput:
        if self.scale == "as_published" and self.minus is not None:
            raise ValueError("a difference is no z-score: minus goes with scale z_score")
        if self.span_sessions and not self.series:
            raise ValueError("span_sessions is said of macro series, none is named")
        if self.mart == "macro_regime" and not self.series:
            raise ValueError("a column of macro_regime names the series that it stands on")
        return self
