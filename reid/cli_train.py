"""What the train command does around the trainer: inputs, progress, Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from reid.config import ReidConfig
from reid.data.market import read_image_bgr, read_images
from reid.data.mixing import mixed_pictures
from reid.data.source import DataSource, load_split
from reid.errors import ReidError
from reid.progress import ProgressLine, image_progress
from reid.teacher import picture_features, teacher_features
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


def check_unlabelled(system: ReidConfig, teacher: Path | None, unlabelled: Path | None) -> None:
    """Refuse unlabelled pictures that nothing would be learnt from.

    Raises:
        ReidError: `--unlabelled` without a teacher, or with a configuration that uses none; one
            of the two settings about them without the other.
    """
    made, used = system.train.unlabelled_pictures, system.train.unlabelled_per_batch
    if bool(made) != bool(used):
        raise ReidError(
            f"{system.name}: train.unlabelled_pictures is {made} and train.unlabelled_per_batch "
            f"is {used}: set both, or neither"
        )
    if unlabelled is not None and teacher is None:
        raise ReidError(f"--unlabelled {unlabelled}: needs --teacher, which says what they are")
    if unlabelled is not None and not made:
        raise ReidError(
            f"--unlabelled {unlabelled}: {system.name} uses none; set train.unlabelled_pictures "
            "and train.unlabelled_per_batch"
        )


def note_missing_teacher(system: ReidConfig) -> None:
    """Say on standard error that distillation is configured but has no teacher."""
    loss = system.loss
    if loss.distil_feature or loss.distil_similarity or loss.distil_parts:
        typer.echo(f"{system.name}: no --teacher, so the loss.distil_* terms are off", err=True)


@dataclass(frozen=True)
class TeachingInputs:
    """What `training_set` needs besides the data set.

    Attributes:
        folder: the run's folder, for the teacher's cached features.
        teacher: model to learn from, or None. unlabelled: folder of crops of anybody, or None.
        threads: CPU threads of the teacher; 0 lets the runtime choose. quiet: no progress bar.
    """

    folder: Path
    teacher: Path | None = None
    unlabelled: Path | None = None
    threads: int = 0
    quiet: bool = False


def training_set(system: ReidConfig, source: DataSource, inputs: TeachingInputs) -> TrainingSet:
    """Decode all training images at their own size, and embed them with the teacher.

    Raises:
        ReidError: not the layout, an image that cannot be decoded, or an unusable teacher.
    """
    crops = load_split(source, "train")
    height, width = read_image_bgr(crops.paths[0]).shape[:2]
    largest = [max(phase.size_hw[side] for phase in system.train.phases) for side in (0, 1)]
    size = (min(height, largest[0]), min(width, largest[1]))
    images = read_images(crops.paths, *size)
    if inputs.teacher is None:
        return TrainingSet(images, crops.identities)
    with image_progress("teacher", inputs.quiet) as on_start:
        features = teacher_features(
            inputs.teacher,
            crops.paths,
            inputs.folder / "teacher.npz",
            threads=inputs.threads,
            on_done=on_start(len(crops)),
        )
    count = system.train.unlabelled_pictures
    if not count:
        return TrainingSet(images, crops.identities, features)
    others = _other_pictures(inputs.unlabelled, size)
    mixed = mixed_pictures(images, others, count, system.train.seed)
    with image_progress("teacher, unlabelled", inputs.quiet) as on_start:
        mixed_features = picture_features(
            inputs.teacher,
            mixed,
            inputs.folder / "teacher_unlabelled.npz",
            threads=inputs.threads,
            on_done=on_start(count),
        )
    return TrainingSet(images, crops.identities, features, mixed, mixed_features)


def _other_pictures(folder: Path | None, size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """The .jpg and .png pictures of a folder, (M, H, W, 3) uint8 RGB; M = 0 without a folder."""
    if folder is None:
        return np.empty((0, *size_hw, 3), np.uint8)
    paths = tuple(sorted([*folder.glob("*.jpg"), *folder.glob("*.png")]))
    if not paths:
        raise ReidError(f"--unlabelled {folder}: no .jpg or .png pictures there")
    return read_images(paths, *size_hw)


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
