"""Turn a feed into Dagster definitions: a landing asset, its blocking checks, its raw tables.

Only wiring is here. What is fetched, judged and loaded is decided in `pipelines.steps`, and which
checks there are, with severity and reason, in `catalog/gates.yaml`.
"""

from collections.abc import Iterator

import dagster as dg

from pipelines.catalog.models import GateCheck, load_catalog
from pipelines.quality.findings import Finding
from pipelines.resources import NightResource
from pipelines.steps import fetch_feed, judge_feed, load_feed
from pipelines.storage.contracts import FEEDS, RawTable

POOL = "warehouse"
EXTRACT_RETRY = dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL)
OWNERS = ["team:data-engineering"]


def landing_key(feed: str) -> dg.AssetKey:
    """Return the asset key of a feed's landing asset."""
    return dg.AssetKey(["landing", feed])


def raw_key(table: str) -> dg.AssetKey:
    """Return the asset key of a raw table."""
    return dg.AssetKey(["raw", table])


def feed_definitions(
    feed: str,
    *,
    description: str,
    kinds: set[str],
    deps: list[dg.AssetKey] | None = None,
    tags: dict[str, str] | None = None,
) -> dg.Definitions:
    """Return the definitions of one feed: `landing/<feed>`, its gate, and its raw tables.

    `deps` are raw assets that decide what to ask for (the members' files decide which symbols are
    priced).
    """
    tables = FEEDS[feed]
    branch = tables[0].branch
    checks = [c for c in load_catalog().gate_checks if c.feed == feed]

    @dg.asset(
        key=landing_key(feed),
        deps=deps or [],
        group_name=branch,
        kinds=kinds | {"python"},
        owners=OWNERS,
        description=description,
        retry_policy=EXTRACT_RETRY,
        pool=POOL,
        tags=tags,
        op_tags={"layer": "landing"},
    )
    def land(context: dg.AssetExecutionContext, night: NightResource) -> dg.MaterializeResult[None]:
        landed = fetch_feed(night.begin(context.run_id), feed)
        batch = landed.batch
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(batch.rows.values()),
                "requests": dg.MetadataValue.json(dict(batch.requests)),
                "payloads": batch.payloads,
                "bytes": batch.bytes,
                "items": dg.MetadataValue.json(dict(batch.outcomes)),
                "not_fetched": dg.MetadataValue.md(landed.missing_markdown()),
            }
        )

    @dg.multi_asset_check(
        specs=[_check_spec(feed, check) for check in checks],
        name=f"gate_{feed}",
        pool=POOL,
    )
    def gate(
        context: dg.AssetCheckExecutionContext, night: NightResource
    ) -> Iterator[dg.AssetCheckResult]:
        report = judge_feed(night.begin(context.run.run_id), feed)
        for finding in report.findings:
            yield _check_result(feed, finding)

    @dg.multi_asset(
        specs=[_raw_spec(table, branch) for table in tables],
        name=f"load_{feed}",
        pool=POOL,
        op_tags={"layer": "raw"},
    )
    def load(
        context: dg.AssetExecutionContext, night: NightResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        loaded = load_feed(night.begin(context.run_id), feed)
        held_back = "\n".join(f"- `{i}`: {why}" for i, why in loaded.held_back.items())
        for table in tables:
            yield dg.MaterializeResult(
                asset_key=raw_key(table.name),
                metadata={
                    "dagster/row_count": loaded.total_rows[table.name],
                    "inserted": loaded.inserted[table.name],
                    "revised": loaded.revised[table.name],
                    "restated_items": ", ".join(loaded.restated) or "none",
                    "held_back": dg.MetadataValue.md(held_back or "none"),
                },
            )

    return dg.Definitions(assets=[land, load], asset_checks=[gate])


def _check_spec(feed: str, check: GateCheck) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        name=check.check,
        asset=landing_key(feed),
        blocking=check.severity == "block",
        description=check.reason,
    )


def _check_result(feed: str, finding: Finding) -> dg.AssetCheckResult:
    blocks = finding.severity == "block"
    return dg.AssetCheckResult(
        asset_key=landing_key(feed),
        check_name=finding.check,
        passed=finding.passed,
        severity=dg.AssetCheckSeverity.ERROR if blocks else dg.AssetCheckSeverity.WARN,
        description=finding.message,
        metadata={
            "failing_rows": finding.failing_rows,
            "examples": dg.MetadataValue.md(
                "\n".join(f"- {example}" for example in finding.examples) or "none"
            ),
        },
    )


def _raw_spec(table: RawTable, branch: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=raw_key(table.name),
        deps=[landing_key(table.feed)],
        group_name=branch,
        kinds={"duckdb", "table"},
        owners=OWNERS,
        description=f"{table.description}\n\nAppend-only ({table.revision}); "
        f"key ({', '.join(table.key)}).",
        metadata={
            "dagster/table_name": f"raw.{table.name}",
            "dagster/column_schema": dg.TableSchema(
                columns=[
                    dg.TableColumn(
                        c.name,
                        type=c.type,
                        description=c.meaning,
                        constraints=dg.TableColumnConstraints(nullable=c.nullable),
                    )
                    for c in table.all_columns
                ]
            ),
        },
    )
