"""What every head must do: search, keep its promises, pass gradients, learn, survive OpenVINO."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from reid_head_checks import (
    check_every_weight_learns,
    check_gradients,
    check_openvino,
    check_promises,
    check_search,
)
from torch import Tensor

from reid.heads.acrn import ACRNConfig
from reid.heads.bdb import BDBConfig
from reid.heads.can import CANConfig
from reid.heads.lstm_fusion import LSTMFusionConfig
from reid.heads.mgre import MGReConfig
from reid.heads.msfl import MSFLConfig
from reid.heads.pgr import PGRConfig
from reid.heads.pl_net import PLNetConfig
from reid.heads.pmm import PMMConfig
from reid.heads.registry import HeadConfig
from reid.losses.part_masks import part_mask_loss
from reid.network import Outputs

ACRN = ACRNConfig(dim=8, attributes=("backpack", "hat", "upred"), attribute_hidden=6)
BDB = BDBConfig(global_dim=8, part_dim=8)
CAN = CANConfig(dim=8, glimpses=3, hidden=5, attention_dim=4)
LSTM_FUSION = LSTMFusionConfig(dim=8, stripes=4, hidden=5)
MGRE = MGReConfig(dim=8, location_channels=4)
MSFL = MSFLConfig(dim=8, channels=8)
PGR = PGRConfig(dim=8, part_count=3, part_dim=4, pixel_dim=6)
PL_NET = PLNetConfig(dim=8, part_count=3, part_dim=4)
PMM = PMMConfig(dim=8)
LABELS = torch.tensor([0, 0, 1, 1, 2, 2])


def of_heads(*configs: HeadConfig) -> pytest.MarkDecorator:
    """The test once for each configuration, with the head's name."""
    return pytest.mark.parametrize("config", configs, ids=lambda config: config.name)


HEADS = (
    ACRN,
    ACRN.model_copy(update={"local_views": 0, "gamma": 0.0}),
    BDB,
    CAN,
    LSTM_FUSION,
    MGRE,
    MSFL,
    PGR,
    PGR.model_copy(update={"join_foreground": False, "part_count": 1}),
    PL_NET,
    PL_NET.model_copy(update={"part_count": 1}),
    PL_NET.model_copy(update={"part_count": 5}),
)


@of_heads(*HEADS, PMM)
def test_search(config: HeadConfig) -> None:
    check_search(config)


@of_heads(*HEADS)  # what PMM promises is there while it mixes
def test_promises(config: HeadConfig) -> None:
    check_promises(config)


@of_heads(
    ACRN.model_copy(update={"gamma": 0.7}),
    CAN,
    LSTM_FUSION,
    PGR.model_copy(update={"row_prior": 0.5}),
    PL_NET,
)
def test_gradients(config: HeadConfig) -> None:
    check_gradients(config)


def identity_loss(found: Outputs) -> Tensor:
    """Cross entropy of all branches and parts."""
    logits = [branch.logits for branch in found.branches.values()]
    if "part_logits" in found.extras:
        logits += found.extras["part_logits"].unbind(1)
    return torch.stack([F.cross_entropy(one, LABELS) for one in logits if one is not None]).sum()


def with_clothes(found: Outputs) -> Tensor:
    clothes = torch.randint(0, 2, (6, 3)).float()
    attributes = F.binary_cross_entropy_with_logits(found.extras["attributes"], clothes)
    return identity_loss(found) + attributes


def with_masks(found: Outputs) -> Tensor:
    masks = part_mask_loss(found.extras["part_masks"], found.extras["saliency"])
    return identity_loss(found) + masks


@pytest.mark.parametrize(
    ("config", "loss"),
    [
        (ACRN, with_clothes),
        (CAN, identity_loss),
        (LSTM_FUSION, identity_loss),
        (PGR, with_masks),
        (PL_NET, identity_loss),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_every_weight_learns(config: HeadConfig, loss: Callable[[Outputs], Tensor]) -> None:
    check_every_weight_learns(config, loss)


@pytest.mark.slow
@of_heads(
    ACRN,
    BDB,
    CAN,
    LSTM_FUSION,
    MGRE.model_copy(update={"stages": (1,)}),
    MSFL,
    PGR.model_copy(update={"pixel_pool": 2}),
    PL_NET,
    PMM,
)
def test_openvino(config: HeadConfig) -> None:
    check_openvino(config)
