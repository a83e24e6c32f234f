"""Which code ran: the package's version and, in a checkout, the commit."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache

from pipelines import __version__
from pipelines.settings import PROJECT_DIR


@cache
def code_version() -> str:
    """Return e.g. `0.1.0+3f2a9c1` (`.dirty` where tracked files differ), `0.1.0` with no git."""
    git = shutil.which("git")
    if git is None or not (PROJECT_DIR / ".git").exists():
        return __version__

    def ask(*arguments: str) -> str | None:
        done = subprocess.run(  # noqa: S603 - fixed arguments, resolved executable
            [git, "-C", str(PROJECT_DIR), *arguments], capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else None

    commit = ask("rev-parse", "--short", "HEAD")
    if not commit:
        return __version__
    dirty = ".dirty" if ask("status", "--porcelain", "--untracked-files=no") else ""
    return f"{__version__}+{commit}{dirty}"
