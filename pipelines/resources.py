"""Dagster's adapter around a night: what a run is configured with, made into plain objects."""

from datetime import date

import dagster as dg
from pydantic import Field

from pipelines.night import BRANCHES, Night
from pipelines.settings import Settings, read_settings
from pipelines.steps import begin_night, end_night

UNHAPPY = ("FAILURE", "IN_PROGRESS")
"""How a step stands that failed, or that was cut short."""


class NightResource(dg.ConfigurableResource[Night]):
    """One nightly run. Every field may stay empty: the environment and the clock decide then."""

    world: str = Field(
        default="",
        description="sample (simulated) or live; empty: SMALLCAPS_WORLD. A warehouse holds one.",
    )
    warehouse: str = Field(
        default="", description="Folder of all state; empty: SMALLCAPS_WAREHOUSE."
    )
    as_of: str = Field(
        default="",
        description="Day the run is for, YYYY-MM-DD in New York; empty: the newest closed day. A "
        "day before the newest night is rebuilt from what is stored, into a version of its own.",
    )
    with_late_loads: bool = Field(
        default=False,
        description="Rebuild of a past day: also use what was public by then and loaded later.",
    )
    branches: list[str] = Field(
        default=[],
        description="Branches whose checks the publication expects; empty: all "
        f"({', '.join(BRANCHES)}). Which assets run is the job's choice, not this list's.",
    )
    full_refresh: bool = Field(
        default=False, description="Ask the sources for whole histories, not only what is new."
    )
    from_landing: str = Field(
        default="", description="Run id whose landed payloads are loaded again, with no network."
    )

    def settings(self) -> Settings:
        """Return the settings of this run: the environment's, where no field says otherwise."""
        return read_settings().with_options(
            world=self.world or None,
            warehouse=self.warehouse or None,
            as_of=date.fromisoformat(self.as_of) if self.as_of else None,
            full_refresh=self.full_refresh,
        )

    def begin(self, run_id: str, *, as_of: date | None = None) -> Night:
        """Return the night of this run: the same object in every step of one process.

        `as_of` is a partition's day, which wins over the field.
        """
        return begin_night(
            self.settings().with_options(as_of=as_of),
            run_id,
            branches=tuple(self.branches) or BRANCHES,
            from_landing=self.from_landing or None,
            with_late_loads=self.with_late_loads,
        )

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Close the run's row in `meta.runs`, however it was launched and however it ended."""
        if context.run is None or context.instance is None:
            return
        steps = context.instance.get_run_step_stats(context.run.run_id)
        end_night(
            context.run.run_id, failed=any(s.status and s.status.value in UNHAPPY for s in steps)
        )
