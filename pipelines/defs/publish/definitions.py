"""The publication as an asset: the end of every night."""

from collections.abc import Iterator

import dagster as dg

from pipelines.defs.dbt.definitions import MANIFEST
from pipelines.defs.dbt.translator import TRANSLATOR
from pipelines.defs.gates import OWNERS, POOL, asset_tags, code_references
from pipelines.defs.publish.report_facts import report_metadata
from pipelines.publication import PUBLISHED_SCHEMAS, publish_night
from pipelines.resources import NightResource
from pipelines.settings import PACKAGE_DIR

PUBLISHED_KEY = dg.AssetKey(["published", "warehouse"])
REPORT_KEY = dg.AssetKey(["published", "report"])

_PUBLISHED_MODELS = [
    TRANSLATOR.get_asset_key(node)
    for node in MANIFEST["nodes"].values()
    if node["resource_type"] == "model" and node["schema"] in PUBLISHED_SCHEMAS
]


def _spec(key: dg.AssetKey, description: str, *paths: str, kind: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        deps=_PUBLISHED_MODELS,
        skippable=True,
        description=description,
        group_name="published",
        kinds={kind},
        owners=OWNERS,
        tags=asset_tags("published", "all"),
        metadata=code_references(*(PACKAGE_DIR / path for path in paths)),
    )


@dg.multi_asset(
    name="published__warehouse",
    specs=[
        _spec(
            PUBLISHED_KEY,
            "One version of the marts and of meta, in a DuckDB file of its own, verified and then "
            "linked.\n\nNothing is published unless every named check ran and passed in this very "
            "run, whatever the run's colour says. Readers open "
            "`published/current/warehouse.duckdb`; the newest seven versions are kept, and "
            "`smallcaps publish --rollback` repoints the link.",
            "publication.py",
            "storage/publish.py",
            kind="duckdb",
        ),
        _spec(
            REPORT_KEY,
            "The night for people: one self-contained HTML file and a PDF of it beside the "
            "version's file.\n\nThe four answers, what changed since the version before, signals "
            "with their evidence, checks, sources, claims. It is made from the verified file "
            "before the link moves, so a version that readers see is whole.",
            "report/make.py",
            kind="html",
        ),
    ],
    pool=POOL,
    # Either may be launched alone; both come of one publication, and what is not asked for is not
    # told of.
    can_subset=True,
)
def published_warehouse(
    context: dg.AssetExecutionContext, night: NightResource
) -> Iterator[dg.MaterializeResult[None]]:
    """Publish one version, with its report, or nothing."""
    publication = publish_night(night.begin(context.run.run_id), MANIFEST)
    rows = "\n".join(f"| {table} | {n:,} |" for table, n in publication.row_counts.items())
    warehouse = dg.MaterializeResult[None](
        asset_key=PUBLISHED_KEY,
        metadata={
            "version": publication.version,
            "path": dg.MetadataValue.path(str(publication.path)),
            "checks_passed": publication.checks_passed,
            "checks_warned": publication.checks_warned,
            "dagster/row_count": sum(publication.row_counts.values()),
            "rows": dg.MetadataValue.md(f"| table | rows |\n|---|---:|\n{rows}"),
        },
    )
    report = dg.MaterializeResult[None](
        asset_key=REPORT_KEY, metadata=report_metadata(publication.path)
    )
    chosen = context.op_execution_context.selected_asset_keys
    yield from (result for result in (warehouse, report) if result.asset_key in chosen)


defs = dg.Definitions(assets=[published_warehouse])
