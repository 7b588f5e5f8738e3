"""The head of PL-Net."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from reid_builders import TinyBackbone
from reid_head_checks import head_of, pictures, tiny_network

from reid.errors import ReidError
from reid.heads.box_pooling import box_mean
from reid.heads.pl_net import PLNetConfig

CONFIG = PLNetConfig(dim=8, part_count=3, part_dim=4)


def test_the_descriptor_by_hand() -> None:
    network = tiny_network(CONFIG, identities=5)
    images = pictures(2)
    with torch.no_grad():
        found = network.outputs(images)
        final = network.backbone(images)
        boxes = network.head.clusters(final, 1.73, 0.2)
        pooled = box_mean(final, boxes)
        whole = network.head.embed_global(final.mean((2, 3)))
        parts = [network.head.embed_parts[k](pooled[:, k]) for k in range(3)]
    torch.testing.assert_close(found.extras["part_boxes"], boxes)
    pieces = [v / v.norm(dim=1, keepdim=True) / 2 for v in (whole.neck, *(p.neck for p in parts))]
    torch.testing.assert_close(found.embedding, torch.cat(pieces, 1))
    for k, part in enumerate(parts):
        torch.testing.assert_close(found.parts[:, k], 2 * pieces[k + 1])
        torch.testing.assert_close(found.extras["part_logits"][:, k], part.logits)
    torch.testing.assert_close(found.branches["global"].logits, whole.logits)


def test_training_moves_the_clusters_and_search_does_not() -> None:
    network = tiny_network(CONFIG)
    before = network.head.clusters.mean_row.clone()
    network(pictures(4))
    torch.testing.assert_close(network.head.clusters.mean_row, before)
    network.train()(pictures(4))
    assert not torch.equal(network.head.clusters.mean_row, before)


def test_clusters_are_saved_with_the_weights() -> None:
    network = tiny_network(CONFIG).train()
    for _ in range(3):
        network(pictures(4))
    other = tiny_network(CONFIG, seed=5)
    other.load_state_dict(network.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(other(pictures(2))[0], network.eval()(pictures(2))[0])


def test_more_parts_than_channels() -> None:
    backbone = TinyBackbone()
    backbone.out_channels = 2
    with pytest.raises(ReidError, match=r"head.part_count: 3 parts .* 2 channels"):
        CONFIG.build(backbone, 0)


@pytest.mark.parametrize("settings", [{"spread": 0}, {"least_side": 1.5}, {"part_count": 0}])
def test_configurations_that_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PLNetConfig(**settings)


def test_the_system() -> None:
    assert head_of("pl_net") == PLNetConfig()
