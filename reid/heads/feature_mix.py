"""Regions of one picture's map put into another's: PMM's attentive Hard-Mix and what it beat.

Source: Zhang et al., "Progressive Multi-stage Feature Mix for Person Re-identification",
ICASSP 2021, section 2.2 and table 2. CutOut: DeVries and Taylor, arXiv:1708.04552; CutMix: Yun et
al., ICCV 2019.

All draws come from torch's generator of the map's device, or from one that is given. Gradients
flow into both maps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reid.errors import ReidError


@dataclass(frozen=True)
class Mixed:
    """Maps after mixing.

    Attributes:
        maps: (B, C, h, w).
        partner: (B,) int64, the row that each map's foreign region comes from; its own row where
            nothing is foreign.
        share: (B,) in 0..1, how much of the label belongs to the partner.
    """

    maps: Tensor
    partner: Tensor
    share: Tensor


def a_hard_mix(
    maps: Tensor, kept: Tensor, labels: Tensor, generator: torch.Generator | None = None
) -> Mixed:
    """The cells that are not `kept` come from a random picture of another identity.

    The anchor keeps its label, so `share` is 0.

    Args:
        maps: (B, C, h, w). kept: (B, h, w) bool, False on the salient blocks. labels: (B,).

    Raises:
        ReidError: the batch has one identity only.
    """
    refuse_one_identity(labels)
    partner = random_negative(labels, generator)
    return Mixed(replaced(maps, kept, partner), partner, _no_share(maps))


def cutout(maps: Tensor, kept: Tensor) -> Mixed:
    """The cells that are not `kept` become 0; the label stays."""
    own = torch.arange(len(maps), device=maps.device)
    return Mixed(maps * kept[:, None].to(maps.dtype), own, _no_share(maps))


def cutmix(maps: Tensor, kept: Tensor, generator: torch.Generator | None = None) -> Mixed:
    """The cells that are not `kept` come from a random picture of the batch, whoever it shows.

    Partners are a permutation of the batch, as in CutMix, and may be the picture itself. The
    partner's share of the label is its share of the area. With a random region this is CutMix,
    with the salient one the comparator A-CutMix.

    Args:
        maps: (B, C, h, w). kept: (B, h, w) bool.
    """
    partner = torch.randperm(len(maps), generator=generator, device=maps.device)
    share = 1 - kept.to(_no_share(maps).dtype).mean((1, 2))
    return Mixed(replaced(maps, kept, partner), partner, share)


def replaced(maps: Tensor, kept: Tensor, partner: Tensor) -> Tensor:
    """maps[b] where `kept`, else the same cell of maps[partner[b]].

    Args:
        maps: (B, C, h, w). kept: (B, h, w) bool. partner: (B,) int64.
    """
    return torch.where(kept[:, None], maps, maps[partner])


def random_negative(labels: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """(B,) -> (B,) int64: for each row one of the rows with another label, all equally likely.

    There must be two labels (`refuse_one_identity`).
    """
    different = labels[:, None] != labels[None]
    draws = torch.rand(different.shape, generator=generator, device=labels.device)
    return draws.masked_fill(~different, -1).argmax(1)


def refuse_one_identity(labels: Tensor) -> None:
    """A batch of one identity has no negative to mix with.

    Raises:
        ReidError: it has one identity.
    """
    if bool((labels == labels[0]).all()):
        raise ReidError(
            f"all {len(labels)} labelled pictures of the batch are of identity "
            f"{int(labels[0])}: Hard-Mix needs two; raise train.identities_per_batch"
        )


def _no_share(maps: Tensor) -> Tensor:
    dtype = maps.dtype if maps.dtype.itemsize >= 4 else torch.float32
    return torch.zeros(len(maps), dtype=dtype, device=maps.device)
