"""The detector stage: what it refuses, which class it keeps, and that it finds people."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from test_detector_shapes import free_shape_folder

from pipeline.detector import DEFAULT_WEIGHTS, NMS_IOU, Detector
from pipeline.errors import ConfigError
from trackers.boxes import iou


def need(path: Path) -> None:
    """Skip without `path`, naming it; fail where everything has to be there."""
    if path.exists():
        return
    message = f"{path} is missing"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


class _Numbers(np.ndarray):
    """An array that can be asked for like a torch tensor."""

    def cpu(self) -> Any:
        return self

    def numpy(self) -> np.ndarray:
        return np.asarray(self)


def numbers(values: list[Any], columns: int | None = None) -> _Numbers:
    array = np.array(values, np.float32)
    return (array if columns is None else array.reshape(-1, columns)).view(_Numbers)


class FakeYolo:
    """Sees two boxes of class 0 and one of class 3 in pictures that are not black."""

    names: dict[int, str] = {0: "person", 3: "dog"}  # noqa: RUF012
    calls: list[dict[str, Any]] = []  # noqa: RUF012

    def __init__(self, weights: str, task: str) -> None:
        assert task == "detect"

    def predict(self, images: list[np.ndarray], **options: Any) -> list[Any]:
        self.calls.append({"count": len(images), **options})
        return [self._boxes(image.any()) for image in images]

    def _boxes(self, seen: bool) -> Any:
        rows = [[0, 0, 9, 9], [1, 1, 5, 5], [2, 2, 8, 8]] if seen else []
        boxes = SimpleNamespace(
            xyxy=numbers(rows, 4),
            conf=numbers([0.9, 0.8, 0.7][: len(rows)]),
            cls=numbers([0, 3, 0][: len(rows)]),
        )
        return SimpleNamespace(boxes=boxes)


@pytest.fixture
def yolo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A weight file that the made-up model accepts."""
    monkeypatch.setitem(sys.modules, "ultralytics", SimpleNamespace(YOLO=FakeYolo))
    monkeypatch.setattr(FakeYolo, "calls", [])
    path = tmp_path / "model.onnx"
    path.write_bytes(b"weights")
    return path


WHITE = np.full((48, 64, 3), 255, np.uint8)
BLACK = np.zeros((48, 64, 3), np.uint8)


@pytest.mark.parametrize(
    ("names", "rows"), [({0: "person", 3: "dog"}, [0, 2]), ({0: "dog", 3: "person"}, [1])]
)
def test_only_people_are_kept(
    yolo: Path, monkeypatch: pytest.MonkeyPatch, names: dict[int, str], rows: list[int]
) -> None:
    monkeypatch.setattr(FakeYolo, "names", names)
    boxes = np.array([[0, 0, 9, 9], [1, 1, 5, 5], [2, 2, 8, 8]], np.float32)
    found = Detector(yolo).detect([BLACK, WHITE])
    assert [len(f) for f in found] == [0, len(rows)]
    np.testing.assert_array_equal(found[1].boxes_xyxy, boxes[rows])
    np.testing.assert_allclose(found[1].scores, np.array([0.9, 0.8, 0.7])[rows], rtol=1e-6)
    assert found[0].boxes_xyxy.shape == (0, 4)


def test_settings_reach_the_model_and_it_is_loaded_once(yolo: Path) -> None:
    detector = Detector(yolo, image_size=320, confidence=0.3)
    detector.detect([WHITE])
    detector.detect([WHITE, BLACK])
    assert [call["count"] for call in FakeYolo.calls] == [1, 1, 2], "the first one is the trial"
    settings = {(call["imgsz"], call["conf"], call["iou"]) for call in FakeYolo.calls}
    assert settings == {(320, 0.3, NMS_IOU)}
    Detector(yolo).load()
    assert "imgsz" not in FakeYolo.calls[-1]


def test_no_pictures_no_model() -> None:
    assert Detector("missing/model.pt").detect([]) == []


def refused(detector: Detector) -> str:
    with pytest.raises(ConfigError) as caught:
        detector.load()
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("detector.weights: ")
    assert str(detector.weights) in message
    return message


def test_weights_without_people(yolo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeYolo, "names", {0: "dog"})
    assert "no class named person" in refused(Detector(yolo))


def test_a_missing_file(yolo: Path) -> None:
    assert "not found" in refused(Detector(yolo.with_name("other.onnx")))


@pytest.mark.parametrize("name", ["model.pt", "model.onnx", "model.what"])
def test_a_file_that_is_no_model(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"this is not a model")
    refused(Detector(path))


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    folder = tmp_path / "some_openvino_model"
    folder.mkdir()
    refused(Detector(folder))


@pytest.fixture(scope="module")
def shipped() -> Detector:
    need(DEFAULT_WEIGHTS)
    detector = Detector(confidence=0.25)
    detector.load()
    return detector


@cache
def demo_picture() -> tuple[np.ndarray, np.ndarray]:
    """A demo frame with people in full view, and their true boxes."""
    from pipeline.demo.names import VIEW_NAMES
    from pipeline.demo.render import render

    for view in VIEW_NAMES:
        for index in range(60, 200, 20):
            image, seen = render(view, index)
            boxes = np.array([s.box_xyxy for s in seen if s.visibility > 0.9], np.float32)
            tall = boxes.reshape(-1, 4)
            tall = tall[tall[:, 3] - tall[:, 1] > 100]
            if len(tall):
                return image, tall
    raise AssertionError("no demo frame with somebody in full view")


def test_the_shipped_weights_find_the_people_of_the_demo(shipped: Detector) -> None:
    image, people = demo_picture()
    found = shipped.detect([image])[0]
    assert (iou(people, found.boxes_xyxy).max(1) > 0.6).all()
    assert ((found.scores >= 0.25) & (found.scores <= 1)).all()


def test_pictures_of_one_batch_do_not_mix(shipped: Detector) -> None:
    image, _ = demo_picture()
    empty = np.full_like(image, 127)
    alone = shipped.detect([image])[0]
    together = shipped.detect([empty, image])
    assert len(together[0]) == 0
    assert len(together[1]) == len(alone) > 0
    np.testing.assert_allclose(together[1].boxes_xyxy, alone.boxes_xyxy, atol=0.5)
    np.testing.assert_allclose(together[1].scores, alone.scores, atol=0.01)


@pytest.fixture
def free_shapes(yolo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list]:
    """An OpenVINO folder with free batch and size, and the networks that were opened."""
    folder = free_shape_folder(tmp_path / "model_openvino_model")
    opened: list[FakeYolo] = []

    class Opened(FakeYolo):
        def __init__(self, weights: str, task: str) -> None:
            super().__init__(weights, task)
            opened.append(self)
            self.made_for = yaml.safe_load((Path(weights) / "metadata.yaml").read_text())["imgsz"]
            self.seen: set[tuple[int, Any]] = set()

        def predict(self, images: list[np.ndarray], **options: Any) -> list[Any]:
            self.seen.add((len(images), options["imgsz"]))
            return super().predict(images, **options)

    monkeypatch.setitem(sys.modules, "ultralytics", SimpleNamespace(YOLO=Opened))
    return folder, opened


def test_a_network_of_free_shape_never_sees_two_shapes_or_batches(
    free_shapes: tuple[Path, list],
) -> None:
    folder, opened = free_shapes
    detector = Detector(folder, image_size=320)
    wide = np.full((90, 160, 3), 255, np.uint8)
    for images in ([WHITE, wide], [wide], [WHITE, BLACK, WHITE], [wide, WHITE]):
        found = detector.detect(images)
        assert [len(one) for one in found] == [0 if image is BLACK else 2 for image in images]
    shapes = [(64, 64), (256, 320), (192, 320)]
    assert [network.seen for network in opened] == [{(1, shape)} for shape in shapes]
    assert [tuple(network.made_for) for network in opened] == shapes


def test_only_eight_networks_are_kept(free_shapes: tuple[Path, list]) -> None:
    folder, opened = free_shapes
    detector = Detector(folder, image_size=320)
    for height in range(20, 200, 20):
        detector.detect([np.full((height, 200, 3), 255, np.uint8)])
    before = len(opened)
    detector.detect([np.full((180, 200, 3), 255, np.uint8)])
    assert len(opened) == before
    detector.detect([np.full((20, 200, 3), 255, np.uint8)])
    assert len(opened) == before + 1


def test_without_a_size_it_is_the_one_of_the_weights(free_shapes: tuple[Path, list]) -> None:
    folder, opened = free_shapes
    detector = Detector(folder)
    detector.detect([WHITE])
    assert opened[-1].made_for == [480, 640]
    assert detector.image_size is None


@pytest.mark.parametrize("text", ["", "args: 3", "args: {dynamic: false}", "{", "\x00"])
def test_other_folders_are_asked_in_batches(yolo: Path, tmp_path: Path, text: str) -> None:
    folder = tmp_path / "model_openvino_model"
    folder.mkdir()
    (folder / "metadata.yaml").write_text(text)
    Detector(folder).detect([WHITE, BLACK])
    assert FakeYolo.calls[-1]["count"] == 2
    assert "imgsz" not in FakeYolo.calls[-1]
