"""Whole nights in process over the sample world, in any folder, with faults on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter

from pipelines.launch import prepare_dagster_home
from pipelines.night import BRANCHES, Night
from pipelines.resources import NightResource
from pipelines.sample.adapter import SampleAdapter
from pipelines.settings import Settings, child_environment, process_environment, read_settings
from pipelines.steps import begin_night
from pipelines.summary import Conclusion, conclude

Fault = Callable[[PreparedRequest, Response], Response | None]
"""Looks at a request and its honest answer; returns another answer, or None for the honest one."""


class FaultyAdapter(BaseAdapter):
    """The sample world with something wrong with it; counts requests by host."""

    def __init__(self, honest: BaseAdapter, fault: Fault) -> None:
        super().__init__()
        self.honest = honest
        self.fault = fault

    def send(self, request: PreparedRequest, **options: Any) -> Response:
        answer = self.honest.send(request, **options)
        changed = self.fault(request, answer)
        # Not `or`: a response that is not ok counts as false.
        return answer if changed is None else changed

    def close(self) -> None:
        self.honest.close()


_FAULTS: dict[str, Fault] = {}
"""Faults by warehouse folder: resources are rebuilt by Dagster and carry only plain values."""


class FaultyNight(NightResource):
    """The night resource of a test: same settings, faulty transport."""

    def begin(self, run_id: str, *, as_of: date | None = None) -> Night:
        fault = _FAULTS.get(self.warehouse)
        if fault is None:
            return super().begin(run_id, as_of=as_of)
        settings = read_settings({}).with_options(
            world="sample",
            warehouse=self.warehouse,
            as_of=date.fromisoformat(self.as_of) if self.as_of else None,
            full_refresh=self.full_refresh,
        )
        adapter = FaultyAdapter(SampleAdapter(now=settings.as_of), fault)
        return begin_night(
            settings, run_id, branches=tuple(self.branches) or BRANCHES, adapter=adapter
        )


@dataclass(frozen=True)
class NightResult:
    """What a test asks about one run."""

    settings: Settings
    success: bool
    conclusion: Conclusion
    materialized: frozenset[str]
    checks: Mapping[str, bool] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        return int(self.conclusion.exit_code)

    def build(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query on the build file."""
        with duckdb.connect(str(self.settings.build_path), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def published(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query on the published file."""
        path = self.settings.published_dir / "current" / "warehouse.duckdb"
        with duckdb.connect(str(path), read_only=True) as connection:
            return connection.execute(sql).fetchall()


def run_sample_night(
    warehouse: Path,
    *,
    only: str | None = None,
    as_of: date | None = None,
    fault: Fault | None = None,
    full_refresh: bool = False,
    from_landing: str | None = None,
) -> NightResult:
    """Run the nightly job, or a branch's, on the sample world in `warehouse`."""
    from pipelines.definitions import defs

    settings = read_settings({"SMALLCAPS_WAREHOUSE": str(warehouse)}).with_options(as_of=as_of)
    config = {
        "world": "sample",
        "warehouse": str(settings.warehouse),
        "as_of": as_of.isoformat() if as_of else "",
        "branches": [only] if only else [],
        "full_refresh": full_refresh,
        "from_landing": from_landing or "",
    }
    _FAULTS.pop(str(settings.warehouse), None)
    if fault is not None:
        _FAULTS[str(settings.warehouse)] = fault
    job = defs.resolve_job_def("nightly" if only is None else f"nightly_{only}")
    home = prepare_dagster_home(settings)
    environment = child_environment(settings) | {"DAGSTER_HOME": str(home)}
    with process_environment(environment), dg.DagsterInstance.from_config(str(home)) as instance:
        result = job.execute_in_process(
            instance=instance,
            resources={"night": FaultyNight()},
            run_config={"resources": {"night": {"config": config}}},
            raise_on_error=False,
        )
    events = result.all_events
    return NightResult(
        settings=settings,
        success=result.success,
        conclusion=conclude(settings, result.run_id),
        materialized=frozenset(
            e.asset_key.to_user_string() for e in events if e.is_step_materialization
        ),
        checks={
            f"{e.asset_check_evaluation_data.asset_key.to_user_string()}."
            f"{e.asset_check_evaluation_data.check_name}": e.asset_check_evaluation_data.passed
            for e in events
            if e.event_type_value == "ASSET_CHECK_EVALUATION"
        },
    )
