"""Make a good picture look like one of a cheap camera in bad light."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.detector_training.labelled_frame import Boxes, Image


def degrade(picture_bgr: Image, boxes_xyxy: Boxes, rng: np.random.Generator) -> tuple[Image, Boxes]:
    """Return a smaller, darker, noisier, harder compressed copy and its boxes.

    The picture shrinks to 40-75 % of its size, is darkened by a gamma of 1.2-1.9, gets sensor
    noise of 2-8 grey levels and is compressed as JPEG of quality 30-65.

    Args:
        picture_bgr: (H, W, 3) uint8.
        boxes_xyxy: (N, 4) pixels of that picture.
        rng: source of all randomness.
    """
    factor = rng.uniform(0.4, 0.75)
    height, width = picture_bgr.shape[:2]
    size = (max(32, round(width * factor)), max(32, round(height * factor)))
    small = cv2.resize(picture_bgr, size, interpolation=cv2.INTER_AREA)
    dark = (small / 255.0) ** rng.uniform(1.2, 1.9) * 255
    noisy = dark + rng.normal(0, rng.uniform(2, 8), dark.shape)
    quality = int(rng.integers(30, 66))
    _, packed = cv2.imencode(
        ".jpg", np.clip(noisy, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    scale = np.array([size[0] / width, size[1] / height] * 2, np.float32)
    shrunk = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    assert shrunk is not None
    return shrunk.astype(np.uint8, copy=False), boxes_xyxy * scale
