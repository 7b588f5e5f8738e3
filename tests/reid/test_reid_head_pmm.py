"""PMM: what each stage gets, its labels, gradients, search, refusals."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from reid_builders import TinyBackbone
from reid_head_checks import head_of, system_yaml
from torch import Tensor, nn

from reid.errors import ReidError
from reid.heads.feature_mix import Mixed
from reid.heads.grad_cam import grad_cam
from reid.heads.pmm import PMMConfig, PMMHead
from reid.heads.salient_blocks import outside_salient_blocks
from reid.losses.mixed_identity import mixed_identity_loss
from reid.network import Head, Maps, Outputs, ReidNetwork, Targets

MIXES = ("a_hard_mix", "a_cutmix", "cutmix", "cutout")
LABELS = torch.tensor([0, 0, 1, 1, 3, 3])


def head(identities: int = 5, **config: Any) -> PMMHead:
    torch.manual_seed(0)
    small = {"dim": 8, "block_grid": (4, 2), "block_count": 2}
    built: Head = PMMConfig(**(small | config)).build(TinyBackbone(), identities)
    assert isinstance(built, PMMHead)
    return built.double()


def frozen_norms(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.eval()


def final_map(count: int = 6, hw: tuple[int, int] = (8, 4)) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 16, *hw, generator=generator, dtype=torch.float64).relu()


def run(net: PMMHead, final: Tensor, labels: Tensor | None = LABELS) -> Outputs:
    maps = Maps(final, (final,), final)
    return net(maps, None if labels is None else Targets(labels))


class Watch:
    """Inputs and outputs of the stages' residual blocks in one forward pass."""

    def __init__(self, net: PMMHead) -> None:
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []
        for step in net.steps:
            step.block.register_forward_hook(self._note)

    def _note(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self.inputs.append(inputs[0].detach())
        self.outputs.append(output.detach())


@pytest.mark.parametrize("unlabelled", [0, 2])
def test_hard_mix_of_the_salient_blocks_by_hand(unlabelled: int) -> None:
    """The input of stage k + 1 is stage k's map outside its salient blocks, a negative's inside."""
    net = head().train()
    frozen_norms(net)
    watch = Watch(net)
    run(net, final_map(6 + unlabelled))
    for before, after, step in zip(watch.outputs, watch.inputs[1:], net.steps, strict=False):
        leaf = before.clone().requires_grad_()
        logits = step.embed(leaf.mean((2, 3))).logits
        kept = outside_salient_blocks(grad_cam(leaf, logits, LABELS), (4, 2), 2)
        assert (~kept).sum((1, 2)).tolist() == [8] * 6
        for b in range(6):
            torch.testing.assert_close(after[b][:, kept[b]], before[b][:, kept[b]], rtol=0, atol=0)
            sources = [
                p for p in range(6) if torch.equal(after[b][:, ~kept[b]], before[p][:, ~kept[b]])
            ]
            assert len(sources) == 1
            assert LABELS[sources[0]] != LABELS[b]
        assert torch.equal(after[6:], before[6:])


@pytest.mark.parametrize("mix", MIXES)
def test_each_way_changes_only_what_the_next_stage_gets(mix: str) -> None:
    net = head(mix=mix).train()
    frozen_norms(net)
    watch = Watch(net)
    run(net, final_map())
    for before, after in zip(watch.outputs, watch.inputs[1:], strict=False):
        changed = (after != before).any(1)
        assert changed.any()
        if mix == "cutout":
            gone = (after == 0).all(1) & (before != 0).any(1)
            assert torch.equal(gone, changed)
        area = {"cutout": 12, "cutmix": 12}.get(mix, 8)  # a third of 8 rows of 4; 2 blocks of 4
        assert int(changed.sum((1, 2)).max()) <= area


@pytest.mark.parametrize(
    ("mix", "training", "labels"),
    [("a_hard_mix", False, LABELS), ("a_hard_mix", True, None), ("none", True, LABELS)],
)
def test_no_mixing_in_search_or_when_switched_off(
    mix: str, training: bool, labels: Tensor | None
) -> None:
    net = head(mix=mix).train(training)
    watch = Watch(net)
    found = run(net, final_map(), labels)
    for before, after in zip(watch.outputs, watch.inputs[1:], strict=False):
        assert torch.equal(before, after)
    if labels is None:
        assert found.extras == {}
    else:
        assert found.extras["mixed_share"][:, :, 0].tolist() == [[1.0] * 3] * 6


def test_search_concatenates_the_stages() -> None:
    net = head(neck=True)
    for _ in range(5):
        run(net, final_map())
    net.eval()
    final = final_map()
    with torch.no_grad():
        found = run(net, final, None)
        alone = torch.cat([run(net, one[None], None).embedding for one in final])
    necks = torch.cat([found.branches[f"stage{k}"].neck for k in (1, 2, 3)], 1)
    torch.testing.assert_close(found.embedding, necks / necks.norm(dim=1, keepdim=True))
    torch.testing.assert_close(found.embedding, alone)
    assert found.embedding.shape == (6, net.embedding_dim) == (6, 24)


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_pooling_of_the_later_stages(pooling: str) -> None:
    net = head(later_pooling=pooling).eval()
    watch = Watch(net)
    found = run(net, final_map(), None)
    for k, step in enumerate(net.steps):
        out = watch.outputs[k].flatten(2)
        pooled = out.amax(2) if k and pooling == "max" else out.sum(2) / 32
        torch.testing.assert_close(
            step.embed(pooled).metric, found.branches[f"stage{k + 1}"].metric
        )


@pytest.mark.parametrize("mix", MIXES)
def test_whom_each_stage_shows(mix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extras against the same composition by hand, class by class."""
    net = head(mix=mix).train()
    seen: list[Mixed] = []
    mixing = net._mix
    monkeypatch.setattr(net, "_mix", lambda *given: seen.append(mixing(*given)) or seen[-1])
    found = run(net, final_map(8))
    rows = [{int(label): 1.0} for label in LABELS]
    labels, shares = found.extras["mixed_labels"], found.extras["mixed_share"]
    assert labels.shape == shares.shape == (8, 3, 4)
    for stage in range(3):
        if stage:
            s, p = seen[stage - 1].share.tolist(), seen[stage - 1].partner.tolist()
            rows = [
                {k: (1 - s[b]) * rows[b].get(k, 0) + s[b] * rows[p[b]].get(k, 0) for k in range(5)}
                for b in range(6)
            ]
        for b in range(6):
            total = dict.fromkeys(range(5), 0.0)
            for m in range(4):
                total[int(labels[b, stage, m])] += float(shares[b, stage, m])
            assert total == pytest.approx({k: rows[b].get(k, 0.0) for k in range(5)})
    assert not shares[6:].any()
    if mix in ("a_hard_mix", "cutout"):
        assert all(rows[b][int(LABELS[b])] == 1 for b in range(6))


@pytest.mark.parametrize("mix", MIXES)
def test_gradcheck_while_mixing(mix: str) -> None:
    net = head(mix=mix, neck=True)
    for _ in range(3):
        run(net, final_map())
    frozen_norms(net)
    final = final_map().requires_grad_()

    def losses(x: Tensor) -> Tensor:
        torch.manual_seed(3)
        found = run(net, x)
        terms = []
        for k, branch in enumerate(found.branches.values()):
            assert branch.logits is not None
            who, by = found.extras["mixed_labels"][:, k], found.extras["mixed_share"][:, k]
            terms.append(mixed_identity_loss(branch.logits, who, by, 0.1))
            terms.append(branch.metric.pow(2).mean())
        return torch.stack(terms)

    torch.autograd.gradcheck(losses, (final,), fast_mode=True)


def test_grad_cam_leaves_no_trace_in_the_gradients() -> None:
    """Stage 1's loss has the same gradients whether stage 2 is fed by Grad-CAM or not."""
    gradients = []
    for mix in ("a_hard_mix", "none"):
        net = head(mix=mix).train()
        final = final_map().requires_grad_()
        logits = run(net, final).branches["stage1"].logits
        assert logits is not None
        logits.pow(2).sum().backward()
        gradients.append([final.grad, *(p.grad for p in net.steps[0].parameters())])
    for mixed, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(mixed, plain, rtol=0, atol=0)


@pytest.mark.parametrize("mix", MIXES)
def test_a_step_under_autocast_reaches_every_weight(mix: str) -> None:
    net = head(mix=mix).float().train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = run(net, final_map().float())
    losses = []
    for k, branch in enumerate(found.branches.values()):
        assert branch.logits is not None
        who, by = found.extras["mixed_labels"][:, k], found.extras["mixed_share"][:, k]
        losses.append(mixed_identity_loss(branch.logits, who, by) + branch.metric.float().mean())
    torch.stack(losses).sum().backward()
    weights = [(n, p.grad) for n, p in net.named_parameters() if p.requires_grad]
    assert [n for n, grad in weights if grad is None or not grad.isfinite().all()] == []


def test_the_same_mix_after_the_same_seed() -> None:
    net = head().train()
    found = []
    for seed in (7, 7, 8):
        torch.manual_seed(seed)
        found.append(run(net, final_map()).branches["stage3"].metric)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_a_batch_of_one_identity_is_refused() -> None:
    with pytest.raises(ReidError, match=r"identity 2.*identities_per_batch"):
        run(head().train(), final_map(4), torch.tensor([2, 2, 2, 2]))


def test_a_map_smaller_than_the_blocks_is_refused() -> None:
    with pytest.raises(ReidError, match="block_grid: 4 x 2 blocks do not fit into a map of 3 x 2"):
        run(head().train(), final_map(hw=(3, 2)))


@pytest.mark.parametrize("mix", ["a_hard_mix", "a_cutmix"])
def test_saliency_needs_a_classifier(mix: str) -> None:
    with pytest.raises(ReidError, match=f"mix: {mix} needs the classifier"):
        run(head(0, mix=mix).train(), final_map())


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ({"mix": "mixup"}, "a_hard_mix"),
        ({"block_count": 32}, "below 32"),
        ({"block_count": 0}, "greater than or equal to 1"),
        ({"block_grid": (0, 4)}, "greater than or equal to 1"),
        ({"random_ratio_hw": (1.0, 1.0)}, "leaves nothing"),
        ({"stages": 5}, "less than or equal to 4"),
        ({"branches": 3}, "Extra inputs"),
    ],
)
def test_bad_configurations(bad: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        PMMConfig(**bad)


@pytest.mark.parametrize("name", ["pmm", "pmm_cutout", "pmm_cutmix", "pmm_a_cutmix"])
def test_the_shipped_heads(name: str) -> None:
    base, own = system_yaml("pmm"), system_yaml(name)
    assert head_of(name).mix == (name.removeprefix("pmm_") if name != "pmm" else "a_hard_mix")
    assert own["name"] == name
    kind = (base["losses"] | own.get("losses", {}))["identity"]["kind"]
    assert kind == ("mixed_identity" if "cutmix" in name else "identity")


@pytest.mark.slow
def test_a_compiled_step_has_the_same_gradients() -> None:
    gradients = []
    for compiled in (False, True):
        torch.manual_seed(0)
        trunk = TinyBackbone()
        net = ReidNetwork(trunk, PMMConfig(dim=8, block_grid=(4, 2)).build(trunk, 4)).train()
        outputs = torch.compile(net.outputs, backend="aot_eager") if compiled else net.outputs
        images = torch.randn(4, 3, 64, 32, generator=torch.Generator().manual_seed(1))
        torch.manual_seed(5)
        found = outputs(images, Targets(torch.tensor([0, 0, 1, 1])))
        torch.stack([b.metric.pow(2).sum() for b in found.branches.values()]).sum().backward()
        gradients.append([p.grad for p in net.parameters() if p.grad is not None])
    assert len(gradients[0]) > 20
    for plain, found in zip(*gradients, strict=True):
        torch.testing.assert_close(found, plain, rtol=1e-3, atol=1e-4)


def test_it_learns_people_apart() -> None:
    """The ID loss of every stage falls below half of chance, ln 4, in thirty steps."""
    torch.manual_seed(0)
    trunk = TinyBackbone()
    config = PMMConfig(dim=16, block_grid=(4, 2), block_count=1, neck=True)
    net = ReidNetwork(trunk, config.build(trunk, 4)).train()
    colours = torch.randn(4, 3, 1, 1)
    labels = torch.arange(4).repeat_interleave(2)
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(30):
        images = colours[labels] + 0.5 * torch.randn(8, 3, 64, 32)
        found = net.outputs(images, Targets(labels))
        losses = [
            nn.functional.cross_entropy(b.logits, labels)
            for b in found.branches.values()
            if b.logits is not None
        ]
        optimiser.zero_grad()
        torch.stack(losses).sum().backward()
        optimiser.step()
    assert max(loss.item() for loss in losses) < 0.69
