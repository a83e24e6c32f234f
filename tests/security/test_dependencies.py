"""What the lock files may hold: every package with its hash, none that a known advisory names.

`make audit` asks the live list of advisories; `requirements/advisories.csv` is what is known
without a network: for each package the first version in which the named hole is closed.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from packaging.version import Version

REQUIREMENTS = Path(__file__).parents[2] / "requirements"
LOCKS = sorted(REQUIREMENTS.glob("*.txt"))
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]+\])?==([^\s;\\]+)")


def read_advisories() -> list[tuple[str, Version, str]]:
    """Return (package, first version without the hole, advisory)."""
    with (REQUIREMENTS / "advisories.csv").open(newline="", encoding="utf-8") as lines:
        return [
            (row["package"], Version(row["fixed_in"]), row["advisory"])
            for row in csv.DictReader(lines)
        ]


def read_lock(text: str) -> dict[str, Version]:
    """Return the locked version of every package of a lock file's text."""
    found = [match for line in text.splitlines() if (match := PINNED.match(line))]
    return {m[1].lower().replace("_", "-"): Version(m[2]) for m in found}


def find_holes(locked: dict[str, Version]) -> list[str]:
    """Return what is locked below the version that closes a known hole."""
    return [
        f"{package} {locked[package]}: {advisory}, closed in {fixed_in}"
        for package, fixed_in, advisory in read_advisories()
        if package in locked and locked[package] < fixed_in
    ]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_no_locked_version_has_a_hole_that_is_known(lock: Path) -> None:
    locked = read_lock(lock.read_text(encoding="utf-8"))
    assert locked
    assert find_holes(locked) == []


def test_a_version_with_a_hole_is_named() -> None:
    assert find_holes(read_lock("requests==2.31.0 \\\n    --hash=sha256:00\n")) == [
        "requests 2.31.0: CVE-2024-47081, closed in 2.32.4"
    ]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_locked_package_has_a_hash(lock: Path) -> None:
    entries = re.split(r"\n(?=[A-Za-z0-9])", lock.read_text(encoding="utf-8"))
    pinned = [entry for entry in entries if PINNED.match(entry)]
    assert pinned
    assert [entry.split()[0] for entry in pinned if "--hash=sha256:" not in entry] == []
