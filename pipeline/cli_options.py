"""The command line's frame: options that many commands share, and how a command ends."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pipeline.cli_errors import exit_codes
from pipeline.cli_output import Result
from pipeline.cli_session import Session

MAIN, LOOK, PEOPLE, TOOLS = "The job", "Search and look", "Privacy", "Tools"
"""Panels of the help, in this order."""

StoreDir = Annotated[
    Path, typer.Option("--store", metavar="DIR", help="Archive: database, pictures, logs.")
]
DbUrl = Annotated[
    str | None,
    typer.Option("--db", metavar="URL", help="Database elsewhere (PostgreSQL); needs --media."),
]
MediaDir = Annotated[
    Path | None, typer.Option("--media", metavar="DIR", help="Pictures elsewhere.")
]
Json = Annotated[
    bool,
    typer.Option(
        "--json", metavar="", help="One JSON object on standard output, nothing else there."
    ),
]
Sources = Annotated[
    Path | None, typer.Option("--sources", metavar="YAML", help="Cameras and settings.")
]
Resume = Annotated[
    bool, typer.Option("--resume", metavar="", help="Go on with the newest unfinished run.")
]
Quiet = Annotated[
    bool, typer.Option("--quiet", metavar="", help="Log lines instead of a live table.")
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", metavar="N", min=1, max=1024, help="Processes that share the cameras."
    ),
]
RunName = Annotated[
    str | None,
    typer.Option("--run", metavar="UUID", help="A run, or 'all'; default: the newest."),
]
Yes = Annotated[
    bool, typer.Option("--yes", metavar="", help="Do it; without this nothing is removed.")
]


class Commands(TyperGroup):
    """The commands; every error leaves as one sentence and an exit code."""

    def main(self, *args: Any, **settings: Any) -> Any:
        """Run the command line; never returns."""
        with exit_codes():
            code = super().main(*args, **{**settings, "standalone_mode": False})
        raise SystemExit(code if isinstance(code, int) else 0)


def finish(current: Session, result: Result) -> None:
    """Print a result and leave with its exit code.

    Raises:
        typer.Exit: the code is not 0.
    """
    if result.blocks or current.as_json:
        current.show(result)
    for line in result.problems:
        typer.echo(line, err=True)
    if result.exit_code:
        raise typer.Exit(result.exit_code)


def options_given(ctx: typer.Context) -> dict[str, Any]:
    """The options that were typed before a command, by parameter name."""
    return {
        name: value
        for name, value in ctx.params.items()
        if getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"
    }


def pass_on(ctx: typer.Context, given: dict[str, Any]) -> None:
    """Make options that were written before a command the command's.

    Raises:
        typer.BadParameter: the command has no such option.
    """
    name = ctx.invoked_subcommand or ""
    command = ctx.command.commands[name]  # type: ignore[attr-defined]
    known = {parameter.name for parameter in command.params}
    for parameter in ctx.command.params:
        if parameter.name in given and parameter.name not in known:
            raise typer.BadParameter(f"{parameter.opts[0]} is not an option of {name}.")
    ctx.default_map = {name: given}
