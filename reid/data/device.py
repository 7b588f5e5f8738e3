"""All training images in the memory of one device, so that a batch is one indexing operation.

Market-1501 at 256 x 128 takes 1.3 GB as uint8.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from reid.errors import ReidError

_AT_ONCE = 256
_SPARE = 1.1
"""Memory asked for over what the images take, for what is decoded at once."""


class DeviceImages:
    """N images as one (N, 3, H, W) uint8 tensor on a device, and a scaled copy where needed.

    On the CPU the images stay where they are; a GPU gets a copy.

    Args:
        pictures: (N, H, W, 3) uint8 RGB, as decoded.
        device: such as "cpu", "cuda" or "cuda:1".

    Raises:
        ReidError: they do not fit into the device's free memory.
    """

    def __init__(self, pictures: NDArray[np.uint8], device: str | torch.device) -> None:
        self.device = torch.device(device)
        self._full = self._shown = self._moved(pictures)

    def _moved(self, pictures: NDArray[np.uint8]) -> Tensor:
        """(N, H, W, 3) -> (N, 3, H, W) on the device; on the CPU a view, without a copy."""
        if self.device.type == "cpu":
            return torch.from_numpy(pictures).permute(0, 3, 1, 2)
        count, height, width, channels = pictures.shape
        full = self._empty(count, channels, height, width)
        for start in range(0, count, _AT_ONCE):
            chunk = torch.from_numpy(pictures[start : start + _AT_ONCE]).to(self.device)
            full[start : start + len(chunk)] = chunk.permute(0, 3, 1, 2)
        return full

    def __len__(self) -> int:
        return len(self._full)

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of what `batch` gives."""
        return self._shown.shape[2], self._shown.shape[3]

    def resize(self, size_hw: tuple[int, int]) -> None:
        """Give batches of this size from now on, scaled from the images as decoded.

        Every pixel is a weighted mean of all that it covers (antialiased bilinear); the result
        is rounded to uint8. The copy of the size before is given up first.

        Raises:
            ReidError: the scaled copy does not fit beside the images.
        """
        if size_hw == self.size_hw:
            return
        self._shown = self._full
        if size_hw == self.size_hw:
            return
        count, channels = self._full.shape[:2]
        scaled = self._empty(count, channels, *size_hw)
        for start in range(0, count, _AT_ONCE):
            chunk = self._full[start : start + _AT_ONCE].float()
            chunk = F.interpolate(chunk, size=size_hw, mode="bilinear", antialias=True)
            scaled[start : start + len(chunk)] = chunk.round_().clamp_(0, 255).to(torch.uint8)
        self._shown = scaled

    def batch(self, rows: NDArray[np.int64]) -> Tensor:
        """(B,) rows -> (B, 3, h, w) float32 in 0..1 on the device, a copy."""
        chosen = torch.from_numpy(np.ascontiguousarray(rows)).to(self.device)
        return self._shown.index_select(0, chosen).float().div_(255)

    def _empty(self, count: int, channels: int, height: int, width: int) -> Tensor:
        needed = count * channels * height * width
        about = f"{count} training images of {height} x {width} need {needed / 1e9:.2f} GB"
        free = free_bytes(self.device)
        advice = "use smaller pictures (train.phases.N.size_hw), fewer images, or another device"
        if free is not None and needed * _SPARE > free:
            raise ReidError(f"{about}, but {self.device} has {free / 1e9:.2f} GB free: {advice}")
        try:
            return torch.empty(
                (count, channels, height, width), dtype=torch.uint8, device=self.device
            )
        except RuntimeError as error:
            raise ReidError(f"{about}, which {self.device} does not have: {advice}") from error


def free_bytes(device: torch.device) -> int | None:
    """Memory that can still be taken on a device; None where that is not known."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        key, _, value = line.partition(":")
        if key == "MemAvailable":
            return int(value.split()[0]) * 1024
    return None
