"""The weighted sum of loss terms: which are computed, on which rows, and what they are worth."""

from __future__ import annotations

import pytest
import torch
from reid_builders import tiny_config

from reid.batch_losses import batch_losses
from reid.config import LossConfig
from reid.training_state import start_state


def test_terms_without_weight_are_not_computed() -> None:
    state = start_state(tiny_config(), 4, 6, "cpu")
    features = state.model.features(torch.randn(8, 3, 32, 32))
    labels, teacher = torch.arange(4).repeat_interleave(2), torch.randn(8, 6)
    only = LossConfig(identity=0, trihard=2.0, aligned=0, distil_parts=1.0)
    assert set(batch_losses(features, labels, only, state.heads, teacher)) == {
        "trihard",
        "distil_parts",
    }
    assert set(batch_losses(features, labels, only, state.heads, None)) == {"trihard"}
    one = batch_losses(features, labels, LossConfig(trihard=1.0), state.heads, None)["trihard"]
    two = batch_losses(features, labels, only, state.heads, None)["trihard"]
    assert two.item() == pytest.approx(2 * one.item())


def test_supervised_terms_ignore_the_unlabelled_rows() -> None:
    state = start_state(tiny_config(), 4, 6, "cpu")
    state.model.eval()
    images, labels = torch.randn(11, 3, 32, 32), torch.arange(4).repeat_interleave(2)
    features, teacher = state.model.features(images), torch.randn(11, 6)
    config = LossConfig(distil_feature=1.0)
    found = batch_losses(features, labels, config, state.heads, teacher)
    alone = batch_losses(features.first(8), labels, config, state.heads, teacher[:8])
    for name in ("identity", "trihard", "aligned"):
        torch.testing.assert_close(found[name], alone[name])
    assert found["distil_feature"].item() != pytest.approx(alone["distil_feature"].item())


def test_distillation_terms_equal_their_definition() -> None:
    state = start_state(tiny_config(), 4, 6, "cpu")
    features, teacher = state.model.features(torch.randn(8, 3, 32, 32)), torch.randn(8, 6)
    labels = torch.arange(4).repeat_interleave(2)
    config = LossConfig(distil_feature=2.0, distil_similarity=3.0, distil_parts=5.0)
    found = batch_losses(features, labels, config, state.heads, teacher)
    neck, parts = features.neck.double(), features.parts.double().flatten(1)
    target = torch.nn.functional.normalize(teacher.double(), dim=1)
    heads = {name: head.double() for name, head in state.heads.items()}
    for name, weight, student in (
        ("distil_feature", 2, heads["global"](neck)),
        ("distil_parts", 5, heads["parts"](parts)),
    ):
        cosine = (student * target).sum(1) / student.norm(dim=1)
        assert found[name].item() == pytest.approx(weight * (1 - cosine).mean().item(), rel=1e-4)
    own = torch.nn.functional.normalize(neck, dim=1)
    gap = (own @ own.T - target @ target.T).square().mean()
    assert found["distil_similarity"].item() == pytest.approx(3 * gap.item(), rel=1e-4)
