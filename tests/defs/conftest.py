"""The definitions as Dagster sees them, resolved once."""

from __future__ import annotations

import dagster as dg
import pytest


@pytest.fixture(scope="session")
def repository() -> dg.RepositoryDefinition:
    from pipelines.definitions import defs

    return defs.get_repository_def()


@pytest.fixture(scope="session")
def specs(repository: dg.RepositoryDefinition) -> dict[str, dg.AssetSpec]:
    """Every asset that we make, by its key; what dbt only reads from is not among them."""
    return {
        spec.key.to_user_string(): spec
        for definition in repository.assets_defs_by_key.values()
        if definition.is_executable
        for spec in definition.specs
    }


@pytest.fixture(scope="session")
def check_specs(repository: dg.RepositoryDefinition) -> dict[dg.AssetCheckKey, dg.AssetCheckSpec]:
    """Every check: those with a step of their own, and those that a dbt build runs."""
    makers = [
        *repository.asset_checks_defs_by_key.values(),
        *repository.assets_defs_by_key.values(),
    ]
    return {spec.key: spec for definition in makers for spec in definition.check_specs}
