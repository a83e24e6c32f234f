"""The dbt models as assets, one step for each branch that can fail alone.

dbt runs inside the process (`runner`), so the events are made here from its results: a model that
was built is a materialisation, a test that ran is a check result, and both go into `meta.checks`,
which is what the publication trusts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from typing import Any

import dagster as dg
from dagster_dbt import dbt_assets
from dagster_dbt.asset_utils import get_asset_check_key_for_test

from pipelines.defs.dbt import runner
from pipelines.defs.dbt.standing import Standing, find_standing, fingerprint_of
from pipelines.defs.dbt.translator import TAGS, TRANSLATOR, attach_singular_tests, relation_of
from pipelines.defs.gates import POOL
from pipelines.night import DBT_TAGS_OF_BRANCH, Night
from pipelines.plots import PLOTS, draw_markdown
from pipelines.resources import NightResource
from pipelines.steps import record_checks
from pipelines.storage import meta
from pipelines.storage.asset_facts import (
    Relation,
    is_there,
    read_examples,
    read_frame,
    read_relation_facts,
)
from pipelines.storage.meta import CheckRecord
from pipelines.storage.standing import StandingBuild, forget_standing, note_standing
from pipelines.storage.warehouse import Connection, open_build

MANIFEST = attach_singular_tests(runner.prepare_manifest())
_STATUS = {"pass": "passed", "warn": "warned"}
"""dbt's word for a test's end to that of `meta.checks`; every other is a failure."""


def _assets_of(tag: str) -> dg.AssetsDefinition:
    @dbt_assets(  # type: ignore[untyped-decorator]
        manifest=MANIFEST,
        select=f"tag:{tag}",
        name=f"dbt_{tag}",
        dagster_dbt_translator=TRANSLATOR,
        pool=POOL,
    )
    def build(context: dg.AssetExecutionContext, night: NightResource) -> Iterator[Any]:
        tonight = night.begin(context.run.run_id)
        keys = context.op_execution_context.selected_asset_keys
        checks = set(context.selected_asset_check_keys)
        nodes = [n for n in _nodes(tag) if _key(n) in keys]
        is_whole = len(nodes) == len(_nodes(tag)) and checks == set(build.check_keys)
        with open_build(tonight.settings) as connection:
            fingerprint = fingerprint_of(connection, tonight, MANIFEST, tag) if is_whole else None
            found = find_standing(connection, tonight, MANIFEST, tag, fingerprint)
            if found is not None:
                meta.record_checks(connection, tonight.run_id, found.checks)
                yield from _standing_events(nodes, found, checks, connection)
                return
            if nodes:
                forget_standing(connection, [tag])
        results = _run(tonight, nodes, checks, tested=is_expected(tonight, tag))
        record_checks(tonight, check_records(results))
        with open_build(tonight.settings) as connection:
            yield from _materializations(results, connection)
            yield from _check_results(results, checks, connection)
            _fail_if_broken(tag, results)
            if fingerprint is not None:
                note_standing(connection, StandingBuild(tag, fingerprint, tonight.run_id))

    assets: dg.AssetsDefinition = build
    return assets


def _fail_if_broken(what: str, results: Iterable[runner.NodeResult]) -> None:
    broken = [r for r in results if r.status in ("error", "fail") and r.severity == "error"]
    if broken:
        told = "; ".join(f"{r.name}: {r.message or r.status}" for r in broken[:5])
        raise dg.Failure(description=f"dbt {what}: {told}", allow_retries=False)


def build_everything(night: Night) -> int:
    """Build and test all models of a night in one go; return the number of tests that ran.

    Raises:
        Failure: a model could not be built, or a blocking test failed.
    """
    with open_build(night.settings) as connection:
        forget_standing(connection, TAGS)
    tested = [n for tag in TAGS if is_expected(night, tag) for n in _nodes(tag)]
    names = {n["unique_id"] for n in tested}
    rest = [n for tag in TAGS for n in _nodes(tag) if n["unique_id"] not in names]
    results = _run(night, tested, set(), tested=True)
    if rest:
        results += _run(night, rest, set(), tested=False)
    records = check_records(results)
    record_checks(night, records)
    _fail_if_broken("build", results)
    return len(records)


def is_expected(night: Night, tag: str) -> bool:
    """Return whether the tests of a tag mean anything tonight.

    Only in a rebuild of a past day may they not: a branch that was never loaded by then has empty
    models, and its tests are not among those that the publication expects.
    """
    return not night.is_rebuild or any(tag in DBT_TAGS_OF_BRANCH[b] for b in night.branches)


def _run(
    night: Night,
    nodes: Sequence[Mapping[str, Any]],
    checks: set[dg.AssetCheckKey],
    *,
    tested: bool,
) -> list[runner.NodeResult]:
    """Build the selected models with their tests, or run checks alone where no model is asked."""
    variables = night.dbt_variables
    path = night.settings.build_path
    if nodes:
        # A branch alone in a new warehouse stands on models of branches that never ran: they are
        # built from their empty raw tables, so that what is published is empty and not missing.
        with open_build(night.settings) as connection:
            absent = [
                n["name"] for n in _upstream(nodes) if not is_there(connection, relation_of(n))
            ]
        if absent:
            runner.run(absent, build_path=path, variables=variables)
        work = runner.build if tested else runner.run
        return work([n["name"] for n in nodes], build_path=path, variables=variables)
    # An empty selection would be everything to dbt.
    tests = [n for n in MANIFEST["nodes"].values() if n["resource_type"] == "test"]
    names = [n["name"] for n in tests if _check_key(n["unique_id"]) in checks]
    return runner.test(names, build_path=path, variables=variables) if names else []


def _upstream(nodes: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the models that the given ones stand on, directly or not, none of the given ones."""
    chosen = {n["unique_id"] for n in nodes}
    found: dict[str, Mapping[str, Any]] = {}
    stack = list(chosen)
    while stack:
        for parent in MANIFEST["parent_map"].get(stack.pop(), []):
            node = MANIFEST["nodes"].get(parent)
            if node is None or parent in found or parent in chosen:
                continue
            stack.append(parent)
            if node["config"]["materialized"] != "ephemeral":
                found[parent] = node
    return list(found.values())


def _nodes(tag: str) -> list[dict[str, Any]]:
    return [
        n
        for n in MANIFEST["nodes"].values()
        if n["resource_type"] in ("model", "seed") and tag in n["tags"]
    ]


def _key(node: Mapping[str, Any]) -> dg.AssetKey:
    return TRANSLATOR.get_asset_key(node)


def _check_key(unique_id: str) -> dg.AssetCheckKey | None:
    key: dg.AssetCheckKey | None = get_asset_check_key_for_test(
        MANIFEST, TRANSLATOR, unique_id, None
    )
    return key


def check_records(results: Iterable[runner.NodeResult]) -> list[CheckRecord]:
    """Return the tests' results for `meta.checks`; a skipped test did not run and is not there."""
    return [
        CheckRecord(
            check_id=f"dbt:{r.name}",
            kind="dbt_test",
            target=r.unique_id,
            severity="warn" if r.severity == "warn" else "block",
            status=_STATUS.get(r.status, "failed"),
            finding=r.message,
            failing_rows=r.failures,
        )
        for r in results
        if r.resource_type == "test" and r.status != "skipped"
    ]


def _relations_of(nodes: Iterable[Mapping[str, Any]]) -> dict[str, Relation]:
    """Return id to table or view, for the nodes that are one."""
    return {
        n["unique_id"]: relation_of(n) for n in nodes if n["config"]["materialized"] != "ephemeral"
    }


def _materializations(
    results: Iterable[runner.NodeResult], connection: Connection
) -> Iterator[dg.MaterializeResult[None]]:
    """Yield what was built: rows, newest date, seconds, and for a mart its picture."""
    built = [r for r in results if r.resource_type in ("model", "seed") and r.status == "success"]
    nodes = {r.unique_id: MANIFEST["nodes"][r.unique_id] for r in built}
    relations = _relations_of(nodes.values())
    facts = read_relation_facts(connection, relations.values())
    for result in built:
        metadata: dict[str, Any] = {"seconds": result.seconds}
        relation = relations.get(result.unique_id)
        if relation is not None:
            fact = facts[relation]
            metadata["dagster/row_count"] = fact.rows
            if fact.newest_on is not None:
                metadata["newest_on"] = f"{fact.newest_on} ({relation.dated})"
            if relation.schema == "marts" and relation.name in PLOTS:
                plot = PLOTS[relation.name]
                picture = draw_markdown(plot, read_frame(connection, plot.sql))
                metadata["plot"] = dg.MetadataValue.md(picture)
        yield dg.MaterializeResult(asset_key=_key(nodes[result.unique_id]), metadata=metadata)


def _standing_events(
    nodes: Sequence[Mapping[str, Any]],
    found: Standing,
    checks: set[dg.AssetCheckKey],
    connection: Connection,
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Yield what stands: the tables with their rows, the checks with what they found then."""
    relations = _relations_of(nodes)
    facts = read_relation_facts(connection, relations.values())
    chosen = {n["unique_id"]: n for n in nodes}
    parents = {uid: set(MANIFEST["parent_map"][uid]) & set(chosen) for uid in chosen}
    for node in map(chosen.__getitem__, TopologicalSorter(parents).static_order()):
        metadata: dict[str, Any] = {"stands_since_run": found.build.run_id}
        relation = relations.get(node["unique_id"])
        if relation is not None:
            metadata["dagster/row_count"] = facts[relation].rows
        yield dg.MaterializeResult(asset_key=_key(node), metadata=metadata)
    for record in found.checks:
        key = _check_key(record.target)
        if key is not None and key in checks:
            metadata = {"failing_rows": record.failing_rows}
            yield _check_result(key, record.status, record.finding, metadata)


def _check_results(
    results: Iterable[runner.NodeResult], checks: set[dg.AssetCheckKey], connection: Connection
) -> Iterator[dg.AssetCheckResult]:
    """Yield the tests of this step's selection, a failed one with its query and some rows."""
    for result in results:
        if result.resource_type != "test" or result.status == "skipped":
            continue
        key = _check_key(result.unique_id)
        if key is None or key not in checks:
            continue
        passed = result.status == "pass"
        finding = "no row breaks it" if passed else result.message or result.status
        metadata: dict[str, Any] = {"failing_rows": result.failures}
        if result.sql:
            metadata["query"] = dg.MetadataValue.md(f"```sql\n{result.sql.strip()}\n```")
        if not passed and result.failures and result.sql:
            rows = read_examples(connection, result.sql)
            metadata["examples"] = dg.MetadataValue.md(f"```\n{rows.to_string(index=False)}\n```")
            finding += f"\n\nFor example {rows.iloc[0].to_dict()}"
        yield _check_result(key, _STATUS.get(result.status, "failed"), finding, metadata)


def _check_result(
    key: dg.AssetCheckKey, status: str, finding: str, metadata: Mapping[str, Any]
) -> dg.AssetCheckResult:
    """Return a check's result in Dagster's form; `status` is that of `meta.checks`."""
    severity = dg.AssetCheckSeverity
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=status == "passed",
        severity=severity.WARN if status == "warned" else severity.ERROR,
        description=finding,
        metadata=metadata,
    )


defs = dg.Definitions(assets=[_assets_of(tag) for tag in TAGS])
