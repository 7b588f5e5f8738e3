"""MSMT17: 15 cameras, splits given by lists of files.

Source: Wei et al., "Person Transfer GAN to Bridge Domain Gap for Person Re-Identification",
CVPR 2018. Both versions: train/ and test/ (V1), mask_train_v2/ and mask_test_v2/ (V2).
"""

from __future__ import annotations

import re
from pathlib import Path

from reid.data.crops import Crops, Split, below, crops_of, find_in
from reid.errors import ReidError

_NAME = re.compile(r"^\d+_\d+_(\d+)_")
_LISTS: dict[Split, tuple[str, ...]] = {
    "train": ("list_train.txt", "list_val.txt"),
    "query": ("list_query.txt",),
    "gallery": ("list_gallery.txt",),
}


def load_split(root: Path, split: Split) -> Crops:
    """Read the lists of one split; a line is `0000/0000_000_01_0303morning_0015_0.jpg 0`.

    "train" is the training and the validation list together, as is usual (32,621 images of 1,041
    identities). Identities are the list's labels + 1, because 0 is a distractor here and MSMT17
    has none. The camera is the third number of the file name.

    Raises:
        ReidError: a list or image folder is missing, or a line does not fit.
    """
    lists = [find_in(root, name, "MSMT17") for name in _LISTS[split]]
    images = _image_folder(lists[0].parent, "train" if split == "train" else "test")
    return crops_of([row for path in lists for row in _rows(path, images)], lists[0])


def _image_folder(folder: Path, name: str) -> Path:
    names = (f"mask_{name}_v2", name)
    for candidate in names:
        if (folder / candidate).is_dir():
            return folder / candidate
    raise ReidError(f"{folder}: neither {names[0]} nor {names[1]} (MSMT17 layout expected)")


def _rows(path: Path, images: Path) -> list[tuple[Path, int, int]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ReidError(f"{path}: not a readable text file") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}: line {number}"
        name, _, label = line.strip().rpartition(" ")
        camera = _NAME.match(name.rsplit("/", 1)[-1])
        if camera is None or not label.isdecimal():
            raise ReidError(
                f"{where}: FOLDER/IDENTITY_NUMBER_CAMERA_....jpg and a label are expected"
            )
        rows.append((below(images, name.strip(), where), int(label) + 1, int(camera[1])))
    return rows
