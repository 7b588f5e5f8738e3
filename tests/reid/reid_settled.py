"""Networks whose normalisations do something in evaluation mode, as those of trained ones do."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def settled(module: Module, seed: int = 0) -> Module:
    """The module in evaluation mode, with random statistics in its batch normalisations."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            assert part.running_mean is not None
            assert part.running_var is not None
            part.running_mean.normal_(0.0, 0.3, generator=generator)
            part.running_var.uniform_(0.5, 2.0, generator=generator)
    return module.eval()
