"""What the train command does around the trainer: inputs, progress, Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import torch
import typer

from reid.config import ReidConfig
from reid.data.market import load_split, read_image_bgr, read_images
from reid.errors import ReidError
from reid.progress import ProgressLine, image_progress
from reid.teacher import teacher_features
from reid.train import TrainingSet, total_steps


def check_run_folder(folder: Path, resume: bool) -> None:
    """Refuse to start over a run that is there.

    Raises:
        ReidError: the folder holds a checkpoint and `resume` is off.
    """
    if (folder / "checkpoint.pt").exists() and not resume:
        raise ReidError(
            f"{folder}: holds a run already; add --resume to go on, or give another --out"
        )


def set_device(device: str, threads: int) -> None:
    """Check the device and limit torch's CPU threads (0: no limit).

    Raises:
        ReidError: an unknown device, or no GPU.
    """
    if device not in ("cpu", "cuda"):
        raise ReidError(f"--device {device}: choose cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise ReidError("--device cuda: this machine has no usable GPU")
    if threads:
        torch.set_num_threads(threads)


def note_missing_teacher(system: ReidConfig) -> None:
    """Say on standard error that distillation is configured but has no teacher."""
    loss = system.loss
    if loss.distil_feature or loss.distil_similarity or loss.distil_parts:
        typer.echo(f"{system.name}: no --teacher, so the loss.distil_* terms are off", err=True)


def training_set(
    system: ReidConfig, root: Path, teacher: Path | None, out: Path, threads: int, quiet: bool
) -> TrainingSet:
    """Decode all training images at their own size, and embed them with the teacher.

    Raises:
        ReidError: not the layout, an image that cannot be decoded, or an unusable teacher.
    """
    crops = load_split(root, "train")
    features = None
    if teacher is not None:
        with image_progress("teacher", quiet) as on_start:
            features = teacher_features(
                teacher,
                crops.paths,
                out / "teacher.npz",
                threads=threads,
                on_done=on_start(len(crops)),
            )
    largest = [max(phase.size_hw[side] for phase in system.train.phases) for side in (0, 1)]
    height, width = read_image_bgr(crops.paths[0]).shape[:2]
    images = read_images(crops.paths, min(height, largest[0]), min(width, largest[1]))
    return TrainingSet(images, crops.identities, features)


@contextmanager
def training_progress(
    system: ReidConfig, quiet: bool
) -> Iterator[Callable[[dict[str, float]], None]]:
    """Yields what `train` calls after each step: it shows progress and passes on Ctrl-C.

    A first Ctrl-C waits for the end of the step, so that the checkpoint is consistent; a
    second one stops at once.
    """
    stops: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        stops.append(number)
        if len(stops) > 1:
            raise KeyboardInterrupt

    settings = system.train
    batch = settings.identities_per_batch * settings.images_per_identity
    before = signal.signal(signal.SIGINT, on_signal)
    try:
        with ProgressLine("train", total_steps(settings), per_step=batch, quiet=quiet) as line:

            def on_step(record: dict[str, float]) -> None:
                line.update(int(record["step"]), {"loss": record["loss"]})
                if stops:
                    raise KeyboardInterrupt

            yield on_step
    finally:
        signal.signal(signal.SIGINT, before)
