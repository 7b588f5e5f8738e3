"""The head of PGR, and the features that progressive retrieval takes from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from reid_builders import TinyBackbone
from reid_head_checks import head_of, pictures, tiny_network

from reid.errors import ReidError
from reid.heads.bnneck import BNNeckConfig
from reid.heads.part_masks import mask_visibility, masked_mean
from reid.heads.pgr import PGRConfig
from reid.network import Maps, Outputs, ReidNetwork
from reid.progressive import progressive_distances
from reid.pyramid import PyramidFeatures, pyramid_features, pyramid_of

MARKET_PICTURES = 19_281


def config(**settings: Any) -> PGRConfig:
    tiny = {"dim": 8, "part_count": 3, "part_dim": 4, "pixel_dim": 6}
    return PGRConfig(**(tiny | settings))


def test_the_three_granularities_by_hand() -> None:
    network = tiny_network(config(), identities=5)
    images = pictures(2)
    with torch.no_grad():
        found = network.outputs(images)
        final = network.backbone(images)
        head = network.head
        masks = head.masks(final)
        whole = final.mean((2, 3))
        front = masked_mean(final, 1 - masks[:, 3:])[:, 0]
        instance = head.embed_instance.neck(head.embed_instance.embed(whole))
        foreground = head.embed_foreground.neck(head.embed_foreground.embed(front))
        pixel_map = head.reduce_pixels(final)
    torch.testing.assert_close(found.branches["instance"].neck, instance)
    torch.testing.assert_close(found.branches["foreground"].neck, foreground)
    joined = torch.cat(
        [v / v.norm(dim=1, keepdim=True) / 2**0.5 for v in (instance, foreground)], 1
    )
    torch.testing.assert_close(found.embedding, joined)
    for k in range(3):
        part = head.embed_parts[k](masked_mean(final, masks[:, k : k + 1])[:, 0])
        unit = part.neck / part.neck.norm(dim=1, keepdim=True)
        torch.testing.assert_close(found.parts[:, k], unit)
        torch.testing.assert_close(found.extras["part_logits"][:, k], part.logits)
    torch.testing.assert_close(found.visibility, mask_visibility(masks[:, :3], 0.01))
    torch.testing.assert_close(
        found.extras["pixels"], pixel_map / pixel_map.norm(dim=1, keepdim=True)
    )
    torch.testing.assert_close(found.extras["foreground"], 1 - masks[:, 3])
    torch.testing.assert_close(
        found.branches["pixel"].metric, masked_mean(pixel_map, 1 - masks[:, 3:])[:, 0]
    )


def test_pixels_are_means_of_squares() -> None:
    torch.manual_seed(0)
    head = config(pixel_pool=2).build(TinyBackbone(), 0).eval()
    final = torch.randn(1, 16, 4, 6)
    with torch.no_grad():
        found = head(Maps(torch.zeros(1, 3, 64, 96), (), final))
        pixel_map, masks = head.reduce_pixels(final), head.masks(final)
    assert found.extras["pixels"].shape == (1, 6, 2, 3)
    for y in range(2):
        for x in range(3):
            square = (slice(None), slice(None), slice(2 * y, 2 * y + 2), slice(2 * x, 2 * x + 2))
            mean = pixel_map[square].mean((2, 3))
            torch.testing.assert_close(
                found.extras["pixels"][:, :, y, x], mean / mean.norm(dim=1, keepdim=True)
            )
            torch.testing.assert_close(
                found.extras["foreground"][:, y, x], 1 - masks[square][:, 3].mean((1, 2))
            )


def test_pixels_larger_than_the_map() -> None:
    network = tiny_network(config(pixel_pool=8))
    with pytest.raises(ReidError, match="pixel_pool: 8 is more than the map of 4x2"):
        network(pictures(1))


@pytest.mark.parametrize("settings", [{"part_count": 0}, {"pixel_dim": 2}, {"masks": 3}])
def test_configurations_that_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config(**settings)


def test_pyramid_features_of_batches() -> None:
    network = tiny_network(config())
    images = pictures(5)
    found = pyramid_features(network, [images[:3], images[3:]])
    with torch.no_grad():
        outputs = network.outputs(images)
    assert len(found) == 5
    assert found.pixels.dtype == found.foreground.dtype == np.float16
    np.testing.assert_allclose(found.global_features, outputs.embedding.numpy(), atol=1e-5)
    np.testing.assert_allclose(found.part_visibility, outputs.visibility.numpy(), atol=1e-5)
    np.testing.assert_allclose(found.pixels, outputs.extras["pixels"].numpy(), atol=1e-3)


def test_a_picture_finds_itself() -> None:
    network = tiny_network(config())
    gallery = pyramid_features(network, [pictures(6)])
    found = progressive_distances(gallery, gallery, n1=4, n2=2)
    assert found.argmin(1).tolist() == list(range(6))


def test_parts_without_visibility_are_all_seen() -> None:
    outputs = tiny_network(config()).outputs(pictures(2))
    bare = Outputs(outputs.embedding, {}, outputs.parts, None, outputs.extras)
    assert (pyramid_of(bare).part_visibility == 1).all()


def test_a_head_without_pixels() -> None:
    backbone = TinyBackbone()
    network = ReidNetwork(backbone, BNNeckConfig(dim=16).build(backbone, 0)).eval()
    with pytest.raises(ReidError, match="needs parts, pixels and foreground"):
        pyramid_features(network, [pictures(2)])


def test_no_pictures() -> None:
    with pytest.raises(ReidError, match="no pictures"):
        pyramid_features(tiny_network(config()), [])


class Wide(TinyBackbone):
    """The map of a backbone, as far as a head's sizes depend on it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_channels = channels


@pytest.mark.parametrize(
    ("system", "channels", "map_hw"), [("pgr", 2048, (16, 8)), ("pgr_hrnet", 480, (64, 32))]
)
def test_the_size_that_the_systems_state(
    system: str, channels: int, map_hw: tuple[int, int]
) -> None:
    """Market-1501's 19,281 pictures stay below 8 GiB."""
    head = head_of(system).build(Wide(channels), 0).eval()
    maps = Maps(torch.zeros(1, 3, 256, 128), (), torch.randn(1, channels, *map_hw))
    with torch.no_grad():
        one: PyramidFeatures = pyramid_of(head(maps))
    assert one.pixels.shape[2:] == (16, 8)
    assert one.nbytes == 26_904
    assert one.nbytes * MARKET_PICTURES / 2**30 == pytest.approx(0.48, abs=0.005)
