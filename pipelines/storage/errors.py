"""What can go wrong where data is kept. Every message says what to do, none carries a key.

What a *source* can do wrong is in `pipelines.sources.errors`.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.errors import ConfigurationError, SmallcapsError


class StorageError(SmallcapsError):
    """Landing, the build file or the published file is not as it should be."""


class LandingCorrupt(StorageError):
    """A landed file cannot be read, or its content is not what was landed. Names file and run."""


class BatchMissing(StorageError):
    """No such batch in landing: never written, or its run died before the manifest."""


class LandingRefused(StorageError):
    """What was to be landed does not fit the contract, or would replace a judged batch."""


class LoadRefused(StorageError):
    """A batch breaks a rule of its raw table. Nothing was loaded."""

    def __init__(self, table: str, rule: str, examples: Sequence[str] = ()) -> None:
        """Name the table, the rule and a few of the rows that break it."""
        shown = f" ({'; '.join(examples)})" if examples else ""
        super().__init__(f"raw.{table}: {rule}{shown}")
        self.table = table
        self.rule = rule
        self.examples = tuple(examples)


class BackupRefused(StorageError):
    """A backup cannot be written there, or cannot be restored from there. Nothing was changed."""


class WarehouseBusy(StorageError):
    """Another process (or an open connection of this one) holds the build file."""


class PublishRefused(StorageError):
    """What was built may not be published: a check is missing or failed, or a copy differs."""


class RequiredDataMissing(StorageError):
    """A required dataset is older than its limit; the last publication stays. Exit code 3."""


class QueryRefused(ConfigurationError):
    """A statement that DuckDB does not accept on the published file. Exit code 2."""


class NothingPublished(StorageError):
    """There is no published version (or not the one that was asked for)."""


class BuildUnusable(StorageError):
    """The build file is damaged, or a .wal beside it belongs to another file."""


class DiskFull(StorageError):
    """No space for what is to be written. What was there before is as it was."""


class NotWritable(ConfigurationError):
    """This user may not write where the state is kept. Exit code 2."""
