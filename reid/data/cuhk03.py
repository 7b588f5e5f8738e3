"""CUHK03 with the new protocol: 767 identities to train, 700 to test.

Source: Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017.
Its boxes are `labeled` (drawn by hand) or `detected`; each variant is read in one of two forms:

- a folder labeled/ or detected/ in Market-1501's layout (the "CUHK03-NP" distribution), or
- cuhk03_new_protocol_config_VARIANT.mat beside images_VARIANT/ (or VARIANT/) with the PNG files
  that were extracted from cuhk-03.mat, named as in the file's `filelist`: 1_001_1_01.png.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

from reid.data import market
from reid.data.crops import Crops, Split, below, crops_of
from reid.data.mat import integers, read_mat
from reid.errors import ReidError

Variant = Literal["labeled", "detected"]
_VARIANTS: tuple[Variant, ...] = ("labeled", "detected")


def load_split(root: Path, split: Split, variant: Variant | None = None) -> Crops:
    """One split of a variant; without `variant` of the only one there is.

    `root` holds the variants, or one folder that does; it may also be a variant's own folder in
    Market-1501's layout.

    Raises:
        ReidError: no such variant, both and none chosen, or files that do not fit.
    """
    found = _variants(root)
    if variant is not None:
        if variant in found:
            return found[variant](split)
        raise ReidError(
            f"{root}: no {variant} images: neither {variant}/bounding_box_train nor "
            f"{_config(variant)} is there"
        )
    if len(found) > 1:
        raise ReidError(
            f"{root}: holds labeled and detected images: "
            "write cuhk03_labeled=... or cuhk03_detected=..."
        )
    if found:
        return next(iter(found.values()))(split)
    if not any(root.glob("bounding_box_train")) and not any(root.glob("*/bounding_box_train")):
        raise ReidError(
            f"{root}: no folder labeled or detected with bounding_box_train in it, and no "
            f"{_config('labeled')} or {_config('detected')} beside extracted images "
            "(CUHK03 new protocol expected)"
        )
    return market.load_split(root, split)


def _config(variant: Variant) -> str:
    return f"cuhk03_new_protocol_config_{variant}.mat"


def _variants(root: Path) -> dict[Variant, Callable[[Split], Crops]]:
    """How to load each variant that is in `root` or in a folder of it."""
    found: dict[Variant, Callable[[Split], Crops]] = {}
    for folder in [root, *sorted(path for path in root.glob("*") if path.is_dir())]:
        for variant in _VARIANTS:
            if variant in found:
                continue
            if (folder / variant / "bounding_box_train").is_dir():
                found[variant] = partial(market.load_split, folder / variant)
            elif (folder / _config(variant)).is_file():
                found[variant] = partial(_from_config, folder, variant)
    return found


def _from_config(folder: Path, variant: Variant, split: Split) -> Crops:
    path = folder / _config(variant)
    key = f"{split}_idx"
    names, labels, cameras, rows = read_mat(path, "filelist", "labels", "camId", key)
    files = [str(cell.item()) if cell.size == 1 else "" for cell in names.ravel()]
    identities = integers(labels, f"{path}: labels").ravel()
    places = integers(cameras, f"{path}: camId").ravel()
    chosen = integers(rows, f"{path}: {key}").ravel() - 1
    if not len(files) == len(identities) == len(places):
        raise ReidError(f"{path}: filelist, labels and camId differ in length")
    if len(chosen) and not 0 <= chosen.min() <= chosen.max() < len(files):
        raise ReidError(f"{path}: {key}: not all within 1..{len(files)}")
    images = _image_folder(folder, variant)
    there = {image.name for image in images.iterdir()}
    found = []
    for row in chosen.tolist():
        image = below(images, files[row], f"{path}: filelist")
        if image.name not in there:
            raise ReidError(f"{image}: no such image, but {path.name} lists it")
        found.append((image, int(identities[row]), int(places[row])))
    return crops_of(found, path)


def _image_folder(folder: Path, variant: Variant) -> Path:
    for name in (f"images_{variant}", variant):
        if (folder / name).is_dir():
            return folder / name
    raise ReidError(
        f"{folder}: no images_{variant} beside {_config(variant)}: "
        "extract the images of cuhk-03.mat there"
    )
