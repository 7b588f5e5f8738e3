"""Parts that several heads are made of.

Source: the neck is BNNeck of Luo et al., "Bag of Tricks and a Strong Baseline for Deep Person
Re-identification", CVPRW 2019; the stripes are of Zhang et al., arXiv:1711.08184.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from reid.heads.max_pooling import largest_in_cells
from reid.network import Branch

Reduction = Literal["none", "linear", "linear-bn-relu"]


class EmbeddingNeck(nn.Module):
    """A pooled vector becomes a branch: reduction, BNNeck, classifier.

    BNNeck (Luo et al., "Bag of Tricks", CVPRW 2019): metric losses see the vector before a batch
    normalisation without bias, the classifier and search the one after it.

    Args:
        in_channels: length of the pooled vector. dim: length of the embedding; must equal
            `in_channels` without a reduction.
        identities: size of the classifier; 0 builds none.
        reduction: what shortens the vector. neck: False leaves the batch normalisation out.
    """

    def __init__(
        self,
        in_channels: int,
        dim: int,
        identities: int,
        *,
        reduction: Reduction = "linear-bn-relu",
        neck: bool = True,
    ) -> None:
        super().__init__()
        if reduction == "none" and in_channels != dim:
            raise ValueError(f"without a reduction the embedding has {in_channels} floats")
        self.embed: nn.Module = nn.Identity()
        if reduction == "linear":
            self.embed = nn.Linear(in_channels, dim)
        elif reduction == "linear-bn-relu":
            self.embed = nn.Sequential(
                nn.Linear(in_channels, dim), nn.BatchNorm1d(dim), nn.ReLU(inplace=True)
            )
        self.neck: nn.Module = nn.Identity()
        if neck:
            self.neck = nn.BatchNorm1d(dim)
            self.neck.bias.requires_grad_(False)
        self.classifier = nn.Linear(dim, identities, bias=False) if identities else None

    def forward(self, pooled: Tensor) -> Branch:
        """(B, in_channels) -> Branch of (B, dim)."""
        metric = self.embed(pooled)
        neck = self.neck(metric)
        return Branch(metric, neck, None if self.classifier is None else self.classifier(neck))


def stripe_max(maps: Tensor, parts: int) -> Tensor:
    """(B, C, h, w) -> (B, C, P): largest value in each of P horizontal stripes.

    Stripes overlap by a row where P does not divide h.
    """
    return largest_in_cells(maps, (parts, 1)).flatten(2)
