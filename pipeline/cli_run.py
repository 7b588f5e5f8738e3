"""The main job as a command: detect, embed, track, store, then associate and sum up."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cli_errors import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_INTERRUPTED
from pipeline.cli_output import Grid, Result
from pipeline.cli_session import Place, Session, actor
from storage.errors import StoreError

if TYPE_CHECKING:
    from pipeline.association.associator import AssociationSummary
    from pipeline.config import RunConfig
    from pipeline.evaluation import Report
    from pipeline.summary import RunSummary
    from pipeline.supervisor import RunOptions
    from storage.store import Store

logger = logging.getLogger(__name__)

DAY_S = 86400.0
_RESUME_HINT = "Stopped. Everything seen so far is stored; to go on where it stopped:"


def run_job(
    session: Session,
    sources: Path | None,
    *,
    resume: bool = False,
    quiet: bool = False,
    workers: int | None = None,
    options: RunOptions | None = None,
) -> Result:
    """Process the cameras of a configuration, give people identities, and sum up.

    Args:
        session: the command.
        sources: the YAML file.
        resume: take up the newest unfinished run.
        quiet: log lines instead of a live table.
        workers: processes to use instead of what the file says.
        options: for the supervisor.

    Raises:
        ConfigError, StoreError: see `pipeline.supervisor.run`; nothing was written then.
    """
    from pipeline.progress import make_reporter
    from pipeline.site_model import with_site_model
    from pipeline.supervisor import RunOptions, run

    config = _checked_config(sources, workers)
    place = session.place
    _check_writable(place.folder)
    if config.retention_days is not None:
        _forget_old(place, config.retention_days)
    if options is None or options.stages == RunOptions().stages:
        new = not resume and _is_new(place)
        config = with_site_model(config, place.folder, archive_is_new=new)
        if not new and not resume:  # a run that is resumed keeps what it began with
            check_embedder(place, config)
    reporter = make_reporter(quiet)
    where = (place.url, place.media, place.folder)
    summary = run(config, *where, resume=resume, reporter=reporter, options=options)
    store = session.store()
    association, took_s = _associated(store, config, summary)
    report = demo_report(store, config, summary.run_uuid) if _complete(summary) else None
    result = _result(place, Path(sources or ""), store, summary, association, took_s, report)
    return replace(result, problems=problems(summary, reporter.warnings.shown()))


def _checked_config(sources: Path | None, workers: int | None) -> RunConfig:
    """The configuration, with `--workers` on top."""
    from pipeline.config import ConfigError, load_config

    if sources is None:
        raise ConfigError("--sources: missing; name a YAML file, such as configs/demo.yaml")
    config = load_config(sources)
    return config if workers is None else config.model_copy(update={"workers": workers})


def _check_writable(folder: Path) -> None:
    """Refuse at once, and write nothing, where no archive can be."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise StoreError(f"{folder}: {there} is not a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise StoreError(f"{folder}: {there} cannot be written")


def _is_new(place: Place) -> bool:
    """Whether the archive has no tracklets yet, so that its embedder may still be chosen."""
    from storage.store import Store

    try:
        with Store.open(place.url, place.media, create=False) as store:
            return not any(row.tracklet_count for row in store.cameras())
    except StoreError:
        return True  # there is none yet; what is wrong otherwise the run will say


def check_embedder(place: Place, config: RunConfig) -> None:
    """Refuse to add vectors that cannot be compared with those that are there.

    Raises:
        ConfigError: it is so. ReidError: weights that cannot be used.
    """
    from pipeline.config import ConfigError
    from reid.weights_file import DEFAULT_WEIGHTS, load_weights
    from storage.store import Store

    weights = Path(config.embedder.weights or DEFAULT_WEIGHTS)
    try:
        with Store.open(place.url, place.media, create=False) as store:
            there = store.pictures_by_fingerprint()
    except StoreError:
        return  # there is none yet; what is wrong otherwise the run will say
    fingerprint = load_weights(weights)[2] if there else ""
    others = ", ".join(f"{name} ({n} pictures)" for name, n in there.items() if name != fingerprint)
    if others:
        raise ConfigError(
            f"embedder.weights: {weights.name} ({fingerprint}) is not the embedder of this "
            f"archive, {others}; run `{place.command('reembed')}` first, name the weights of that "
            "time, or start another --store"
        )


def _forget_old(place: Place, days: float) -> None:
    """Apply the configured retention to an archive that is there already."""
    from storage.store import Store

    try:
        store = Store.open(place.url, place.media, create=False)
    except StoreError:
        return  # there is none yet; what is wrong otherwise the run will say
    with store:
        report = store.apply_retention(days * DAY_S, time.time(), actor())
    if report.tracklets:
        logger.info("retention_days: %d tracklets removed", report.tracklets)


def _complete(summary: RunSummary) -> bool:
    """Whether all that was closed is in the database."""
    return summary.state == "finished"


def _associated(
    store: Store, config: RunConfig, summary: RunSummary
) -> tuple[AssociationSummary | None, float]:
    """Give identities to what is stored; returns what was decided, and the seconds it took."""
    from pipeline.association.associator import Associator

    if not summary.tracklets:
        return None, 0.0
    began = time.monotonic()
    logger.info("joining tracklets across cameras")
    return Associator(store, config).run(), time.monotonic() - began


def demo_report(store: Store, config: RunConfig, run_uuid: str) -> Report | None:
    """Score a run against the demo's exact ground truth; None if no camera shows the demo."""
    from pipeline.config import SourceKind
    from pipeline.evaluation import evaluate
    from pipeline.export import hypotheses_from_store

    views = {
        camera.id: camera.url.removeprefix("demo:")
        for camera in config.cameras
        if camera.kind is SourceKind.DEMO
    }
    if not views:
        return None
    from pipeline.demo import write_ground_truth

    logger.info("comparing with the demo's ground truth")
    with tempfile.TemporaryDirectory(prefix="crosswalk-") as folder:
        write_ground_truth(Path(folder), views)
        hypotheses = hypotheses_from_store(store, run_uuid, cameras=views)
        return evaluate({name: hypotheses[name] for name in views}, Path(folder))


def _result(
    place: Place,
    sources: Path,
    store: Store,
    summary: RunSummary,
    association: AssociationSummary | None,
    took_s: float,
    report: Report | None,
) -> Result:
    identities = len(store.people())
    following = next_commands(place, sources, store, summary)
    stage_s = {**summary.stage_s, **({"associate": took_s} if association else {})}
    data: dict[str, Any] = {
        "run": {**summary.to_dict(), "stage_s": stage_s},
        "association": association.as_dict() if association else None,
        "identities": identities,
        "evaluation": report.as_dict() if report else None,
        "database": store.database.where,
        "media": str(place.media),
        "log": str(place.log_file),
        "next": following,
    }
    unsure = f" ({data['association']['abstained']} tracklets without)" if association else ""
    totals = (
        f"{summary.frames} frames, {summary.tracklets} tracklets and {identities} identities"
        f"{unsure}; "
        f"{summary.wall_s:.1f} s, {summary.fps:.1f} frames/s.  Run {summary.state}.\n"
        f"Database: {store.database.where}\nPictures: {place.media}"
    )
    blocks: list[Grid | str] = [camera_grid(summary), stage_grid(stage_s, summary), totals]
    if report is not None:
        blocks.append(score_grid(report, "Identities against the demo's exact ground truth"))
    blocks.append(f"{_next_title(summary)}\n" + "\n".join(f"  {line}" for line in following))
    return Result(data, blocks, exit_code(summary))


def exit_code(summary: RunSummary) -> int:
    """The exit code of a run: 2 if not one camera could be read."""
    if summary.state == "finished":
        return 0
    if summary.state == "stopped":
        return EXIT_INTERRUPTED
    unreadable = all(camera.state == "failed" and not camera.frames for camera in summary.cameras)
    return EXIT_BAD_INPUT if unreadable and not summary.restarts else EXIT_FAILED


def problems(summary: RunSummary, shown: Collection[str] = ()) -> list[str]:
    """What went wrong, a line each, but for the lines that were `shown` as they came."""
    lines = [line for camera in summary.cameras for line in camera.warnings]
    return [line for line in dict.fromkeys([*lines, *summary.warnings]) if line not in shown]


def next_commands(place: Place, sources: Path, store: Store, summary: RunSummary) -> list[str]:
    """What to type next."""
    if summary.state != "finished" and summary.frames:
        return [place.command(f"--sources {sources} --resume")]
    if not summary.tracklets:
        return [place.command(f"--sources {sources}")] if not summary.frames else []
    crop = next((row.crop_path for row in store.identities() if row.crop_path), None)
    image = str(place.media / crop) if crop else "PICTURE.jpg"
    return [place.command("ui"), place.command(f"search --image {image}")]


def _next_title(summary: RunSummary) -> str:
    if summary.state == "stopped":
        return _RESUME_HINT
    return "Next:" if summary.tracklets else "Nobody was seen. To try again:"


def camera_grid(summary: RunSummary) -> Grid:
    """One row per camera."""
    columns = ("camera", "state", ">frames", ">frames/s", ">tracklets", ">dropped", ">warnings")
    rows = [
        (
            camera.camera,
            camera.state,
            str(camera.frames),
            f"{camera.fps:.1f}",
            str(camera.tracklets),
            str(camera.dropped) if camera.live else "–",
            str(len(camera.warnings)),
        )
        for camera in summary.cameras
    ]
    return Grid(columns, rows, "Cameras")


def stage_grid(stage_s: dict[str, float], summary: RunSummary) -> Grid:
    """Where the time went; stages work at the same time, so the sum may exceed the wall time."""
    total = sum(stage_s.values()) or 1.0
    frames = max(1, sum(camera.frames_here for camera in summary.cameras))
    ordered = sorted(stage_s.items(), key=lambda item: -item[1])
    rows = [
        (stage, f"{spent:.1f}", f"{100 * spent / total:.0f} %", f"{1000 * spent / frames:.2f}")
        for stage, spent in ordered
    ]
    return Grid(("stage", ">seconds", ">share", ">ms/frame"), rows, "Where the time went")


def score_grid(report: Report, title: str) -> Grid:
    """Scores of each camera and across cameras, ratios in percent."""
    first, *others = report.COLUMNS
    return Grid((first, *(f">{name}" for name in others)), report.rows(), title)
