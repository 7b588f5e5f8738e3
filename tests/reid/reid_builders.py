"""Small networks, data sets and configurations for the ReID tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from scipy.io import savemat

from reid.backbones.base import Backbone
from reid.build import build_model
from reid.config import ModelConfig, PhaseConfig, ReidConfig, TrainConfig
from reid.network import ReidNetwork
from reid.training_set import TrainingSet
from reid.weights_file import save_weights

TINY = ModelConfig.model_validate(
    {
        "backbone": {"name": "osnet", "width": 0.0625},
        "head": {"name": "aligned", "global_dim": 16, "part_count": 4, "part_dim": 8},
    }
)
TINY_LOSSES: dict[str, Any] = {
    "identity": {"kind": "identity"},
    "trihard": {"kind": "metric"},
    "aligned": {"kind": "metric", "distance": "aligned", "mined_by": "euclidean"},
}
TINY_HW = (64, 32)


def tiny_config(steps: int = 12, losses: dict[str, Any] | None = None, **train: Any) -> ReidConfig:
    """A system that trains in a few seconds at 32 x 32."""
    settings: dict[str, Any] = {
        "phases": (PhaseConfig(steps=steps, size_hw=(32, 32)),),
        "identities_per_batch": 4,
        "images_per_identity": 2,
        "learning_rate": 5e-3,
        "warmup_steps": 2,
        "checkpoint_every": 100,
    }
    return ReidConfig(
        name="tiny",
        model=TINY,
        losses=losses or TINY_LOSSES,
        train=TrainConfig(**(settings | train)),
        input_hw=TINY_HW,
    )


def tiny_yaml(path: Path, **train: Any) -> Path:
    """`tiny_config` as a file."""
    path.write_text(yaml.safe_dump(tiny_config(**train).model_dump(mode="json")))
    return path


class TinyBackbone(Backbone):
    """Four small stages at strides 4, 8, 16 and 16, in any dtype."""

    stage_channels = (8, 8, 16, 16)
    stage_strides = (4, 8, 16, 16)
    out_channels = 16

    def __init__(self) -> None:
        super().__init__()
        widths = (3, *self.stage_channels)
        strides = (4, 2, 2, 1)
        self.blocks = torch.nn.ModuleList(
            torch.nn.Sequential(
                torch.nn.Conv2d(widths[k], widths[k + 1], 5, strides[k], 2),
                torch.nn.BatchNorm2d(widths[k + 1]),
                torch.nn.ReLU(),
            )
            for k in range(4)
        )

    def stages(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(B, 3, H, W) -> four maps."""
        found = []
        for block in self.blocks:
            x = block(x)
            found.append(x)
        return tuple(found)


def tiny_model(seed: int = 0, config: ModelConfig = TINY) -> ReidNetwork:
    """Random weights with batch statistics of random pictures, in evaluation mode."""
    torch.manual_seed(seed)
    model = build_model(config)
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # the plain mean of all batches
    with torch.no_grad():
        for _ in range(3):
            model(torch.randn(8, 3, *TINY_HW))
    return model.eval()


def tiny_weights(path: Path, seed: int = 0) -> Path:
    """A weight file of `tiny_model`."""
    save_weights(tiny_model(seed), TINY, TINY_HW, path)
    return path


def person(identity: int, view: int, height: int = 64, width: int = 32) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 BGR: two colours of the identity, with the noise of a view."""
    colours = np.random.default_rng(identity).integers(30, 226, (2, 3))
    noise = np.random.default_rng([identity, view]).normal(0, 12, (height, width, 3))
    body = np.repeat(colours, [height // 2, height - height // 2], axis=0)[:, None]
    return np.clip(body + noise, 0, 255).astype(np.uint8)


def people(identities: int = 8, views: int = 4, size: tuple[int, int] = (32, 32)) -> TrainingSet:
    """Images of `identities` people, `views` each."""
    pairs = [(i, v) for i in range(identities) for v in range(views)]
    images = np.stack([person(i, v, *size)[:, :, ::-1] for i, v in pairs])
    return TrainingSet(images, np.array([10 * i for i, _ in pairs], np.int64))


def market_folder(root: Path, identities: int = 5) -> Path:
    """A data set in Market-1501's layout: each identity twice per camera, in two cameras."""
    for number, folder in enumerate(("bounding_box_train", "query", "bounding_box_test")):
        (root / folder).mkdir(parents=True)
        for identity in range(1, identities + 1):
            for camera in (1, 2):
                if folder == "query" and camera == 2:
                    continue
                for shot in (0, 1):
                    name = f"{identity:04}_c{camera}s1_{shot:06}_{number:02}.png"
                    view = 100 * number + 10 * camera + shot
                    cv2.imwrite(str(root / folder / name), person(identity, view))
    return root


def unit_rows(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    """Random vectors of length 1 along the last axis."""
    values = rng.normal(size=shape)
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


def save_picture(path: Path, identity: int, view: int = 0) -> None:
    """One picture of a person; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), person(identity, view, 16, 8))


def cuhk03_folder(root: Path, variant: str = "labeled", images: str | None = None) -> Path:
    """Three identities in two cameras, two shots each, with the configuration file of a variant.

    Identities 1 and 2 are for training; of 3 the first shot of each camera is a query.
    """
    shots = [(i, c, n) for i in (1, 2, 3) for c in (1, 2) for n in (1, 2)]
    names = [f"{i}_{i:03}_{c}_{n:02}.png" for i, c, n in shots]
    for (identity, camera, number), name in zip(shots, names, strict=True):
        save_picture(root / (images or f"images_{variant}") / name, identity, 10 * camera + number)
    filelist = np.empty((len(names), 1), object)
    filelist[:, 0] = names
    indices = {
        "train_idx": [k for k, shot in enumerate(shots, 1) if shot[0] < 3],
        "query_idx": [k for k, shot in enumerate(shots, 1) if shot[0] == 3 and shot[2] == 1],
        "gallery_idx": [k for k, shot in enumerate(shots, 1) if shot[0] == 3 and shot[2] == 2],
    }
    columns = {key: np.array(rows, np.uint16)[:, None] for key, rows in indices.items()}
    labels = np.array([[shot[0]] for shot in shots], np.uint16)
    cameras = np.array([[shot[1]] for shot in shots], np.uint8)
    savemat(
        root / f"cuhk03_new_protocol_config_{variant}.mat",
        {"filelist": filelist, "labels": labels, "camId": cameras} | columns,
    )
    return root


def msmt17_folder(root: Path, folders: tuple[str, str] = ("train", "test")) -> Path:
    """Two training identities with a validation list, two test identities, cameras 1 to 3."""

    def write(name: str, folder: str, shots: list[tuple[int, int, int]]) -> None:
        lines = []
        for identity, number, camera in shots:
            file = f"{identity:04}/{identity:04}_{number:03}_{camera:02}_0303morning_0015_0.jpg"
            save_picture(root / folder / file, identity, number)
            lines.append(f"{file} {identity}\n")
        (root / name).write_text("".join(lines), encoding="utf-8")

    train, test = folders
    write("list_train.txt", train, [(0, 0, 1), (0, 1, 2), (1, 0, 2)])
    write("list_val.txt", train, [(1, 1, 3)])
    write("list_query.txt", test, [(0, 0, 1), (1, 0, 2)])
    write("list_gallery.txt", test, [(0, 1, 2), (0, 2, 1), (1, 1, 3)])
    return root


MARS_TEST = [
    ("00-1", 1, 1, 1),
    ("0000", 2, 1, 2),
    ("0002", 1, 1, 3),
    ("0002", 1, 2, 1),
    ("0002", 3, 1, 2),
    ("0004", 2, 1, 2),
    ("0004", 3, 1, 1),
]
"""Identity, camera, tracklet and number of frames of the tracklets of `mars_folder`'s test part."""
MARS_TRAIN = [("0001", 1, 1, 2), ("0001", 2, 1, 1), ("0003", 1, 1, 2)]


def mars_folder(root: Path, *, info: bool = True) -> Path:
    """MARS's layout; with `info` the lists, whose queries are test tracklets 4, 5 and 6."""
    for part, tracks in (("train", MARS_TRAIN), ("test", MARS_TEST)):
        names, table = [], []
        for identity, camera, tracklet, frames in tracks:
            number = int(identity.replace("00-1", "-1"))
            table.append([len(names) + 1, len(names) + frames, number, camera])
            for frame in range(1, frames + 1):
                names.append(f"{identity}C{camera}T{tracklet:04}F{frame:03}.jpg")
                save_picture(root / f"bbox_{part}" / identity / names[-1], max(number, 0), frame)
        if info:
            (root / "info").mkdir(exist_ok=True)
            (root / "info" / f"{part}_name.txt").write_text("\n".join(names), encoding="utf-8")
            savemat(
                root / "info" / f"tracks_{part}_info.mat",
                {f"track_{part}_info": np.array(table, np.int32)},
            )
    if info:
        savemat(root / "info" / "query_IDX.mat", {"query_IDX": np.array([[4, 5, 6]], np.uint16)})
    return root
