"""BDB: what is dropped, values by hand, gradients, reproducibility."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from reid_builders import TinyBackbone
from reid_head_checks import head_of as shipped_head
from reid_head_checks import system_yaml
from torch import Tensor

from reid.errors import ReidError
from reid.heads.bdb import BatchDropBlock, BDBConfig, BDBHead
from reid.network import Maps, ReidNetwork, Targets


def network(**head: Any) -> ReidNetwork:
    torch.manual_seed(0)
    trunk = TinyBackbone()
    config = BDBConfig(**({"global_dim": 8, "part_dim": 12} | head))
    return ReidNetwork(trunk, config.build(trunk, 5)).double()


def head_of(net: ReidNetwork) -> BDBHead:
    head = net.head
    assert isinstance(head, BDBHead)
    return head


def pictures(count: int = 4, height: int = 128, width: int = 64) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 3, height, width, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("ratios", "hw", "sides"),
    [((0.3, 1.0), (24, 8), (7, 8)), ((0.33, 1.0), (16, 8), (5, 8)), ((0.5, 0.5), (8, 8), (4, 4))],
)
def test_one_block_for_the_whole_batch(
    ratios: tuple[float, float], hw: tuple[int, int], sides: tuple[int, int]
) -> None:
    maps = torch.rand(5, 3, *hw) + 1
    dropped = BatchDropBlock(*ratios).train()(maps)
    gone = dropped == 0
    assert torch.equal(gone, gone[:1, :1].expand_as(gone))
    assert int(gone[0, 0].sum()) == sides[0] * sides[1]
    torch.testing.assert_close(dropped[~gone], maps[~gone], rtol=0, atol=0)


def test_nothing_is_dropped_in_search() -> None:
    maps = torch.rand(2, 3, 8, 4)
    assert BatchDropBlock(0.3, 1.0).eval()(maps) is maps


def test_the_same_blocks_after_the_same_seed() -> None:
    drop, maps = BatchDropBlock(0.3, 1.0).train(), torch.ones(1, 1, 24, 8)
    runs = []
    for _ in range(2):
        torch.manual_seed(9)
        runs.append([drop(maps) for _ in range(10)])
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))
    assert len({tuple(one[0, 0, :, 0].tolist()) for one in runs[0]}) > 3


def test_a_map_that_is_too_small_is_refused() -> None:
    net = network().train()
    with pytest.raises(ReidError, match="covers the whole map of 1 x 1"):
        net.outputs(pictures(2, 16, 16))


def test_values_by_hand() -> None:
    """Mean of the map; maximum of the block's map, with the dropped rows as 0."""
    net = network()
    head = head_of(net)
    for module in net.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()
    images = pictures()
    torch.manual_seed(4)
    found = net.outputs(images)
    torch.manual_seed(4)
    start = int(torch.randint(0, 8 - 2 + 1, (1, 1)))
    part_map = head.part_block(found.stages[-1]).detach()
    embed: Any = head.embed_part.embed
    whole: Any = head.embed_global.embed
    for b in range(len(images)):
        means = [float(found.stages[-1][b, c].detach().sum()) / 32 for c in range(16)]
        peaks = []
        for c in range(16):
            cells = [
                float(part_map[b, c, i, j]) if i not in (start, start + 1) else 0.0
                for i in range(8)
                for j in range(4)
            ]
            peaks.append(max(cells))
        for name, layers, pooled in (("global", whole, means), ("part", embed, peaks)):
            expected = layers(torch.tensor([pooled], dtype=torch.float64))[0]
            torch.testing.assert_close(found.branches[name].metric[b], expected)


def test_search_concatenates_and_does_not_depend_on_seed_or_batch() -> None:
    net = network()
    for _ in range(5):
        net.outputs(pictures(8))
    net.eval()
    images = pictures(3)
    with torch.no_grad():
        together = net(images)[0]
        alone = torch.cat([net(image[None])[0] for image in images])
        found = net.outputs(images)
    torch.testing.assert_close(together, alone)
    both = torch.cat([found.branches["global"].neck, found.branches["part"].neck], 1)
    torch.testing.assert_close(together, both / both.norm(dim=1, keepdim=True))
    assert together.shape == (3, net.head.embedding_dim) == (3, 20)


@pytest.mark.parametrize("neck", [True, False])
def test_gradcheck_with_the_block_dropped(neck: bool) -> None:
    net = network(neck=neck)
    for _ in range(5):
        net.outputs(pictures(8))
    net.eval()
    head_of(net).drop.train()
    final = net.backbone(pictures(2)).detach().requires_grad_()

    def logits(x: Tensor) -> tuple[Tensor, ...]:
        torch.manual_seed(2)
        branches = net.head(Maps(x, (x,), x)).branches
        return tuple(b.logits for b in branches.values() if b.logits is not None)

    torch.autograd.gradcheck(logits, (final,), fast_mode=True)


def test_every_weight_gets_a_gradient() -> None:
    net = network().train()
    found = net.outputs(pictures(), Targets(torch.tensor([0, 0, 1, 1])))
    losses = [b.metric.sum() + b.logits.pow(2).sum() for b in found.branches.values()]  # type: ignore[union-attr]
    torch.stack(losses).sum().backward()
    assert [n for n, p in net.named_parameters() if p.requires_grad and p.grad is None] == []


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ({"height_ratio": 0}, "greater than 0"),
        ({"width_ratio": 1.5}, "less than or equal to 1"),
        ({"height_ratio": 1.0}, "leaves nothing"),
        ({"drop": 0.3}, "Extra inputs"),
    ],
)
def test_bad_configurations(bad: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        BDBConfig(**bad)


def test_the_shipped_head_is_the_papers() -> None:
    assert shipped_head("bdb") == BDBConfig()
    assert system_yaml("bdb")["name"] == "bdb"
