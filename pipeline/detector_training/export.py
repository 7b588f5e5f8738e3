"""Export the detector to INT8 OpenVINO, for any picture shape and batch."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from pipeline.detector_training.offline import load_yolo
from reid.openvino_core import openvino_core

log = logging.getLogger(__name__)

CALIBRATION_SHAPES_HW = ((480, 640), (384, 640), (320, 416), (640, 480))
LETTERBOX_GREY = 114


def export_int8(checkpoint: Path, calibration_images: Sequence[Path], target: Path) -> Path:
    """Quantise a detector and write it as the folder `target`, which `YOLO(target)` loads.

    Ultralytics writes the float network with free batch, height and width; NNCF quantises it. The
    box decoding, the sigmoids and the attention block stay in floating point: with free shapes
    OpenVINO runs a quantised attention slower than a float one.

    Args:
        checkpoint: one-class `.pt` file.
        calibration_images: pictures of the kind the detector will see; more than about 300 only
            take longer.
        target: folder to write; its name must end in `_openvino_model`.

    Raises:
        FileExistsError: `target` exists.
        ValueError: no calibration picture, or a name Ultralytics would not recognise.
        ImportError: `nncf` (in the `dev` extra) is not installed.
    """
    if target.exists():
        raise FileExistsError(f"{target} exists; remove it or choose another folder")
    if not calibration_images:
        raise ValueError("INT8 calibration needs at least one picture")
    if not target.name.endswith("_openvino_model"):
        raise ValueError(f"the name of {target} must end in _openvino_model")
    import openvino

    with tempfile.TemporaryDirectory() as work:
        start = Path(shutil.copy(checkpoint, Path(work) / "model.pt"))
        exported = load_yolo(start).export(format="openvino", dynamic=True, imgsz=640, batch=1)
        network = openvino_core().read_model(next(Path(exported).glob("*.xml")))
        about = yaml.safe_load((Path(exported) / "metadata.yaml").read_text())
        quantised = _quantise(network, calibration_images)
        target.mkdir(parents=True)
        openvino.save_model(quantised, target / f"{checkpoint.stem}.xml", compress_to_fp16=False)
    (target / "metadata.yaml").write_text(yaml.safe_dump(_metadata(about), sort_keys=False))
    log.info("wrote %s", target)
    return target


def _quantise(network: Any, images: Sequence[Path]) -> Any:
    import nncf

    kept_float = nncf.IgnoredScope(names=float_layers(network), validate=False)
    return nncf.quantize(
        network,
        nncf.Dataset(list(enumerate(images)), _calibration_input),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(images),
        ignored_scope=kept_float,
    )


def float_layers(network: Any) -> list[str]:
    """Return the names of the operations that are not quantised.

    They are every sigmoid, the decoding of the boxes in the head, and attention.
    """
    operations = network.get_ordered_ops()
    sigmoids = [op for op in operations if op.get_type_name() == "Sigmoid"]
    head = sigmoids[-1].get_friendly_name().split("/", 1)[0]
    names = [op.get_friendly_name() for op in operations]
    decoding = [name for name in names if name.startswith((f"{head}/", f"{head}.dfl"))]
    attention = [name for name in names if ".attn/" in name]
    return sorted({op.get_friendly_name() for op in sigmoids} | {*decoding, *attention})


def _calibration_input(numbered: tuple[int, Path]) -> NDArray[np.float32]:
    """Return (1, 3, H, W) RGB in 0..1; the shapes of the product's inputs take turns."""
    index, path = numbered
    picture = cv2.imread(str(path))
    if picture is None:
        raise ValueError(f"cannot read the calibration picture {path}")
    shape = CALIBRATION_SHAPES_HW[index % len(CALIBRATION_SHAPES_HW)]
    boxed = letterbox(np.asarray(picture, np.uint8), shape)
    return (boxed[None, :, :, ::-1].transpose(0, 3, 1, 2) / np.float32(255)).astype(np.float32)


def letterbox(picture_bgr: NDArray[np.uint8], shape_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the picture scaled to fit into (height, width), centred on grey."""
    height, width = shape_hw
    scale = min(height / picture_bgr.shape[0], width / picture_bgr.shape[1])
    size = (round(picture_bgr.shape[1] * scale), round(picture_bgr.shape[0] * scale))
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    canvas = np.full((height, width, 3), LETTERBOX_GREY, np.uint8)
    canvas[top : top + size[1], left : left + size[0]] = cv2.resize(picture_bgr, size)
    return canvas


def _metadata(float_metadata: dict[str, Any]) -> dict[str, Any]:
    """Keep what Ultralytics reads at loading; drop dates and paths of the making."""
    kept = {key: float_metadata[key] for key in ("license", "version", "stride", "task", "names")}
    return {
        "description": "Crosswalk person detector: one-class YOLO11n, INT8",
        **kept,
        "author": "Crosswalk, from Ultralytics YOLO11n",
        "batch": 1,
        "imgsz": [640, 640],
        "channels": 3,
        "args": {"batch": 1, "quantize": 8, "dynamic": True, "nms": False},
        "head": "Detect",
        "end2end": False,
    }
