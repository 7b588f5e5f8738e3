"""Commands on an archive that is there already; `main.py` adds them to its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline import cli_lists
from pipeline.cli_options import (
    LOOK,
    MAIN,
    PEOPLE,
    TOOLS,
    Json,
    RunName,
    Yes,
    finish,
    on_archive,
)
from pipeline.cli_output import Result
from pipeline.cli_session import DEFAULT_STORE, Session, session
from pipeline.cli_track_eval import track_eval
from pipeline.cli_track_tune import track_tune

if TYPE_CHECKING:
    from storage.store import Store

app = typer.Typer()


def _listing(what: Callable[[Store], Result]) -> None:
    """Add a command that shows one list."""

    def show(current: Session) -> Result:
        return what(current.store())

    show.__name__, show.__doc__ = what.__name__, what.__doc__
    on_archive(app, LOOK)(show)


for _what in (cli_lists.identities, cli_lists.cameras, cli_lists.runs):
    _listing(_what)


@on_archive(app, MAIN)
def associate(
    current: Session,
    sources: Annotated[
        Path | None,
        typer.Option("--sources", metavar="YAML", help="Settings; default: the newest run's."),
    ] = None,
) -> Result:
    """Decide again who is who, over the whole archive; an operator's decisions stay."""
    from pipeline import cli_archive
    from pipeline.config import load_config

    config = load_config(sources) if sources else None
    return cli_archive.associate(current.store(), config)


@on_archive(app, TOOLS)
def reembed(
    current: Session,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            metavar="FILE",
            help="Weight file, such as `reid train` writes; default: the shipped one.",
        ),
    ] = None,
    fit: Annotated[
        bool, typer.Option("--fit/--no-fit", help="Measure batch statistics on its pictures.")
    ] = False,
) -> Result:
    """Embed all stored pictures anew, after a retraining or for better weights of a new version."""
    from pipeline import cli_archive

    return cli_archive.reembed(current.store(), current.place.folder, weights, fit=fit)


@on_archive(app, MAIN)
def evaluate(
    current: Session,
    gt: Annotated[
        Path,
        typer.Option("--gt", metavar="DIR", help="CAMERA.txt (MOTChallenge), ignore_CAMERA.txt."),
    ],
    run_name: RunName = None,
    max_frame: Annotated[
        int | None,
        typer.Option(
            "--max-frame",
            metavar="N",
            min=1,
            help="Last frame that counts; default: last labelled.",
        ),
    ] = None,
) -> Result:
    """Score a run against labelled cameras: IDF1, MOTA, HOTA, and IDF1 across cameras."""
    from pipeline import cli_archive

    return cli_archive.evaluate(current.store(), gt, run_name, max_frame)


@on_archive(app, MAIN)
def export(
    current: Session,
    mot: Annotated[
        Path, typer.Option("--mot", metavar="DIR", help="Folder for one CAMERA.txt per camera.")
    ],
    run_name: RunName = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", metavar="", help="Replace files that are there.")
    ] = False,
) -> Result:
    """Write MOTChallenge files, one identity space over all cameras."""
    from pipeline import cli_archive

    return cli_archive.export(current.store(), mot, run_name, overwrite)


@on_archive(app, PEOPLE)
def erase(
    current: Session,
    identity: Annotated[int, typer.Option("--identity", metavar="N", help="The person.")],
    yes: Yes = False,
) -> Result:
    """Remove a person: rows, vectors, pictures and clips; says what was removed."""
    from pipeline import cli_erase

    return cli_erase.erase(current.store(), identity, yes=yes)


@on_archive(app, PEOPLE)
def retention(
    current: Session,
    days: Annotated[
        float, typer.Option("--days", metavar="N", help="Remove who was last seen earlier.")
    ],
    yes: Yes = False,
) -> Result:
    """Remove everything older than so many days."""
    from pipeline import cli_erase

    return cli_erase.retain(current.store(), days, yes=yes)


@on_archive(app, PEOPLE)
def audit(
    current: Session,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="Most lines to show.")
    ] = 50,
) -> Result:
    """Show who searched, exported, decided and erased what, newest first."""
    return cli_lists.audit(current.store(), limit)


app.command("track-eval", rich_help_panel=TOOLS)(track_eval)
app.command("track-tune", rich_help_panel=TOOLS)(track_tune)


@app.command("demo-gt", rich_help_panel=TOOLS)
def demo_gt(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the files.")],
    as_json: Json = False,
) -> None:
    """Write the ground truth of the built-in demo, for `evaluate --gt DIR`."""
    from pipeline import cli_tools

    with session(DEFAULT_STORE, None, None, as_json) as current:
        finish(current, cli_tools.demo_ground_truth(directory))


@app.command(rich_help_panel=TOOLS)
def keys(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the pair.")],
    name: Annotated[str, typer.Option("--name", help="Name of the two files.")] = "crosswalk",
    as_json: Json = False,
) -> None:
    """Make a pair of CURVE keys for a tcp:// channel between workers and hub."""
    from pipeline import cli_tools

    with session(DEFAULT_STORE, None, None, as_json) as current:
        finish(current, cli_tools.make_keys(directory, name))


@app.command(rich_help_panel=TOOLS)
def version(as_json: Json = False) -> None:
    """Show the versions of the program and of what it stands on."""
    from pipeline import cli_tools

    with session(DEFAULT_STORE, None, None, as_json) as current:
        finish(current, cli_tools.versions())
