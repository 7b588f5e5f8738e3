"""Reads what a run trains on: pictures, what is known of them, and what a teacher says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from reid.build import build_model
from reid.config import ReidConfig
from reid.data.attributes import load_attributes
from reid.data.crops import pictures_in
from reid.data.joints import load_joints
from reid.data.market import read_image_bgr, read_images
from reid.data.mixing import mixed_pictures
from reid.data.sampler import check_identities
from reid.data.source import DataSource, load_split
from reid.distributed import Place, leader_first
from reid.errors import ReidError
from reid.progress import image_progress
from reid.teacher import Teacher, picture_features, teacher_features
from reid.training_set import TrainingSet, check_head, check_inputs, check_named_branches

_MEASURED = 256
"""Pictures of which `decoding_size` reads the size, well under a second of work."""


@dataclass(frozen=True)
class TrainingInputs:
    """What `training_set` reads besides the data set.

    Attributes:
        folder: the run's folder, for the teacher's cached features.
        teacher: model to learn from, or None. unlabelled: folder of crops of anybody, or None.
        joints: .npz of body joints, or None. attributes: .csv of attributes, or None.
        threads: CPU threads of the teacher; 0 lets the runtime choose. quiet: no progress bar.
        place: this process among several; rank 0 embeds, the others read what it has cached.
    """

    folder: Path
    teacher: Path | None = None
    unlabelled: Path | None = None
    joints: Path | None = None
    attributes: Path | None = None
    threads: int = 0
    quiet: bool = False
    place: Place = field(default_factory=Place)


def training_set(system: ReidConfig, source: DataSource, inputs: TrainingInputs) -> TrainingSet:
    """Decode all training images at the size of `decoding_size`, and embed them with the teacher.

    Raises:
        ReidError: before any picture is decoded: something that losses or head need is not given,
            a branch that the head does not have, not the layout, a file of joints or
            attributes that does not know all images, too few identities for a batch, an empty
            folder of unlabelled pictures, or an unusable teacher; before any is embedded: one
            that cannot be decoded.
    """
    given = [x is not None for x in (inputs.joints, inputs.attributes, inputs.teacher)]
    check_inputs(system, *given)
    network = build_model(system.model).eval()
    check_head(system, network, given[0])
    check_named_branches(system, network)
    crops = load_split(source, "train")
    joints = attributes = None
    if inputs.joints is not None:
        joints = load_joints(inputs.joints, crops, "train")
    if inputs.attributes is not None:
        attributes = load_attributes(inputs.attributes, crops.identities)[0]
    people = len(np.unique(crops.identities))
    check_identities(people, system.train.identities_per_batch, inputs.place.world)
    others = _other_pictures(inputs.unlabelled)
    teacher = Teacher(inputs.teacher, inputs.threads) if inputs.teacher is not None else None
    images = read_images(crops.paths, *decoding_size(system, crops.paths))
    data = TrainingSet(images, crops.identities, joints=joints, attributes=attributes)
    return data if teacher is None else _taught(data, system, teacher, crops.paths, others, inputs)


def decoding_size(system: ReidConfig, paths: tuple[Path, ...]) -> tuple[int, int]:
    """Height and width at which the pictures are kept: what the phases need, if they have it.

    Each side is the largest of all phases, but not more than the largest among the first picture,
    the last and evenly spaced ones between them, 256 in all: memory for enlarged pictures would
    be wasted.

    Raises:
        ReidError: one of these pictures cannot be decoded.
    """
    rows = np.linspace(0, len(paths) - 1, min(len(paths), _MEASURED)).astype(int)
    sizes = [read_image_bgr(paths[row]).shape[:2] for row in rows]
    needed = [phase.size_hw for phase in system.train.phases]
    height, width = (
        min(max(size[side] for size in sizes), max(size[side] for size in needed))
        for side in (0, 1)
    )
    return height, width


def _taught(
    data: TrainingSet,
    system: ReidConfig,
    teacher: Teacher,
    paths: tuple[Path, ...],
    other_paths: tuple[Path, ...],
    inputs: TrainingInputs,
) -> TrainingSet:
    """`data` with what the teacher says of its pictures (`paths`) and of mixed ones, if any.

    Raises:
        ReidError: before anything is embedded, one of `other_paths` cannot be decoded.
    """
    height, width = data.images.shape[1:3]
    others = read_images(other_paths, height, width)
    cache = inputs.folder / "teacher.npz"
    with leader_first(inputs.place), image_progress("teacher", inputs.quiet) as on_start:
        features = teacher_features(teacher, paths, cache, on_done=on_start(len(paths)))
    data = replace(data, teacher=features)
    count = system.train.unlabelled_pictures
    if not count:
        return data
    mixed = mixed_pictures(data.images, others, count, system.train.seed)
    cache = inputs.folder / "teacher_unlabelled.npz"
    shown = image_progress("teacher, unlabelled", inputs.quiet)
    with leader_first(inputs.place), shown as on_start:
        features = picture_features(teacher, mixed, cache, on_done=on_start(count))
    return replace(data, unlabelled=mixed, unlabelled_teacher=features)


def _other_pictures(folder: Path | None) -> tuple[Path, ...]:
    """The .jpg and .png pictures of a folder; none without a folder.

    Raises:
        ReidError: no such folder, or no picture in it.
    """
    if folder is None:
        return ()
    paths = tuple(pictures_in(folder)) if folder.is_dir() else ()
    if not paths:
        raise ReidError(f"--unlabelled {folder}: no .jpg or .png pictures there")
    return paths
