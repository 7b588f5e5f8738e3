"""Ready embedders of other people's weights, to be measured with our evaluator."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reid.embeddings import Embeddings
from reid.teacher import TEACHER_BATCH, Teacher, teacher_key

_PREPROCESSING = "bgr-0-255,stretched-bilinear,no-mirror"


class Peer:
    """A model of others that embeds crops as its authors do: plain, without a mirror image.

    It has no parts: `embed` gives every crop one part of length 0 that is not visible.

    Args:
        path: `.xml` or `.onnx` that takes BGR in 0..255 (such as Intel's
            person-reidentification-retail-0277 and -0287), or torchreid's OSNet as `.pth`.
        threads: CPU threads; 0 lets the runtime choose.

    Raises:
        ReidError: the file cannot be read, is not such a model, or is an export of ours.
    """

    def __init__(self, path: Path, *, threads: int = 0) -> None:
        self._model = Teacher(path, threads)
        self.input_hw = self._model.size_hw
        self.fingerprint = teacher_key(path, [_PREPROCESSING])[:16]

    def embed(self, crops_bgr: list[NDArray[np.uint8]]) -> Embeddings:
        """Embed N crops, each (h, w, 3) uint8 BGR of any size above zero."""
        height, width = self.input_hw
        images = np.empty((len(crops_bgr), height, width, 3), np.uint8)
        for row, crop in enumerate(crops_bgr):
            images[row] = cv2.resize(crop, (width, height))[:, :, ::-1]
        # one batch even of nothing, so that the features have their dimension
        starts = range(0, max(len(images), 1), TEACHER_BATCH)
        rows = [self._model.features(images[s : s + TEACHER_BATCH], mirror=False) for s in starts]
        count = len(images)
        return Embeddings(
            np.concatenate(rows),
            np.zeros((count, 1, 1), np.float32),
            np.zeros((count, 1), np.float32),
            self.fingerprint,
        )
