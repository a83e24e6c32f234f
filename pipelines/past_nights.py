"""A past day rebuilt: no source is asked, and every mart as it would have stood at its end.

A run whose day lies before the newest night works in a copy of the build file (`begin_past`), in
which dbt uses only what was known and loaded by then, and ends in a version of its own beside the
published ones (`storage.publish`), which the link never shows. Two days are told apart: on or after
our first load a rebuild gives what was published that day; before it there was nothing here, and it
gives what could have been published, from values that were public by then but loaded later.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import date

from pipelines.errors import ConfigurationError
from pipelines.night import BRANCHES, FEEDS_OF_BRANCH, Night
from pipelines.storage import meta
from pipelines.storage.past_copy import (
    clear_copies,
    copy_build,
    copy_settings,
    feeds_loaded_by,
    first_loaded_on,
    give_back,
)
from pipelines.storage.warehouse import Connection, open_build

log = logging.getLogger("pipelines.steps")

EVERY_LOAD = date(9999, 12, 31)


def lies_in_the_past(night: Night, connection: Connection) -> bool:
    """Return whether the night's day lies before the newest night of this warehouse.

    Raises:
        ConfigurationError: it does although nobody named a day (the clock has gone back), or the
            run asks for one branch alone or for whole histories, which a rebuild cannot do.
    """
    newest = meta.newest_as_of(connection)
    if newest is None or night.as_of >= newest or night.from_landing is not None:
        return False
    if night.settings.as_of is None:
        raise ConfigurationError(
            f"by this machine's clock the newest closed day is {night.as_of}, but this warehouse "
            f"already holds the night of {newest}: has the clock gone back? Set it and run again"
        )
    told = f"--as-of {night.as_of} lies before the newest night ({newest}), so it is a rebuild"
    if set(night.branches) != set(BRANCHES):
        raise ConfigurationError(f"{told} of all branches: leave out --only")
    if night.settings.full_refresh:
        raise ConfigurationError(f"{told}, which asks no source: leave out --full-refresh")
    return True


def begin_past(night: Night) -> Night:
    """Copy the build file and return the night that works in the copy.

    Its branches are those of which something may be used, its `loaded_by` the day itself, or no
    limit where the day lies before our first load or `with_late_loads` is asked for.

    Raises:
        DiskFull: there is no space for a second build file.
    """
    with open_build(night.settings) as connection:
        first = first_loaded_on(connection)
        late = night.with_late_loads or first is None or night.as_of < first
        loaded_by = EVERY_LOAD if late else night.as_of
        feeds = feeds_loaded_by(connection, loaded_by)
    log.info("copying the build file for %s", night.as_of)
    copied = copy_settings(night.settings, night.run_id)
    copy_build(night.settings, copied, as_of=night.as_of)
    branches = tuple(b for b in BRANCHES if feeds & set(FEEDS_OF_BRANCH[b]))
    return replace(
        night, settings=copied, home=night.settings, branches=branches, loaded_by=loaded_by
    )


def end_past(night: Night) -> None:
    """Write what became of the rebuild into the build file, and remove the copy."""
    if night.home is None:
        return
    try:
        give_back(night.home, night.settings, night.run_id)
    finally:
        clear_copies(night.home)
