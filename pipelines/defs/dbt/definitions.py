"""The dbt models as assets, one step for each branch that can fail alone.

dbt runs inside the process (`runner`), so the events are made here from its results: a model that
was built is a materialisation, a test that ran is a check result, and both go into `meta.checks`,
which is what the publication trusts.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets
from dagster_dbt.asset_utils import get_asset_check_key_for_test

from pipelines.defs.dbt import runner
from pipelines.defs.gates import OWNERS, POOL
from pipelines.resources import NightResource
from pipelines.steps import record_checks
from pipelines.storage.meta import CheckRecord

TAGS = ("macro", "prices", "funds", "long_history", "breadth", "valuation")
"""Every model carries exactly one: what stands on one refused batch stops, the rest goes on."""

MANIFEST = runner.prepare_manifest()


class Translator(DagsterDbtTranslator):  # type: ignore[misc]
    """Keys are schema.table, groups are the branches."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Return `schema/table`; a source says its own key in its meta."""
        if dbt_resource_props["resource_type"] == "source":
            key: dg.AssetKey = super().get_asset_key(dbt_resource_props)
            return key
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """Return the branch tag."""
        return next((t for t in dbt_resource_props.get("tags", []) if t in TAGS), None)

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:  # noqa: ARG002
        """Return the owners of every model."""
        return OWNERS


TRANSLATOR = Translator(
    settings=DagsterDbtTranslatorSettings(
        enable_asset_checks=True,
        # On, this would quietly replace the gate's blocking checks on the same tables.
        enable_source_tests_as_checks=False,
    )
)


def _assets_of(tag: str) -> dg.AssetsDefinition:
    @dbt_assets(  # type: ignore[untyped-decorator]
        manifest=MANIFEST,
        select=f"tag:{tag}",
        name=f"dbt_{tag}",
        dagster_dbt_translator=TRANSLATOR,
        pool=POOL,
    )
    def build(context: dg.AssetExecutionContext, night: NightResource) -> Iterator[Any]:
        tonight = night.begin(context.run_id)
        keys = context.op_execution_context.selected_asset_keys
        nodes = [n for n in _nodes(tag) if TRANSLATOR.get_asset_key(n) in keys]
        results = runner.build(
            [n["name"] for n in nodes],
            build_path=tonight.settings.build_path,
            variables={"as_of": tonight.as_of.isoformat()},
        )
        record_checks(tonight, _check_records(results))
        yield from _events(results, set(context.selected_asset_check_keys))
        broken = [r for r in results if r.status in ("error", "fail") and r.severity == "error"]
        if broken:
            raise dg.Failure(
                description=f"dbt {tag}: "
                + "; ".join(f"{r.name}: {r.message or r.status}" for r in broken[:5]),
                allow_retries=False,
            )

    assets: dg.AssetsDefinition = build
    return assets


def _nodes(tag: str) -> list[dict[str, Any]]:
    return [
        n
        for n in MANIFEST["nodes"].values()
        if n["resource_type"] in ("model", "seed") and tag in n["tags"]
    ]


def _check_records(results: list[runner.NodeResult]) -> list[CheckRecord]:
    """Return the tests' results for `meta.checks`; a skipped test did not run and is not there."""
    return [
        CheckRecord(
            check_id=f"dbt:{r.name}",
            kind="dbt_test",
            target=r.unique_id,
            severity="warn" if r.severity == "warn" else "block",
            status={"pass": "passed", "warn": "warned"}.get(r.status, "failed"),
            finding=r.message,
            failing_rows=r.failures,
        )
        for r in results
        if r.resource_type == "test" and r.status != "skipped"
    ]


def _events(
    results: list[runner.NodeResult], checks: set[dg.AssetCheckKey]
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Yield materialisations first, then check results, for what is in this step's selection."""
    for result in results:
        if result.resource_type in ("model", "seed") and result.status == "success":
            node = MANIFEST["nodes"][result.unique_id]
            metadata: dict[str, Any] = {"seconds": result.seconds}
            if result.rows is not None:
                metadata["dagster/row_count"] = result.rows
            yield dg.MaterializeResult(asset_key=TRANSLATOR.get_asset_key(node), metadata=metadata)
    for result in results:
        if result.resource_type != "test" or result.status == "skipped":
            continue
        key = get_asset_check_key_for_test(MANIFEST, TRANSLATOR, result.unique_id, None)
        if key is None or key not in checks:
            continue
        severity = dg.AssetCheckSeverity
        yield dg.AssetCheckResult(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=result.status == "pass",
            severity=severity.WARN if result.status == "warn" else severity.ERROR,
            metadata={"failing_rows": result.failures, "message": result.message or "ok"},
        )


defs = dg.Definitions(assets=[_assets_of(tag) for tag in TAGS])
