"""Turn a feed into Dagster definitions: a landing asset, its blocking checks, its raw tables.

Only wiring is here. What is fetched, judged and loaded is decided in `pipelines.steps`, and which
checks there are, with severity and reason, in `catalog/gates.yaml`.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from pipelines.catalog.models import GateCheck, load_catalog
from pipelines.errors import ConfigurationError
from pipelines.night import Night
from pipelines.quality.findings import Finding
from pipelines.resources import NightResource
from pipelines.settings import PACKAGE_DIR
from pipelines.steps import fetch_feed, judge_feed, load_feed
from pipelines.storage.asset_facts import FeedAge, read_feed_age
from pipelines.storage.contracts import FEEDS, RawTable
from pipelines.storage.errors import BatchMissing
from pipelines.storage.warehouse import open_build

POOL = "warehouse"
EXTRACT_RETRY = dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL)
OWNERS = ["team:data-engineering"]


def landing_key(feed: str) -> dg.AssetKey:
    """Return the asset key of a feed's landing asset."""
    return dg.AssetKey(["landing", feed])


def raw_key(table: str) -> dg.AssetKey:
    """Return the asset key of a raw table."""
    return dg.AssetKey(["raw", table])


def asset_tags(layer: str, branch: str) -> dict[str, str]:
    """Return the tags by which the catalog can be filtered."""
    return {"layer": layer, "branch": branch}


def code_references(*paths: Path) -> dict[str, Any]:
    """Return the metadata that links an asset to the files that define it."""
    with warnings.catch_warnings():
        # Marked beta; a link from an asset to its files is all that is asked of them.
        warnings.filterwarnings("ignore", category=dg.BetaWarning)
        references: list[dg.LocalFileCodeReference | dg.UrlCodeReference] = [
            dg.LocalFileCodeReference(file_path=str(path), label=path.name) for path in paths
        ]
        value = dg.CodeReferencesMetadataValue(code_references=references)
    return {"dagster/code_references": value}


@contextmanager
def never_again_what_is_misconfigured() -> Iterator[None]:
    """Turn a configuration error into a failure that the retry policy leaves alone."""
    try:
        yield
    except ConfigurationError as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def nothing_comes(night: Night) -> dict[str, Any]:
    """Return what a step says that has nothing to do where a past day is rebuilt."""
    return {"rebuild": f"as of {night.as_of}: no source is asked and nothing is loaded"}


def nothing_to_judge(night: Night, check: GateCheck) -> Finding:
    """Return the finding of a gate that no batch came to."""
    told = f"rebuild as of {night.as_of}: no batch came, so there was nothing to judge"
    return Finding(check=check.check, severity=check.severity, passed=True, message=told)


def feed_definitions(
    feed: str,
    *,
    description: str,
    kinds: set[str],
    files: tuple[str, ...],
    deps: list[dg.AssetKey] | None = None,
    loaders: list[dg.AssetKey] | None = None,
) -> dg.Definitions:
    """Return the definitions of one feed: `landing/<feed>`, its gate, and its raw tables.

    `files` of this package say how it is fetched. `deps` are raw assets that decide what to ask
    for (the members' files decide which symbols are priced); `loaders` are other assets that load
    into the same raw tables.
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
        tags=asset_tags("landing", branch),
        metadata=code_references(
            *(PACKAGE_DIR / f for f in files), PACKAGE_DIR / "catalog/gates.yaml"
        ),
    )
    def land(context: dg.AssetExecutionContext, night: NightResource) -> dg.MaterializeResult[None]:
        with never_again_what_is_misconfigured():
            tonight = night.begin(context.run.run_id)
            if tonight.is_rebuild:
                return dg.MaterializeResult(metadata=nothing_comes(tonight))
            landed = fetch_feed(tonight, feed)
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
        tonight = night.begin(context.run.run_id)
        if tonight.is_rebuild:
            # Its check is no record of this run (meta.checks): the publication does not expect it.
            for check in checks:
                yield _check_result(feed, nothing_to_judge(tonight, check))
            return
        report = judge_feed(tonight, feed)
        for finding in report.findings:
            yield _check_result(feed, finding)

    @dg.multi_asset(
        specs=[_raw_spec(table, branch, loaders or []) for table in tables],
        name=f"load_{feed}",
        pool=POOL,
    )
    def load(
        context: dg.AssetExecutionContext, night: NightResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        tonight = night.begin(context.run.run_id)
        if tonight.is_rebuild:
            for table in tables:
                yield dg.MaterializeResult(
                    asset_key=raw_key(table.name), metadata=nothing_comes(tonight)
                )
            return
        try:
            loaded = load_feed(tonight, feed)
        except BatchMissing as error:
            raise dg.Failure(
                f"{error}: a raw table is loaded from the batch of its own run, so select "
                f"landing/{feed} with it, or launch a nightly job",
                allow_retries=False,
            ) from error
        with open_build(tonight.settings) as connection:
            age = read_feed_age(connection, feed)
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
                    **_age_metadata(age),
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
        description=_describe(finding),
        metadata={
            "failing_rows": finding.failing_rows,
            "examples": dg.MetadataValue.md(
                "\n".join(f"- {example}" for example in finding.examples) or "none"
            ),
        },
    )


def _describe(finding: Finding, most: int = 3) -> str:
    """Return the finding with its first examples: which item, which row, why."""
    if finding.passed or not finding.examples:
        return finding.message
    shown = "\n".join(f"- {example}" for example in finding.examples[:most])
    more = len(finding.examples) - most
    return f"{finding.message}\n\n{shown}" + (f"\n- … and {more} more" if more > 0 else "")


def _age_metadata(age: FeedAge) -> Mapping[str, Any]:
    """Return how old the feed's items are, and a table of those that are stale or silent."""
    said: dict[str, Any] = {
        "newest_on": f"{age.newest_on or 'no item has a date'}",
        "stale_items": age.stale_items,
    }
    if age.oldest_item is not None:
        said["oldest_item"] = f"{age.oldest_item}: {age.oldest_on}"
    if len(age.behind):
        head = "| item | newest | stale since | required | answer |\n|---|---|---|---|---|"
        rows = [
            f"| {row['item']} | {_day(row['newest_on'], 'never')} "
            f"| {_day(row['stale_since'], 'never had a row' if row['is_stale'] else 'not stale')} "
            f"| {'yes' if row['is_required'] else 'no'} "
            f"| {row['status']}{'' if pd.isna(row['detail']) else ': ' + row['detail']} |"
            for row in age.behind.head(50).to_dict("records")
        ]
        more = [f"| … and {len(age.behind) - 50} more | | | | |"] if len(age.behind) > 50 else []
        said["behind"] = dg.MetadataValue.md("\n".join([head, *rows, *more]))
    return said


def _day(value: Any, missing: str) -> str:
    return missing if pd.isna(value) else f"{value:%Y-%m-%d}"


def _raw_spec(table: RawTable, branch: str, loaders: list[dg.AssetKey]) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=raw_key(table.name),
        deps=[landing_key(table.feed), *loaders],
        group_name=branch,
        kinds={"duckdb", "table"},
        owners=OWNERS,
        description=f"{table.description}\n\nAppend-only ({table.revision}); "
        f"key ({', '.join(table.key)}). Loaded from the batch of the same run: materialise it "
        f"together with `landing/{table.feed}`.",
        tags=asset_tags("raw", branch),
        metadata={
            **code_references(PACKAGE_DIR / "storage/contracts.py"),
            "dagster/table_name": f"warehouse.raw.{table.name}",
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
