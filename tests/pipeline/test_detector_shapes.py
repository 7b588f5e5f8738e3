"""Fixing the input shape of an exported detector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino as ov
import pytest
import yaml
from openvino import opset13 as ops

from pipeline.detector_shapes import (
    letterbox_shape,
    takes_any_shape,
    usual_size,
    write_fixed_copy,
)

ABOUT = {"imgsz": [640, 480], "batch": 4, "names": {0: "person"}, "args": {"dynamic": True}}


def free_shape_folder(folder: Path) -> Path:
    """A network of free batch, height and width whose answer is twice the picture."""
    folder.mkdir()
    picture = ops.parameter([-1, 3, -1, -1], np.float32, name="images")
    network = ov.Model([ops.multiply(picture, np.float32(2))], [picture])
    ov.save_model(network, folder / "model.xml", compress_to_fp16=False)
    (folder / "metadata.yaml").write_text(yaml.safe_dump(ABOUT))
    return folder


@pytest.mark.parametrize(
    ("frame_hw", "size", "expected"),
    [
        ((240, 320), 640, (480, 640)),
        ((1080, 1920), 640, (384, 640)),
        ((1920, 1080), 640, (640, 384)),
        ((432, 768), 416, (256, 416)),
        ((100, 100), 320, (320, 320)),
        ((10, 2000), 640, (32, 640)),
    ],
)
def test_the_smallest_input_that_holds_a_frame(
    frame_hw: tuple[int, int], size: int, expected: tuple[int, int]
) -> None:
    assert letterbox_shape(frame_hw, size) == expected


def test_a_copy_is_for_one_frame_of_one_shape(tmp_path: Path) -> None:
    source = free_shape_folder(tmp_path / "free_openvino_model")
    target = tmp_path / "deep" / "fixed_openvino_model"
    write_fixed_copy(source, (64, 96), target)
    network = ov.Core().read_model(target / "model.xml")
    assert list(network.inputs[0].shape) == [1, 3, 64, 96]
    about = yaml.safe_load((target / "metadata.yaml").read_text())
    assert about == ABOUT | {"imgsz": [64, 96], "batch": 1, "args": {"dynamic": False}}
    assert takes_any_shape(source)
    assert not takes_any_shape(target)
    picture = np.random.default_rng(0).random((1, 3, 64, 96)).astype(np.float32)
    answer = ov.Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(picture)
    np.testing.assert_allclose(answer[0], 2 * picture, rtol=1e-6)


def test_the_size_that_weights_were_made_for(tmp_path: Path) -> None:
    assert usual_size(free_shape_folder(tmp_path / "free_openvino_model")) == 640


@pytest.mark.parametrize("text", ["", "args: 3", "args: {dynamic: false}", "{", "imgsz: [1, 2]"])
def test_what_is_no_folder_of_free_shape(tmp_path: Path, text: str) -> None:
    (tmp_path / "metadata.yaml").write_text(text)
    assert not takes_any_shape(tmp_path)
    assert not takes_any_shape(tmp_path / "metadata.yaml")
    assert not takes_any_shape(tmp_path / "nowhere")


def test_a_folder_without_a_network(tmp_path: Path) -> None:
    (tmp_path / "metadata.yaml").write_text(yaml.safe_dump(ABOUT))
    with pytest.raises(FileNotFoundError, match=r"no \.xml file in"):
        write_fixed_copy(tmp_path, (64, 64), tmp_path / "fixed_openvino_model")
