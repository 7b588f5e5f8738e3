"""Shapes and properties of OSNet, and of AlignedReID on it."""

from __future__ import annotations

import pytest
import torch
from reid_builders import TINY, tiny_model

from reid.backbones.osnet import OSNet
from reid.build import build_model
from reid.heads.blocks import stripe_max


@pytest.mark.parametrize("size", [(128, 64), (192, 96), (256, 128)])
@pytest.mark.parametrize("instance_norm", [True, False])
def test_osnet_maps(size: tuple[int, int], instance_norm: bool) -> None:
    trunk = OSNet(0.25, instance_norm=instance_norm).eval()
    with torch.no_grad():
        maps = trunk(torch.randn(1, 3, *size))
    assert maps.shape == (1, trunk.out_channels, size[0] // 16, size[1] // 16)
    assert trunk.out_channels == 128


@pytest.mark.parametrize(("width", "millions"), [(0.25, 0.20), (0.5, 0.65), (1.0, 2.2)])
def test_osnet_has_the_papers_size(width: float, millions: float) -> None:
    """Zhou et al., table 6: 0.2, 0.6 and 2.2 million parameters with the 512-d layer."""
    count = sum(p.numel() for p in OSNet(width).parameters()) / 1e6
    head = 512 * width * 512 / 1e6
    assert count + head == pytest.approx(millions, rel=0.15)


@pytest.mark.parametrize("size", [(128, 64), (192, 96), (256, 128)])
@pytest.mark.parametrize("parts", [1, 6, 8])
def test_aligned_features(size: tuple[int, int], parts: int) -> None:
    head = {"name": "aligned", "global_dim": 24, "part_count": parts, "part_dim": 12}
    config = TINY.model_validate(TINY.model_dump() | {"head": head})
    model = build_model(config, identities=7).eval()
    with torch.no_grad():
        found = model.outputs(torch.randn(2, 3, *size))
        vectors, part_vectors = model(torch.randn(2, 3, *size))
    branch = found.branches["global"]
    assert branch.metric.shape == branch.neck.shape == vectors.shape == (2, 24)
    assert found.parts is not None
    assert found.parts.shape == part_vectors.shape == (2, parts, 12)
    assert branch.logits is not None
    assert branch.logits.shape == (2, 7)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))
    torch.testing.assert_close(part_vectors.norm(dim=2), torch.ones(2, parts))


def test_no_classifier_for_inference() -> None:
    model = tiny_model()
    assert not any("classifier" in name for name in model.state_dict())
    assert model.outputs(torch.randn(2, 3, 64, 32)).branches["global"].logits is None


def test_the_neck_has_no_bias_to_learn() -> None:
    names = [name for name, p in tiny_model().named_parameters() if not p.requires_grad]
    assert names == ["head.neck.bias"]


@pytest.mark.parametrize(("height", "parts"), [(8, 8), (8, 4), (12, 8), (4, 4), (16, 6)])
def test_stripes_by_hand(height: int, parts: int) -> None:
    """Stripe p covers rows floor(p h / P) to ceil((p + 1) h / P)."""
    maps = torch.randn(2, 3, height, 4)
    found = stripe_max(maps, parts)
    for part in range(parts):
        low, high = part * height // parts, -(-(part + 1) * height // parts)
        torch.testing.assert_close(found[:, :, part], maps[:, :, low:high].amax((2, 3)))


def test_the_legs_do_not_change_the_head() -> None:
    maps = torch.randn(1, 5, 8, 4)
    changed = maps.clone()
    changed[:, :, 4:] += 1
    torch.testing.assert_close(stripe_max(maps, 4)[..., :2], stripe_max(changed, 4)[..., :2])


def test_evaluation_does_not_depend_on_the_batch() -> None:
    model = tiny_model()
    images = torch.randn(5, 3, 64, 32)
    with torch.no_grad():
        together = model(images)[0]
        alone = torch.cat([model(image[None])[0] for image in images])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)


def test_every_weight_gets_a_gradient() -> None:
    model = build_model(TINY, identities=3).train()
    found = model.outputs(torch.randn(4, 3, 64, 32))
    branch = found.branches["global"]
    assert branch.logits is not None
    assert found.parts is not None
    (branch.logits.sum() + found.parts.pow(3).sum() + branch.metric.sum()).backward()
    missing = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert missing == []
