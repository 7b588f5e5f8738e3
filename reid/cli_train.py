"""What the train command does around the trainer: inputs, several GPUs, progress, Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import typer

from reid.backbones.pretrained import load_pretrained
from reid.build import build_model
from reid.classical.config import is_classical, load_classical_config
from reid.classical.fit import fit_lomo
from reid.cli_options import set_device
from reid.config import ReidConfig, load_reid_config
from reid.data.layout import MoreData
from reid.data.source import data_folder, load_split, parse_data
from reid.distributed import Place, any_process, join_group, leave_group
from reid.errors import ReidError
from reid.progress import ProgressLine, image_progress
from reid.read_training import TrainingInputs, training_set
from reid.schedule import in_steps, total_steps
from reid.train import train
from reid.training_state import read_checkpoint
from reid.weights_file import save_weights


@dataclass(frozen=True)
class TrainOptions:
    """The train command's words; see its help.

    Attributes:
        more_data: what `data` may name besides the data sets of `reid.data.source`.
        overrides: keys of the YAML and their new values. out: run folder, default runs/NAME.
    """

    config: Path
    data: str
    more_data: MoreData | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    teacher: Path | None = None
    unlabelled: Path | None = None
    joints: Path | None = None
    attributes: Path | None = None
    pretrained: Path | None = None
    initial: Path | None = None
    out: Path | None = None
    resume: bool = False
    device: str = "cpu"
    threads: int = 0
    quiet: bool = False


def run_training(options: TrainOptions) -> dict[str, str]:
    """Train; returns where weights and checkpoint are, or nothing in all processes but one.

    Raises:
        ReidError: bad input of any kind.
    """
    if is_classical(options.config):
        return fit_classical(options)
    system = load_reid_config(options.config, options.overrides)
    folder = options.out or Path("runs") / system.name
    check_run_folder(folder, options.resume)
    check_unlabelled(system, options.teacher, options.unlabelled)
    check_start(system, options, folder)
    place, device = join_group(set_device(options.device, options.threads))
    quiet = options.quiet or not place.leads
    if options.teacher is None and place.leads:
        note_missing_teacher(system)
    inputs = TrainingInputs(
        folder,
        options.teacher,
        options.unlabelled,
        options.joints,
        options.attributes,
        options.threads,
        quiet,
        place,
    )
    try:
        with data_folder(parse_data(options.data, options.more_data)) as source:
            images = training_set(system, source, inputs)
        system = in_steps(system, len(images.labels), place.world)
        with training_progress(system, place, quiet) as on_step:
            model = train(
                system,
                images,
                folder,
                resume=options.resume,
                initial=options.initial,
                pretrained=options.pretrained,
                device=device,
                place=place,
                on_step=on_step,
            )
    finally:
        leave_group()
    if not place.leads:
        return {}
    weights = folder / "model.safetensors"
    save_weights(model.cpu(), system.model, system.input_hw, weights)
    return {"weights": str(weights), "checkpoint": str(folder / "checkpoint.pt")}


def fit_classical(options: TrainOptions) -> dict[str, str]:
    """Fit LOMO + XQDA on the training split; returns where its file is.

    Raises:
        ReidError: an option that only networks have, a fitted file that is there already, bad
            input of any kind, or labels that nothing can be learnt from.
    """
    system = load_classical_config(options.config, options.overrides)
    for name in ("teacher", "unlabelled", "joints", "attributes", "pretrained", "initial"):
        if getattr(options, name) is not None:
            raise ReidError(f"--{name}: {system.name} is fitted on the pictures alone")
    if options.resume or options.device not in ("auto", "cpu"):
        word = "--resume" if options.resume else f"--device {options.device}"
        raise ReidError(f"{word}: {system.name} is fitted in one go on the CPU")
    path = (options.out or Path("runs") / system.name) / "model.safetensors"
    if path.exists():
        raise ReidError(f"{path}: exists already; give another --out")
    set_device("cpu", options.threads)
    source = parse_data(options.data, options.more_data)
    with data_folder(source) as unpacked, image_progress("describe", options.quiet) as on_start:
        fitted = fit_lomo(system.classical, load_split(unpacked, "train"), on_start)
    fitted.save(path)
    return {"weights": str(path), "fingerprint": fitted.fingerprint}


def check_run_folder(folder: Path, resume: bool) -> None:
    """Refuse to start over a run that is there.

    Raises:
        ReidError: the folder holds a checkpoint and `resume` is off.
    """
    if (folder / "checkpoint.pt").exists() and not resume:
        raise ReidError(
            f"{folder}: holds a run already; add --resume to go on, or give another --out"
        )


def check_start(system: ReidConfig, options: TrainOptions, folder: Path) -> None:
    """Refuse weights to start from that cannot be read, before pictures are.

    Raises:
        ReidError: not a readable checkpoint, or an ImageNet one of another architecture.
    """
    if options.resume and (folder / "checkpoint.pt").exists():
        return
    if options.initial is not None:
        read_checkpoint(options.initial)
    elif options.pretrained is not None:
        load_pretrained(build_model(system.model).backbone, options.pretrained)


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
    lost = [
        name for name, term in system.losses.items() if term.weight and "teacher" in term.needs_data
    ]
    if lost:
        words = ", ".join(lost)
        typer.echo(f"{system.name}: no --teacher, so these losses are off: {words}", err=True)


@contextmanager
def training_progress(
    system: ReidConfig, place: Place, quiet: bool
) -> Iterator[Callable[[dict[str, float]], None]]:
    """Yields what `train` calls after each step: it shows progress and passes on Ctrl-C.

    A first Ctrl-C waits for the end of the step, so that the checkpoint is consistent; a
    second one stops at once. Of several processes all stop after the same step.
    """
    stops: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        stops.append(number)
        if len(stops) > 1:
            raise KeyboardInterrupt

    settings = system.train
    batch = settings.identities_per_batch * settings.images_per_identity * place.world
    before = signal.signal(signal.SIGINT, on_signal)
    try:
        with ProgressLine("train", total_steps(settings), per_step=batch, quiet=quiet) as line:

            def on_step(record: dict[str, float]) -> None:
                if place.leads:
                    line.update(int(record["step"]), _shown(record))
                if any_process(bool(stops), place):
                    raise KeyboardInterrupt

            yield on_step
    finally:
        signal.signal(signal.SIGINT, before)


def _shown(record: dict[str, float]) -> dict[str, float]:
    """The losses of a step, the sum first."""
    return {name: value for name, value in record.items() if name not in ("step", "lr")}
