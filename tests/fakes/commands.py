"""The commands of `smallcaps` and their options, from the command itself."""

from __future__ import annotations

import typer

from pipelines.cli import app


def known_commands() -> dict[str, set[str]]:
    """Each subcommand with its options."""
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    return {
        name: {option for parameter in command.params for option in parameter.opts} | {"--help"}
        for name, command in group.commands.items()
    }
