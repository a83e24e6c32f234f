"""What the command's exit code says to whatever started it."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of `smallcaps run`."""

    PUBLISHED = 0
    REFUSED = 1
    USAGE = 2
    REQUIRED_MISSING = 3
