"""OpenVINO detectors of free input shape, fixed to the shape that a camera's frames need.

A network of fixed shape is faster than one of free shape, and where the processor has AMX
Ultralytics would otherwise compile the network anew whenever shape or batch change, and pad every
frame to a square.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import yaml

from reid.openvino_core import openvino_core

STRIDE = 32


def letterbox_shape(frame_hw: tuple[int, int], size: int) -> tuple[int, int]:
    """Height and width, multiples of 32, of the smallest input that holds a scaled frame.

    The frame's longer side becomes `size` pixels; a 240 x 320 frame at 640 needs 480 x 640.
    """
    scale = size / max(frame_hw)
    height, width = (max(math.ceil(round(side * scale) / STRIDE), 1) for side in frame_hw)
    return height * STRIDE, width * STRIDE


def takes_any_shape(weights: Path) -> bool:
    """Whether this is an OpenVINO folder that was exported with free batch and size."""
    try:
        return bool(_metadata(weights)["args"]["dynamic"])
    except (OSError, KeyError, TypeError, UnicodeDecodeError, yaml.YAMLError):
        return False


def usual_size(weights: Path) -> int:
    """Longer side in pixels that such a folder was made for."""
    return max(int(side) for side in _metadata(weights)["imgsz"])


def write_fixed_copy(weights: Path, shape_hw: tuple[int, int], target: Path) -> None:
    """Write the network of a free-shape folder as new folder `target`, for one frame of one shape.

    The name of `target` must end in `_openvino_model`, by which Ultralytics knows the format.

    Raises:
        OSError: a file cannot be read or written.
        RuntimeError: OpenVINO cannot read the network, or it does not fit the shape.
    """
    import openvino

    source = next(weights.glob("*.xml"), None)
    if source is None:
        raise FileNotFoundError(f"no .xml file in {weights}")
    network = openvino_core().read_model(source)
    network.reshape([1, 3, *shape_hw])
    target.mkdir(parents=True)
    openvino.save_model(network, target / source.name, compress_to_fp16=False)
    about = _metadata(weights)
    about |= {"imgsz": list(shape_hw), "batch": 1, "args": {**about["args"], "dynamic": False}}
    (target / "metadata.yaml").write_text(yaml.safe_dump(about), encoding="utf-8")


def _metadata(weights: Path) -> dict[str, Any]:
    about: dict[str, Any] = yaml.safe_load((weights / "metadata.yaml").read_text(encoding="utf-8"))
    return about
