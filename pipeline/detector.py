"""The detector stage: any Ultralytics model, person class only."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.detector_shapes import (
    letterbox_shape,
    takes_any_shape,
    usual_size,
    write_fixed_copy,
)
from pipeline.errors import ConfigError
from reid.openvino_core import shared_core
from trackers.detections import Detections

log = logging.getLogger(__name__)

DEFAULT_WEIGHTS = Path(__file__).parent / "weights" / "yolo11n_person_int8_openvino_model"
NMS_IOU = 0.7
"""Of two boxes that overlap by more (intersection over union) the fainter one is dropped. Raising
it keeps people who stand close together, and more second boxes of one person."""
_MOST_NETWORKS = 8


class Detector:
    """People in pictures, by Ultralytics; the backend follows from the file's type.

    Args:
        weights: `.pt`, an OpenVINO folder, ONNX, TensorRT ...; None means the shipped model.
        image_size: longer side in pixels to which pictures are scaled, a multiple of 32; None
            means the size of the weights. Larger finds smaller people and costs time with its
            square.
        confidence: lowest score handed on.
    """

    def __init__(
        self,
        weights: str | Path | None = None,
        *,
        image_size: int | None = None,
        confidence: float = 0.1,
    ) -> None:
        self.weights = Path(weights) if weights else DEFAULT_WEIGHTS
        self.image_size = image_size
        self.confidence = confidence
        self._model: Any = None
        self._person = 0
        self._any_shape = False
        self._size = 0
        self._networks: OrderedDict[tuple[int, int], Any] = OrderedDict()

    def load(self) -> None:
        """Load the weights.

        Raises:
            ConfigError: the file is missing, cannot be read, or has no class "person".
        """
        if not self.weights.exists() and self.weights.parent != Path("."):
            raise ConfigError(f"detector.weights: file not found: {self.weights}")
        try:
            self._any_shape = takes_any_shape(self.weights)
            if self._any_shape:
                self._size = self.image_size or usual_size(self.weights)
                self._model = self._network_for((64, 64))
            else:
                self._model = self._open(self.weights, self.image_size)
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ConfigError(
                f"detector.weights: {self.weights} cannot be used: {reason}"
            ) from error
        names = {name: number for number, name in self._model.names.items()}
        if "person" not in names:
            raise ConfigError(f"detector.weights: {self.weights} has no class named person")
        self._person = names["person"]

    def detect(self, images: list[NDArray[np.uint8]]) -> list[Detections]:
        """Find people in (H, W, 3) BGR pictures of one size; one result each, same order."""
        if not images:
            return []
        if self._model is None:
            self.load()
        found = []
        for result in self._predict(images):
            boxes = result.boxes
            keep = boxes.cls.cpu().numpy() == self._person
            found.append(Detections(boxes.xyxy.cpu().numpy()[keep], boxes.conf.cpu().numpy()[keep]))
        return found

    def _open(self, weights: Path, size: int | tuple[int, int] | None) -> Any:
        """A network that has seen one blank picture, after which its files are not needed."""
        os.environ.setdefault("YOLO_VERBOSE", "False")
        from ultralytics import YOLO

        with contextlib.redirect_stdout(io.StringIO()), shared_core():
            network = YOLO(str(weights), task="detect")
            self._run(network, [np.zeros((64, 64, 3), np.uint8)], size)
        return network

    def _predict(self, images: list[NDArray[np.uint8]]) -> list[Any]:
        if not self._any_shape:
            return self._run(self._model, images, self.image_size)
        found = []
        for image in images:
            height, width = image.shape[:2]
            shape = letterbox_shape((height, width), self._size)
            found += self._run(self._network_for(shape), [image], shape)
        return found

    def _network_for(self, shape_hw: tuple[int, int]) -> Any:
        """The network for one shape; the least recently used of eight gives way."""
        network = self._networks.pop(shape_hw, None)
        if network is None:
            with tempfile.TemporaryDirectory(prefix="crosswalk-") as folder:
                fixed = Path(folder) / "fixed_openvino_model"
                write_fixed_copy(self.weights, shape_hw, fixed)
                network = self._open(fixed, shape_hw)
        self._networks[shape_hw] = network
        if len(self._networks) > _MOST_NETWORKS:
            self._networks.popitem(last=False)
        return network

    def _run(
        self, model: Any, images: list[NDArray[np.uint8]], size: int | tuple[int, int] | None
    ) -> list[Any]:
        options: dict[str, Any] = {"imgsz": size} if size else {}
        result: list[Any] = model.predict(
            images, conf=self.confidence, iou=NMS_IOU, verbose=False, **options
        )
        return result
