"""The command line's frame: options that many commands share, and how a command ends."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

from pipeline.cli_errors import exit_codes
from pipeline.cli_output import Result
from pipeline.cli_session import DEFAULT_STORE, Session, session

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


Work = TypeVar("Work", bound=Callable[..., Result])


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


def on_archive(app: typer.Typer, panel: str) -> Callable[[Work], Work]:
    """Make a function a command on an archive, of the same name and with its docstring as help.

    The function takes the `Session` and its own options and returns what is to be shown; the
    command has `--store`, `--db`, `--media` and `--json` besides.

    Args:
        app: what the command is added to.
        panel: of the help.
    """

    def add(work: Work) -> Work:
        def command(
            store: StoreDir = DEFAULT_STORE,
            db: DbUrl = None,
            media: MediaDir = None,
            as_json: Json = False,
            **own: Any,
        ) -> None:
            with session(store, db, media, as_json) as current:
                finish(current, work(current, **own))

        _, *own = inspect.signature(work, eval_str=True).parameters.values()
        *place, _ = inspect.signature(command, eval_str=True).parameters.values()
        command.__signature__ = inspect.Signature([*own, *place])  # type: ignore[attr-defined]
        app.command(work.__name__, help=inspect.getdoc(work), rich_help_panel=panel)(command)
        return work

    return add


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
