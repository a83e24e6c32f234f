"""The root of the error tree, for what is nobody's fault but ours or the user's.

What a *source* can do wrong is in `pipelines.sources.errors`.
"""

from __future__ import annotations


class SmallcapsError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigurationError(SmallcapsError):
    """The environment, the command line or the catalogue does not make sense. Exit code 2."""
