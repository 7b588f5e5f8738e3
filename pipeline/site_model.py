"""The embedder of one archive: its own if it has one, which may be fitted to the site."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.config import CameraConfig, RunConfig, SourceKind
from pipeline.crops import clip_boxes, cut, usable
from pipeline.detector import Detector
from pipeline.errors import SourceError
from pipeline.sources import open_source
from reid.inference import network_input
from reid.site_adaptation import MIN_CROPS, adapt_batch_statistics
from reid.wearing.carry import carry_readout
from reid.weights_file import DEFAULT_WEIGHTS, load_weights, read_model_config, save_weights

logger = logging.getLogger(__name__)

SITE_WEIGHTS = "site_embedder.safetensors"
_FRAMES_PER_CAMERA = 120
_MIN_SCORE = 0.4
_CARRIED = 400
"""Most crops that the attributes are fitted anew to; more cost time and change little."""
_BATCH = 4
_LIVE = (SourceKind.STREAM, SourceKind.WEBCAM)


def with_site_model(config: RunConfig, store_dir: Path, *, archive_is_new: bool) -> RunConfig:
    """The configuration with the archive's own embedder, if it has one.

    An archive keeps one embedder for good, because vectors of different ones cannot be
    compared. With `embedder.adapt_to_site` it is made for a new archive; with configured
    weights nothing changes.
    Live cameras have nothing to look at beforehand; without a recording the shipped weights
    are used as they are.

    Raises:
        ConfigError, ReidError: detector or embedder weights that cannot be used.
    """
    if config.embedder.weights is not None:
        return config
    path = store_dir / SITE_WEIGHTS
    fit = archive_is_new and config.embedder.adapt_to_site
    if not path.is_file() and not (fit and _fit(config, path)):
        return config
    embedder = config.embedder.model_copy(update={"weights": path.resolve()})
    return config.model_copy(update={"embedder": embedder})


def _fit(config: RunConfig, path: Path) -> bool:
    """Write the fitted weights; False if too few people were seen."""
    logger.info("fitting the embedder to the site")
    detector = Detector(
        config.detector.weights, image_size=config.detector.image_size, confidence=_MIN_SCORE
    )
    detector.load()
    crops = [c for camera in config.cameras for c in _crops(camera, detector)]
    if len(crops) < MIN_CROPS:
        logger.info("%d people seen: too few to fit the embedder; used as shipped", len(crops))
        return False
    unfinished = path.with_name(f"unfinished_{path.name}")
    fit_to_site(DEFAULT_WEIGHTS, crops, unfinished)
    os.replace(unfinished, path)  # in one step: an archive keeps for good what is there
    logger.info("fitted to %d crops: %s", len(crops), path)
    return True


def fit_to_site(weights: Path, crops: list[NDArray[np.uint8]], path: Path) -> None:
    """`write_fitted`, with the read-out of clothing that `weights` may have.

    Raises:
        ReidError: as `write_fitted`.
    """
    write_fitted(weights, crops, path)
    carry_readout(weights, path, crops[:: 1 + len(crops) // _CARRIED])


def write_fitted(weights: Path, crops: list[NDArray[np.uint8]], path: Path) -> None:
    """Write to `path` a weight file of ours that is fitted to a site's crops, each (h, w, 3) BGR.

    Raises:
        ReidError: a weight file that cannot be used, or fewer than MIN_CROPS crops.
    """
    model, input_hw, _ = load_weights(weights)
    part_count = model.head.part_shape[0] if model.head.part_shape else 1
    pictures, _, _ = network_input(crops, input_hw, part_count)
    adapted = adapt_batch_statistics(model, pictures)
    save_weights(adapted, read_model_config(weights), input_hw, path)


def _crops(camera: CameraConfig, detector: Detector) -> list[NDArray[np.uint8]]:
    """People in frames spread evenly over a recording; none for live cameras."""
    if camera.kind in _LIVE:
        return []
    try:
        source = open_source(camera)
    except SourceError as error:
        logger.warning("%s", error)
        return []
    crops: list[NDArray[np.uint8]] = []
    try:
        count = source.info.frame_count or 0
        seconds = count / source.info.fps if count else 0.0
        rate = _FRAMES_PER_CAMERA / seconds if seconds else 1.0
        source.close()
        source = open_source(camera.model_copy(update={"fps_cap": min(rate, source.info.fps)}))
        waiting: list[NDArray[np.uint8]] = []
        for frame in source:
            waiting.append(frame.image_bgr.copy())
            if len(waiting) == _BATCH:
                crops += _people(waiting, detector)
                waiting = []
        crops += _people(waiting, detector)
    except SourceError as error:
        logger.warning("%s", error)
    finally:
        source.close()
    return crops


def _people(images: list[NDArray[np.uint8]], detector: Detector) -> list[NDArray[np.uint8]]:
    crops = []
    for image, found in zip(images, detector.detect(images), strict=True):
        boxes = clip_boxes(found.boxes_xyxy, (image.shape[1], image.shape[0]))
        crops += [cut(image, box).copy() for box in boxes[usable(boxes)]]
    return crops
