"""The nights that several tests read."""

from __future__ import annotations

from datetime import date

import pytest

from tests.fakes.nights import NightResult, run_sample_night


@pytest.fixture(scope="session")
def first_night(tmp_path_factory: pytest.TempPathFactory) -> NightResult:
    """The first whole night, two days before the sample world ends."""
    return run_sample_night(tmp_path_factory.mktemp("night"), as_of=date(2025, 10, 8))
