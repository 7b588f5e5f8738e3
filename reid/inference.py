"""Run an embedder: OpenVINO on a CPU, torch on a GPU."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from reid.data.augment import MEAN, STD
from reid.embeddings import Embeddings
from reid.errors import ReidError
from reid.openvino_core import openvino_core
from reid.wearing.file import load_readout
from reid.wearing.readout import Readout
from reid.weights_file import load_weights

Runtime = Literal["auto", "openvino", "torch"]
_MIN_ASPECT = 1.5
_BATCH = 8
_OPENVINO_OPTIONS: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
"""Precision is left to OpenVINO: bfloat16 on CPUs that have it (cosine to float32 0.9997)."""


def whole_body(crop_bgr: NDArray[np.uint8], part_count: int) -> tuple[NDArray[np.uint8], int]:
    """Undo truncation: a crop that is less than 1.5 times as high as wide misses its legs.

    It is padded at the bottom to that aspect, so that the parts that are there keep their
    height. Returns the padded crop and how many of the `part_count` stripes are in the picture.
    """
    height, width = crop_bgr.shape[:2]
    full = round(width * _MIN_ASPECT)
    if height >= full:
        return crop_bgr, part_count
    mean_bgr = [round(255 * channel) for channel in reversed(MEAN)]
    padded = cv2.copyMakeBorder(
        crop_bgr, 0, full - height, 0, 0, cv2.BORDER_CONSTANT, value=mean_bgr
    )
    return padded.astype(np.uint8, copy=False), max(1, round(part_count * height / full))


class Embedder:
    """A ReID network ready for crops.

    Args:
        weights: safetensors file of this project.
        runtime: "auto" takes torch on a GPU when there is one, OpenVINO on the CPU otherwise.
        threads: CPU threads; 0 lets the runtime choose.

    A network without parts gets one part per crop that is never visible.

    Attributes:
        readout: turns its global vectors, also stored ones, into probabilities of clothing and
            belongings: `embedder.readout.read(embeddings)`; None if the file has none.

    Raises:
        ReidError: the weight file is missing or wrong, or its network needs body joints.
    """

    readout: Readout | None

    def __init__(self, weights: Path, *, runtime: Runtime = "auto", threads: int = 0) -> None:
        model, self.input_hw, self.fingerprint = load_weights(weights)
        if model.head.needs_joints:
            raise ReidError(f"{weights}: this network needs body joints, which crops do not have")
        self.readout = load_readout(weights, self.fingerprint)
        self.part_count = model.head.part_shape[0] if model.head.part_shape else 1
        if runtime == "auto":
            runtime = "torch" if torch.cuda.is_available() else "openvino"
        self.runtime = runtime
        both = _MirrorMean(model).eval()
        self._run = (
            OpenVinoRunner(both, self.input_hw, threads)
            if runtime == "openvino"
            else _TorchRunner(both)
        )

    def embed(self, crops_bgr: list[NDArray[np.uint8]]) -> Embeddings:
        """Embed N crops, each (h, w, 3) uint8 BGR of any size above zero."""
        images, visibility = self.preprocess(crops_bgr)
        embedding, *rest = self._run(images)
        if not rest:
            none = np.zeros((len(images), 1, 1), np.float32)
            return Embeddings(embedding, none, none[:, :, 0], self.fingerprint)
        if len(rest) > 1:
            visibility = visibility * rest[1]
        return Embeddings(embedding, rest[0], visibility, self.fingerprint)

    def preprocess(
        self, crops_bgr: list[NDArray[np.uint8]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Network input (N, 3, H, W) and part visibility (N, P) of N crops."""
        images, visibility, _ = network_input(crops_bgr, self.input_hw, self.part_count)
        return images, visibility


def network_input(
    crops_bgr: list[NDArray[np.uint8]], input_hw: tuple[int, int], part_count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """N crops of any size -> what a network sees of them.

    Returns:
        images: (N, 3, H, W) normalised RGB of whole bodies. visibility: (N, P) of the parts.
        filled: (N,) share of the image's height, from the top, that the crop takes.
    """
    height, width = input_hw
    images = np.empty((len(crops_bgr), 3, height, width), np.float32)
    visibility = np.zeros((len(crops_bgr), part_count), np.float32)
    filled = np.ones(len(crops_bgr), np.float32)
    mean, std = (np.array(v, np.float32)[:, None, None] * 255 for v in (MEAN, STD))
    for row, crop in enumerate(crops_bgr):
        body, visible = whole_body(crop, part_count)
        resized = cv2.resize(body, (width, height), interpolation=cv2.INTER_LINEAR)
        images[row] = (resized[:, :, ::-1].transpose(2, 0, 1) - mean) / std
        visibility[row, :visible] = 1
        filled[row] = crop.shape[0] / body.shape[0]
    return images, visibility, filled


class _MirrorMean(torch.nn.Module):
    """The mean over a crop and its mirror image: a person looks the same walking either way."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(B, 3, H, W) -> embedding (B, D) and, where there are, parts (B, P, d), both of length
        1, and visibility (B, P)."""
        plain, mirrored = self.model(images), self.model(images.flip(3))
        sums = [a + b for a, b in zip(plain, mirrored, strict=True)]
        vectors = [torch.nn.functional.normalize(value, dim=-1) for value in sums[:2]]
        return (*vectors, *(value / 2 for value in sums[2:]))


class _TorchRunner:
    def __init__(self, model: torch.nn.Module) -> None:
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model = model.to(self._device)

    @torch.inference_mode()
    def __call__(self, images: NDArray[np.float32]) -> tuple[NDArray[Any], ...]:
        count = len(images)
        if not count:  # the network refuses an empty batch
            images = np.zeros((1, *images.shape[1:]), np.float32)
        chunks = torch.from_numpy(images).to(self._device).split(256)
        columns = zip(*(self._model(chunk) for chunk in chunks), strict=True)
        return tuple(torch.cat(column)[:count].float().cpu().numpy() for column in columns)


class OpenVinoRunner:
    """Fixed batches of 1 and 8: the sizes that are compiled are the fastest."""

    def __init__(self, model: torch.nn.Module, input_hw: tuple[int, int], threads: int) -> None:
        import openvino as ov

        options = dict(_OPENVINO_OPTIONS)
        if threads:
            options["INFERENCE_NUM_THREADS"] = threads
        self._compiled = {}
        with warnings.catch_warnings():  # torch's tracer warns about its own layers
            warnings.simplefilter("ignore")
            converted = ov.convert_model(model, example_input=torch.zeros(2, 3, *input_hw))
        for batch in (1, _BATCH):
            sized = converted.clone()
            sized.reshape([batch, 3, *input_hw])
            self._compiled[batch] = openvino_core().compile_model(sized, "CPU", options)
        self._shapes = [tuple(o.shape)[1:] for o in self._compiled[1].outputs]

    def __call__(self, images: NDArray[np.float32]) -> tuple[NDArray[Any], ...]:
        outputs = [np.empty((len(images), *shape), np.float32) for shape in self._shapes]
        start = 0
        while start < len(images):
            batch = _BATCH if len(images) - start >= _BATCH // 2 else 1
            chunk = images[start : start + batch]
            count = len(chunk)
            if count < batch:
                padded = np.zeros((batch, *images.shape[1:]), np.float32)
                padded[:count] = chunk
                chunk = padded
            result = self._compiled[batch](chunk)
            for k, output in enumerate(outputs):
                output[start : start + count] = result[k][:count]
            start += count
        return tuple(outputs)
