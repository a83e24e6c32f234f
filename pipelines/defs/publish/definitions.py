"""The publication as an asset: the end of every night."""

import dagster as dg

from pipelines.defs.dbt.definitions import MANIFEST
from pipelines.defs.dbt.translator import TRANSLATOR
from pipelines.defs.gates import OWNERS, POOL, asset_tags, code_references
from pipelines.publication import PUBLISHED_SCHEMAS, publish_night
from pipelines.resources import NightResource
from pipelines.settings import PACKAGE_DIR

PUBLISHED_KEY = dg.AssetKey(["published", "warehouse"])

_PUBLISHED_MODELS = [
    TRANSLATOR.get_asset_key(node)
    for node in MANIFEST["nodes"].values()
    if node["resource_type"] == "model" and node["schema"] in PUBLISHED_SCHEMAS
]


@dg.asset(
    key=PUBLISHED_KEY,
    deps=_PUBLISHED_MODELS,
    group_name="published",
    kinds={"duckdb"},
    owners=OWNERS,
    pool=POOL,
    tags=asset_tags("published", "all"),
    metadata=code_references(PACKAGE_DIR / "publication.py", PACKAGE_DIR / "storage/publish.py"),
)
def published_warehouse(
    context: dg.AssetExecutionContext, night: NightResource
) -> dg.MaterializeResult[None]:
    """One version of the marts and of meta, in a DuckDB file of its own, verified and then linked.

    Nothing is published unless every named check ran and passed in this very run, whatever the
    run's colour says. Readers open `published/current/warehouse.duckdb`; the newest seven versions
    are kept, and `smallcaps publish --rollback` repoints the link.
    """
    publication = publish_night(night.begin(context.run.run_id), MANIFEST)
    rows = "\n".join(f"| {table} | {n:,} |" for table, n in publication.row_counts.items())
    return dg.MaterializeResult(
        metadata={
            "version": publication.version,
            "path": dg.MetadataValue.path(str(publication.path)),
            "checks_passed": publication.checks_passed,
            "checks_warned": publication.checks_warned,
            "dagster/row_count": sum(publication.row_counts.values()),
            "rows": dg.MetadataValue.md(f"| table | rows |\n|---|---:|\n{rows}"),
        }
    )


defs = dg.Definitions(assets=[published_warehouse])
