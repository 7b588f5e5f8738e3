"""Makes the batches of a run: pictures of the phase's size, varied, with what is known of them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid.config import TrainConfig
from reid.data.augment import augment, normalise
from reid.data.augment_config import AugmentConfig
from reid.data.device import DeviceImages
from reid.network import Targets
from reid.schedule import size_at, step_seed
from reid.training_set import TrainingSet

_GENTLE = AugmentConfig(
    shift=0.02, scale=0.02, colour=0.0, grey=0.0, blur=0.0, erase=0.0, truncate=0.0
)
"""Unlabelled pictures must stay what the teacher saw: only mirrored and moved a little."""


class BatchMaker:
    """Labelled rows of a training set, then unlabelled ones, on the device.

    The augmentation of a batch depends on seed, step and rank alone, so that a run can be
    resumed.

    Args:
        rank: of this process; it has its own draws.
    """

    def __init__(self, config: TrainConfig, data: TrainingSet, device: str, rank: int = 0) -> None:
        self._config, self._data, self._device = config, data, device
        self._generator, self._rank = torch.Generator(device=device), rank
        self._labels = np.unique(data.labels, return_inverse=True)[1]
        self._images = DeviceImages(data.images, device)
        more = data.unlabelled
        self._unlabelled = None if more is None else DeviceImages(more, device)

    def batch(self, rows: NDArray[np.int64], step: int) -> tuple[Tensor, Targets]:
        """Normalised pictures (B, 3, h, w), and targets whose labels are of the first rows."""
        self._generator.manual_seed(step_seed(self._config.seed, step, self._rank))
        size = size_at(step, self._config)
        self._images.resize(size)
        if self._unlabelled is not None:
            self._unlabelled.resize(size)
        data = self._data
        images, joints = self._varied(rows)
        teacher = None
        if data.teacher is not None:
            features = data.teacher[rows]
            count = self._config.unlabelled_per_batch
            if self._unlabelled is not None and data.unlabelled_teacher is not None and count:
                rng = np.random.default_rng([self._config.seed, 2, step, self._rank])
                more = rng.integers(len(self._unlabelled), size=count)
                extra = augment(self._unlabelled.batch(more), _GENTLE, self._generator)
                images = torch.cat([images, extra])
                features = np.concatenate([features, data.unlabelled_teacher[more]])
            teacher = torch.from_numpy(features.astype(np.float32)).to(self._device)
        attributes = None
        if data.attributes is not None:
            attributes = torch.from_numpy(data.attributes[rows]).to(self._device)
        labels = torch.from_numpy(self._labels[rows]).to(self._device)
        return normalise(images), Targets(labels, joints, attributes, teacher)

    def _varied(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor | None]:
        """Augmented pictures in 0..1 and their joints, which move along."""
        images = self._images.batch(rows)
        if self._data.joints is None:
            return augment(images, self._config.augment, self._generator), None
        joints = torch.from_numpy(self._data.joints[rows]).to(self._device)
        return augment(images, self._config.augment, self._generator, joints)
