"""Features of a stronger ReID model (ours, OpenVINO, ONNX, torchreid's OSNet) for distillation.

The teacher sees BGR pictures in 0..255 without normalisation, as Intel's
person-reidentification-retail models do; normalisation is put in front of torch's networks. Its
feature of an image is the mean of image and mirror image, L2-normalised.
"""

from __future__ import annotations

import hashlib
import os
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from reid.data.market import read_image_bgr
from reid.errors import ReidError
from reid.openvino_core import openvino_core

if TYPE_CHECKING:
    import openvino
    import torch

TEACHER_BATCH = 16
_FLOAT32 = {"INFERENCE_PRECISION_HINT": "f32"}
"""torchreid publishes float32 figures; in bfloat16 OSNet x0.25 loses 0.1 mAP on Market-1501."""
OnDone = Callable[[int], None]


class Teacher:
    """A model file that is ready to embed; `path` is the file.

    Args:
        path: `.xml` (OpenVINO, the `.bin` beside it) or `.onnx`; one picture input of fixed
            height and width in NCHW order. `.pth`: a checkpoint of torchreid's OSNet, which
            runs in float32; the others in what OpenVINO prefers (bfloat16 where the CPU has it).
            `.safetensors`: a weight file of ours; what it embeds is then what `Embedder` does.
        threads: CPU threads; 0 lets the runtime choose.

    Raises:
        ReidError: the file cannot be read, has no such input, needs body joints, or is an export
            of ours (`reid.export`), which takes normalised RGB.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        self.path = path
        if path.suffix not in (".xml", ".onnx", *_TORCH):
            raise ReidError(
                f"{path}: a teacher is an OpenVINO .xml, an .onnx, our .safetensors, or "
                "torchreid's .pth"
            )
        if not path.is_file():
            raise ReidError(f"{path}: no such teacher file")
        core = openvino_core()
        try:
            model = read_model(path)
            _refuse_export(model, path)
            shape = list(model.inputs[0].partial_shape)
            if len(model.inputs) != 1 or len(shape) != 4 or shape[2].is_dynamic:
                raise ReidError(f"{path}: the model has no single picture input of fixed size")
            self.size_hw = (shape[2].get_length(), shape[3].get_length())
            model.reshape([TEACHER_BATCH, 3, *self.size_hw])
            options: dict[str, Any] = {"INFERENCE_NUM_THREADS": threads} if threads else {}
            if path.suffix == ".pth":
                options |= _FLOAT32
            self._compiled = core.compile_model(model, "CPU", options)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ReidError(f"{path}: not a usable model: {reason}") from error

        self._whole_bodies = path.suffix == ".safetensors"

    def fit(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(h, w, 3) of any size, BGR -> (H, W, 3) RGB at `size_hw`, as `features` takes it.

        Stretched; our networks get a crop that lacks the legs padded first, as always.
        """
        if self._whole_bodies:
            from reid.inference import whole_body

            picture, _ = whole_body(picture, 1)
        height, width = self.size_hw
        resized = cv2.resize(picture, (width, height)).astype(np.uint8, copy=False)
        return np.ascontiguousarray(resized[..., ::-1])

    def features(
        self, images_rgb: NDArray[np.uint8], *, mirror: bool = True
    ) -> NDArray[np.float32]:
        """(B, H, W, 3) uint8 RGB at `size_hw`, B <= 16 -> (B, T) float32 rows of length 1.

        Without `mirror` they are of the images alone.
        """
        padded = np.zeros((TEACHER_BATCH, 3, *self.size_hw), np.float32)
        padded[: len(images_rgb)] = images_rgb[..., ::-1].transpose(0, 3, 1, 2)
        found = self._run(padded)
        if mirror:
            found = found + self._run(np.ascontiguousarray(padded[..., ::-1]))
        found = found[: len(images_rgb)]
        length = np.linalg.norm(found, axis=1, keepdims=True)
        return (found / np.maximum(length, 1e-12)).astype(np.float32)

    def _run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.array(self._compiled(images)[0], np.float32).reshape(TEACHER_BATCH, -1)


def read_model(path: Path) -> openvino.Model:
    """The network of a file that `Teacher` takes, with the size of its pictures.

    Raises:
        ReidError: weights of ours or torchreid's that cannot be used.
        RuntimeError: OpenVINO cannot read the file.
    """
    return _TORCH.get(path.suffix, openvino_core().read_model)(path)


def _refuse_export(model: openvino.Model, path: Path) -> None:
    """Refuse what `reid.export` wrote: OpenVINO has its notes as they are, ONNX's by framework."""
    for place in ("crosswalk", "framework"):
        if all(model.has_rt_info([place, key]) for key in ("fingerprint", "preprocessing")):
            raise ReidError(f"{path}: an export of this project; give its .safetensors instead")


def _torchreid(path: Path) -> openvino.Model:
    """torchreid's OSNet as an OpenVINO model with its picture size."""
    from reid.backbones.torchreid_osnet import INPUT_HW, load_torchreid_osnet

    return _converted(load_torchreid_osnet(path), INPUT_HW)


def _ours(path: Path) -> openvino.Model:
    """The embedding of a network of ours as an OpenVINO model with its picture size."""
    from reid.bgr_network import BgrNetwork
    from reid.weights_file import load_weights

    network, input_hw, _ = load_weights(path)
    if network.head.needs_joints:
        raise ReidError(f"{path}: a teacher that needs body joints cannot teach")
    return _converted(BgrNetwork(network), input_hw)


def _converted(network: torch.nn.Module, input_hw: tuple[int, int]) -> openvino.Model:
    import openvino as ov
    import torch

    example = torch.zeros(2, 3, *input_hw)
    with warnings.catch_warnings():  # torch's tracer warns about its own layers
        warnings.simplefilter("ignore")
        model = ov.convert_model(network.eval(), example_input=example)
    model.reshape([-1, 3, *input_hw])
    return model


_TORCH: dict[str, Callable[[Path], openvino.Model]] = {".pth": _torchreid, ".safetensors": _ours}


def teacher_key(path: Path, names: Sequence[str]) -> str:
    """Hash of the teacher's file (and the weights beside it) and of the image names."""
    digest = hashlib.sha256()
    for file in (path, path.with_suffix(".bin")):
        if file.is_file():
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    digest.update("\n".join(names).encode())
    return digest.hexdigest()


def teacher_features(
    teacher: Teacher,
    images: Sequence[Path],
    cache: Path,
    *,
    on_done: OnDone | None = None,
) -> NDArray[np.float32]:
    """Features of `images`: (N, T); read from `cache` (.npz) if it is of these and this teacher.

    `on_done` gets the number of embedded images after each batch.

    Raises:
        ReidError: an image cannot be decoded.
    """
    names = [image.name for image in images]

    def read(start: int) -> NDArray[np.uint8]:
        chunk = images[start : start + TEACHER_BATCH]
        return np.stack([teacher.fit(read_image_bgr(path)) for path in chunk])

    return _cached(teacher, teacher_key(teacher.path, names), names, read, cache, on_done)


def picture_features(
    teacher: Teacher,
    pictures: NDArray[np.uint8],
    cache: Path,
    *,
    on_done: OnDone | None = None,
) -> NDArray[np.float32]:
    """Features of (N, H, W, 3) uint8 RGB pictures in memory: (N, T); else as `teacher_features`."""
    names = [str(number) for number in range(len(pictures))]
    content = hashlib.sha256(np.ascontiguousarray(pictures).data).hexdigest()

    def read(start: int) -> NDArray[np.uint8]:
        chunk = pictures[start : start + TEACHER_BATCH]
        return np.stack([teacher.fit(np.ascontiguousarray(p[..., ::-1])) for p in chunk])

    return _cached(teacher, teacher_key(teacher.path, [content]), names, read, cache, on_done)


def _cached(
    teacher: Teacher,
    key: str,
    names: Sequence[str],
    read: Callable[[int], NDArray[np.uint8]],
    cache: Path,
    on_done: OnDone | None,
) -> NDArray[np.float32]:
    """Features from `cache`, or of what `read` returns for each first row of a batch."""
    cached = _read_cache(cache, key, len(names))
    if cached is not None:
        return cached
    rows = []
    for start in range(0, len(names), TEACHER_BATCH):
        rows.append(teacher.features(read(start)))
        if on_done is not None:
            on_done(start + len(rows[-1]))
    features = np.concatenate(rows)
    _write_cache(cache, key, names, features)
    return features


def _read_cache(cache: Path, key: str, count: int) -> NDArray[np.float32] | None:
    try:
        with np.load(cache, allow_pickle=False) as content:
            if str(content["key"]) != key:
                return None
            features = content["features"].astype(np.float32)
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    return features if len(features) == count else None


def _write_cache(
    cache: Path, key: str, names: Sequence[str], features: NDArray[np.float32]
) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    temporary = cache.with_name(cache.stem + ".tmp.npz")
    np.savez(temporary, key=np.array(key), names=np.array(names), features=features)
    os.replace(temporary, cache)
