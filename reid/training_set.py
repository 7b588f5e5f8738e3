"""What training reads: pictures with identities, and what else is known of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from reid.config import ReidConfig
from reid.errors import ReidError
from reid.network import ReidNetwork
from reid.terms.base import Facts, check_branches


@dataclass(frozen=True)
class TrainingSet:
    """Decoded training images.

    Attributes:
        images: (N, H, W, 3) uint8 RGB. labels: (N,) int64 identities of any numbering.
        teacher: (N, T) float features of a stronger model, or None.
        unlabelled: (M, H, W, 3) uint8 RGB crops of anybody, anywhere, or None; they are learnt
            from through the teacher alone ("function matching", Beyer et al., CVPR 2022).
        unlabelled_teacher: (M, T) the teacher's features of exactly these pictures.
        joints: (N, J, 2) body joints as fractions of the picture, NaN where unseen, or None.
        attributes: (N, A) in 0 and 1, or None.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    teacher: NDArray[np.float32] | None = None
    unlabelled: NDArray[np.uint8] | None = None
    unlabelled_teacher: NDArray[np.float32] | None = None
    joints: NDArray[np.float32] | None = None
    attributes: NDArray[np.float32] | None = None

    def facts(self) -> Facts:
        """What the loss terms must know of it."""
        share = None if self.attributes is None else tuple(map(float, self.attributes.mean(0)))
        return Facts(
            identities=len(np.unique(self.labels)),
            teacher_dim=None if self.teacher is None else self.teacher.shape[1],
            attribute_share=share,
        )


def check_data(config: ReidConfig, data: TrainingSet) -> None:
    """Refuse a data set that lacks what the losses need, and losses without anything to learn.

    Raises:
        ReidError: body joints or attributes are missing; or every term has weight 0, or a
            teacher that is not there.
    """
    check_inputs(config, *(x is not None for x in (data.joints, data.attributes, data.teacher)))


def check_inputs(config: ReidConfig, joints: bool, attributes: bool, teacher: bool) -> None:
    """`check_data` before anything is read: by what is given.

    Raises:
        ReidError: as `check_data`.
    """
    active = {name: term for name, term in config.losses.items() if term.weight}
    there = {"joints": joints, "attributes": attributes}
    for name, term in active.items():
        for what, given in there.items():
            if what in term.needs_data and not given:
                raise ReidError(f"losses.{name}: needs {what}; give --{what} FILE")
    if not any(teacher or "teacher" not in term.needs_data for term in active.values()):
        raise ReidError("losses: every term has weight 0, or its teacher is missing")


def check_head(config: ReidConfig, network: ReidNetwork, joints: bool) -> None:
    """Refuse to train a head that cannot do without joints, without them.

    Raises:
        ReidError: it is so.
    """
    if network.head.needs_joints and not joints:
        raise ReidError(f"head {config.model.head.name}: needs joints; give --joints FILE")


def check_named_branches(config: ReidConfig, network: ReidNetwork) -> None:
    """Refuse losses on branches that the head does not have.

    Raises:
        ReidError: a name is unknown.
    """
    named = [weights for term in config.losses.values() if (weights := term.named_branches)]
    if not named:
        return
    device = next(network.parameters()).device
    images = torch.zeros(2, 3, *config.input_hw, device=device)
    joints = torch.full((2, 14, 2), torch.nan, device=device)
    with torch.no_grad():
        branches = network.outputs(images, joints=joints).branches
    for weights in named:
        check_branches(branches, weights)
