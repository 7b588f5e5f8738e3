"""Commands that compute on the archive: score, export, associate, reembed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli_output import Grid, Result
from pipeline.cli_run import score_grid
from pipeline.cli_session import actor
from storage.errors import StoreError

if TYPE_CHECKING:
    from pipeline.config import RunConfig
    from storage.records import RunInfo
    from storage.store import Store

ALL_RUNS = "all"


def chosen_run(store: Store, text: str | None) -> RunInfo | None:
    """The run that `--run` names: the newest without it, None for all.

    Raises:
        StoreError: there is no such run, or the beginning of its name fits several.
    """
    runs = store.runs()
    if not runs:
        raise StoreError(f"{store.database.where}: there is no run in this archive yet")
    if text is None:
        return runs[0]
    if text == ALL_RUNS:
        return None
    fitting = [run for run in runs if run.uuid.startswith(text)]
    if len(fitting) == 1:
        return fitting[0]
    what = f"{len(fitting)} runs begin so" if fitting else "there is no such run"
    raise StoreError(f"--run {text}: {what}; `python main.py runs` lists them")


def camera_ids(store: Store, run: RunInfo | None) -> list[str]:
    """The cameras of a run as configured, or all of the archive."""
    if run is None:
        return [camera.id for camera in store.cameras()]
    return [camera["id"] for camera in run.config.get("cameras", [])]


def evaluate(store: Store, gt: Path, run_name: str | None, max_frame: int | None) -> Result:
    """Score a run against labelled cameras.

    Raises:
        EvaluationError, ExportError, StoreError: see `pipeline.evaluation.evaluate`.
    """
    from pipeline.evaluation import evaluate as scored
    from pipeline.export import hypotheses_from_store

    run = chosen_run(store, run_name)
    uuid = run.uuid if run else None
    rows = hypotheses_from_store(store, uuid, cameras=camera_ids(store, run))
    report = scored(rows, gt, max_frame=max_frame)
    notes = f"Run {uuid or ALL_RUNS}, frames 1 to {report.max_frame}; ratios in percent."
    if report.unscored_cameras:
        notes += f" Without labels: {', '.join(report.unscored_cameras)}."
    data = {"run": uuid, "ground_truth": str(gt), **report.as_dict()}
    return Result(data, [score_grid(report, f"Identities against {gt}"), notes])


def export(store: Store, directory: Path, run_name: str | None, overwrite: bool) -> Result:
    """Write one MOTChallenge file per camera; the audit log notes it.

    Raises:
        ExportError, MotFileError, StoreError: see `pipeline.export.export_mot`.
    """
    from pipeline.export import export_mot

    run = chosen_run(store, run_name)
    uuid = run.uuid if run else None
    files = export_mot(
        store, directory, run_uuid=uuid, cameras=camera_ids(store, run), overwrite=overwrite
    )
    store.audit(actor(), "export", {"run": uuid, "files": [str(file) for file in files]})
    data = {"run": uuid, "files": [str(file) for file in files]}
    return Result(data, ["\n".join(str(file) for file in files)])


def associate(store: Store, config: RunConfig | None) -> Result:
    """Decide again who is who, over the whole archive.

    Args:
        store: the archive.
        config: cameras, their neighbours and the settings; None takes those of the newest run.
    """
    from pipeline.association.associator import Associator

    summary = Associator(store, config or stored_config(store)).run(everything=True).as_dict()
    rows = [(key, str(value)) for key, value in summary.items() if not isinstance(value, dict)]
    return Result({"association": summary}, [Grid(("association", ">value"), rows)])


def reembed(store: Store, folder: Path, weights: Path | None, *, fit: bool) -> Result:
    """Give the archive another embedder.

    Raises:
        StoreError, ReidError: see `pipeline.reembed.reembed`.
    """
    from pipeline.reembed import reembed as embedded_anew
    from reid.progress import image_progress

    with image_progress("embed", quiet=False) as on_start:
        done = embedded_anew(store, folder, weights, fit=fit, actor=actor(), on_start=on_start)
    how = "fitted to this archive" if done.fitted else "as it is in its file"
    was = ", ".join(done.before) or "none"
    rows = [
        ("tracklets", str(done.tracklets)),
        ("pictures", str(done.pictures)),
        ("embedder before", was),
        ("embedder now", f"{done.fingerprint}, {how}"),
    ]
    blocks: list[Grid | str] = [Grid(("embedded anew", "value"), rows)]
    if done.unfinished_run is not None:
        blocks.append(f"Run {done.unfinished_run} is unfinished and cannot be resumed any more.")
    blocks.append(
        "Identities stay as they are; `associate` decides them again. Open pages must be restarted."
    )
    return Result({"reembedded": done.as_dict()}, blocks)


def stored_config(store: Store) -> RunConfig:
    """What association needs of the newest run's configuration.

    Addresses are left out: recordings may have moved since, and passwords are not stored.
    """
    from pipeline.config import RunConfig

    run = chosen_run(store, None)
    kept = run.config if run else {}
    keys = ("id", "name", "timezone", "neighbours", "clock_offset_s")
    cameras = [
        {**{key: camera[key] for key in keys if key in camera}, "url": "demo:lobby"}
        for camera in kept.get("cameras", [])
    ]
    fields = {"cameras": cameras, "association": kept.get("association", {})}
    return RunConfig.model_validate(fields)
