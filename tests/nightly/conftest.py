"""The nights that several tests read."""

from __future__ import annotations

import shutil
from datetime import date

import pytest

from tests.fakes.nights import NightResult, run_sample_night


@pytest.fixture(scope="session")
def first_night(tmp_path_factory: pytest.TempPathFactory) -> NightResult:
    """The first whole night, two days before the sample world ends."""
    return run_sample_night(tmp_path_factory.mktemp("night"), as_of=date(2025, 10, 8))


@pytest.fixture(scope="session")
def same_night(first_night: NightResult, tmp_path_factory: pytest.TempPathFactory) -> NightResult:
    """The first night once more, in a copy: other tests read the first as it was."""
    warehouse = tmp_path_factory.mktemp("nights") / "night"
    shutil.copytree(first_night.settings.warehouse, warehouse, symlinks=True)
    return run_sample_night(warehouse, as_of=date(2025, 10, 8))


@pytest.fixture(scope="session")
def later_night(same_night: NightResult) -> NightResult:
    """The sample world's last night, in the warehouse of `same_night`."""
    return run_sample_night(same_night.settings.warehouse, as_of=date(2025, 10, 10))
