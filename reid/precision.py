"""The floating point width in which distances and losses are computed."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """Half and bfloat16 become float32; float32 and float64 stay what they are."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
