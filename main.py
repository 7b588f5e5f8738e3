"""The command line: `python main.py --sources cams.yaml` is the main job."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from pipeline import cli_commands, cli_reid
from pipeline.cli_options import (
    LOOK,
    MAIN,
    TOOLS,
    Commands,
    DbUrl,
    Json,
    MediaDir,
    Quiet,
    Resume,
    Sources,
    StoreDir,
    Workers,
    finish,
    on_archive,
    options_given,
    pass_on,
)
from pipeline.cli_output import Result
from pipeline.cli_session import DEFAULT_STORE, Session, session
from reid.cli import app as reid_app

app = typer.Typer(
    cls=Commands,
    name="crosswalk",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Examples: [bold]python main.py --sources configs/demo.yaml[/] runs the built-in demo, "
    "[bold]python main.py ui[/] opens the search.  Exit codes: 0 done, 1 failed (see the "
    "log), 2 bad input, 130 interrupted.",
)


@app.callback(invoke_without_command=True)
def main(
    ctx: typer.Context,
    sources: Sources = None,
    store: StoreDir = DEFAULT_STORE,
    db: DbUrl = None,
    media: MediaDir = None,
    resume: Resume = False,
    quiet: Quiet = False,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Follow people through many cameras, give each one identity, and search by picture.

    Without a command, [bold]--sources[/] runs the main job: detect, embed, track, associate, store.
    """
    given = options_given(ctx)
    if ctx.invoked_subcommand is not None:
        pass_on(ctx, given)
    elif given:
        run_command(sources, store, db, media, resume, quiet, workers, as_json)
    else:
        typer.echo(ctx.get_help())


@app.command("run", rich_help_panel=MAIN)
def run_command(
    sources: Sources = None,
    store: StoreDir = DEFAULT_STORE,
    db: DbUrl = None,
    media: MediaDir = None,
    resume: Resume = False,
    quiet: Quiet = False,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Detect, embed, track, associate and store; the same as no command at all."""
    from pipeline.cli_run import run_job

    with session(store, db, media, as_json, level=logging.INFO, create=True) as current:
        result = run_job(current, sources, resume=resume, quiet=quiet, workers=workers)
        finish(current, result)


@app.command(rich_help_panel=LOOK)
def ui(
    sources: Annotated[
        Path | None,
        typer.Option("--sources", metavar="YAML", help="Take the ui settings of this file."),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option("--host", metavar="NAME", help="Address; others than 127.0.0.1 need a login."),
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", metavar="N", min=1, max=65535, help="TCP port.")
    ] = None,
    browser: Annotated[bool, typer.Option("--browser", metavar="", help="Open a browser.")] = False,
    store: StoreDir = DEFAULT_STORE,
    db: DbUrl = None,
    media: MediaDir = None,
) -> None:
    """Serve the search page: pictures, people, clips, cameras."""
    from pipeline.cli_search import models_of
    from pipeline.cli_ui import ui_config

    with session(store, db, media, False, level=logging.INFO) as current:
        config = ui_config(sources, host, port)
        archive = current.store()
        from ui.serve import serve

        service, detector = models_of(archive)
        detector.load()
        running = serve(archive, service, detector, config, open_browser=browser)
        typer.echo(f"{running.url}  (Ctrl-C ends it)", file=current.stdout)
        current.stdout.flush()
        running.wait()


@on_archive(app, LOOK)
def search(
    current: Session,
    image: Annotated[
        Path | None, typer.Option("--image", metavar="PICTURE", help="Who to look for.")
    ] = None,
    wearing: Annotated[
        str | None,
        typer.Option(
            "--wearing",
            metavar="WORDS",
            help='Who probably wears or carries that, such as "red upper, backpack"; alternatives '
            'may be given, as in "red upper, blue upper". Alone: all who fit, best first.',
        ),
    ] = None,
    camera: Annotated[
        list[str] | None, typer.Option("--camera", metavar="ID", help="Only here; repeatable.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="ISO 8601, such as 2026-01-05T09:00+01:00."),
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Likewise.")] = None,
    top: Annotated[
        int, typer.Option("--top", metavar="N", min=1, max=500, help="Identities to show.")
    ] = 10,
    person: Annotated[
        int | None,
        typer.Option("--person", metavar="N", help="Which person in it; 1 is the largest."),
    ] = None,
    whole: Annotated[
        bool,
        typer.Option(
            "--whole", metavar="", help="The picture is a crop: look for no people in it."
        ),
    ] = False,
) -> Result:
    """Find a person by picture, clothing or both: who it may be, where and when, and why."""
    from pipeline import cli_search

    cli_search.check_subject(image, wearing, person=person, whole=whole)
    archive = current.store()
    known = [row.id for row in archive.cameras()]
    where = cli_search.search_filter(camera or [], start, end, known)
    return cli_search.search(
        archive, image, where, wearing=wearing, person=person, whole=whole, top=top
    )


app.add_typer(cli_commands.app)
app.add_typer(
    reid_app, name="reid", rich_help_panel=TOOLS, context_settings={"obj": cli_reid.STORES}
)


@app.command(hidden=True)
def docs(ctx: typer.Context) -> None:
    """Write docs/COMMANDS.md and docs/CONFIGURATION.md from the program itself."""
    from pipeline.cli_docs import write_pages

    for page in write_pages(ctx.find_root().command):
        typer.echo(page)


def run() -> None:
    """Entry point of the installed program."""
    app()


if __name__ == "__main__":
    run()
