"""What all entries of the catalogue have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Entry(BaseModel):
    """Base of all entries: unknown fields are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
