"""MGRe: branches, equation 6, enrichment, gradients, and every ablation row."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from reid_builders import TinyBackbone
from reid_head_checks import head_of, system_yaml, tiny_network
from reid_settled import settled

from reid.errors import ReidError
from reid.heads.mgre import MGReConfig, MGReHead, StageEmbedding
from reid.heads.mgre_regions import REGIONS, regions_of
from reid.heads.region_sampling import sample_region
from reid.heads.residual import ResidualBottleneck
from reid.network import Outputs, ReidNetwork

NAN = float("nan")


def network(identities: int = 0, seed: int = 0, **settings: Any) -> ReidNetwork:
    """MGRe on the tiny backbone, in evaluation mode."""
    config = MGReConfig(**({"dim": 8, "location_channels": 4} | settings))
    return tiny_network(config, identities, seed)


def outputs(net: ReidNetwork, joints: torch.Tensor | None = None, count: int = 2) -> Outputs:
    """Of fixed random pictures."""
    generator = torch.Generator().manual_seed(1)
    return net.outputs(torch.randn(count, 3, 64, 32, generator=generator), joints=joints)


ABLATIONS: list[tuple[str, dict[str, Any], set[str], int]] = [
    ("mgre", {}, {"f1", "f2", "f3", "f4"}, 7),
    ("mgre_baseline", {"stages": ()}, {"f4"}, 0),
    ("mgre_stage1", {"stages": (1,)}, {"f1", "f4"}, 4),
    ("mgre_stage2", {"stages": (2,)}, {"f2", "f4"}, 2),
    ("mgre_stage3", {"stages": (3,)}, {"f3", "f4"}, 1),
    ("mgre_stages23", {"stages": (2, 3)}, {"f2", "f3", "f4"}, 3),
    (
        "mgre_single_grained_features",
        {"single_grained_features": True},
        {"f1", "f2", "f3", "f4"},
        7,
    ),
    ("mgre_single_grained_regions", {"single_grained_regions": True}, {"f1", "f2", "f3", "f4"}, 0),
    ("mgre_location_only", {"joint_optimization": "location_only"}, {"f4"}, 7),
    ("mgre_given_boxes", {"joint_optimization": "given"}, {"f1", "f2", "f3", "f4"}, 0),
]


@pytest.mark.parametrize(("_", "settings", "branches", "boxes"), ABLATIONS)
def test_what_each_ablation_gives(
    _: str, settings: dict[str, Any], branches: set[str], boxes: int
) -> None:
    net = network(identities=5, **settings)
    head = net.head
    assert isinstance(head, MGReHead)
    found = outputs(net, torch.rand(2, 14, 2) if head.needs_joints else None)
    assert set(found.branches) == branches
    for branch in found.branches.values():
        assert branch.metric.shape == branch.neck.shape == (2, 8)
        assert branch.logits is not None
        assert branch.logits.shape == (2, 5)
    assert found.embedding.shape == (2, head.embedding_dim) == (2, 8 * len(branches))
    torch.testing.assert_close(found.embedding.norm(dim=1), torch.ones(2))
    assert set(found.extras) == set(head.config.gives) == ({"boxes"} if boxes else set())
    assert head.needs_joints == (settings.get("joint_optimization") == "given")
    if boxes:
        assert found.extras["boxes"].shape == (2, boxes, 4)
        wanted = regions_of(settings.get("stages", (1, 2, 3)))
        assert head.regions == tuple(region.joints for region in wanted)
    else:
        assert head.regions is None


@pytest.mark.parametrize(("name", "settings", "branches", "boxes"), ABLATIONS)
def test_each_ablation_has_a_yaml_whose_losses_fit(
    name: str, settings: dict[str, Any], branches: set[str], boxes: int
) -> None:
    base, own = system_yaml("mgre"), system_yaml(name)
    assert own["name"] == name
    assert own["extends"] == ("_base.yaml" if name == "mgre" else "mgre.yaml")
    assert head_of(name) == MGReConfig(**settings)
    losses = base["losses"] | own.get("losses", {})
    terms = {key: term for key, term in losses.items() if term is not None}
    assert set(own.get("losses", {})) <= set(base["losses"])
    assert ("location" in terms) == bool(boxes)
    for kind in ("identity", "metric"):
        named = [branch for t in terms.values() if t["kind"] == kind for branch in t["branches"]]
        assert sorted(named) == sorted(branches)


@pytest.mark.parametrize(
    ("settings", "blocks"),
    [
        ({}, 8),  # seven regions and the picture
        ({"stages": ()}, 0),
        ({"stages": (2,)}, 3),
        ({"single_grained_regions": True}, 4),
        ({"joint_optimization": "location_only"}, 0),
        ({"joint_optimization": "given"}, 8),
    ],
)
def test_every_region_has_a_residual_block_of_its_own(
    settings: dict[str, Any], blocks: int
) -> None:
    found = [m for m in network(**settings).head.modules() if isinstance(m, ResidualBottleneck)]
    assert len(found) == blocks


def test_embeds_mean_and_maximum_of_every_region() -> None:
    torch.manual_seed(0)
    embed = settled(
        StageEmbedding(
            2, regions_of([2]), 8, 0, coarse_channels=0, extract=False, reduction="linear"
        )
    ).double()
    maps = torch.randn(1, 2, 10, 6, dtype=torch.float64)
    boxes = torch.tensor([[[0.2, 0.1, 0.7, 0.5], [0.1, 0.4, 0.8, 1.1]]], dtype=torch.float64)
    pooled = []
    for region in (0, 1):
        for channel in sample_region(maps, boxes[:, region], (16, 16))[0].tolist():
            values = [value for row in channel for value in row]
            pooled.append(sum(values) / len(values) + max(values))
    expected = embed.embed(torch.tensor([pooled], dtype=torch.float64))
    found = embed(maps, maps, boxes)
    torch.testing.assert_close(found.metric, expected.metric)


def test_final_feature_is_equation_6() -> None:
    found = outputs(network())
    weights = {"f1": 0.35, "f2": 0.5, "f3": 0.7, "f4": 0.8}
    for row in range(2):
        values: list[float] = []
        for name, weight in weights.items():
            vector = found.branches[name].neck[row].tolist()
            length = sum(v * v for v in vector) ** 0.5
            values += [weight * v / length for v in vector]
        total = sum(v * v for v in values) ** 0.5
        assert total == pytest.approx(sum(w * w for w in weights.values()) ** 0.5)
        expected = torch.tensor([v / total for v in values])
        torch.testing.assert_close(found.embedding[row], expected)


def test_untrained_boxes_are_table_1s() -> None:
    found = outputs(network()).extras["boxes"]
    expected = torch.tensor([region.box for region in REGIONS])
    torch.testing.assert_close(found, expected.expand(2, -1, -1))


def touched(net: ReidNetwork, stage: int) -> set[str]:
    """Branches and boxes that change with the map of a stage, the last one being 4."""
    torch.manual_seed(2)
    head = net.head
    assert isinstance(head, MGReHead)
    for module in head.locate.values():
        torch.nn.init.normal_(module.predict[-1].weight, std=0.1)
    base, stages = outputs(net), net.backbone.stages

    def other(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = list(stages(x))
        found[stage - 1] = found[stage - 1] * 2 + torch.rand_like(found[stage - 1])
        return tuple(found)

    net.backbone.stages = other  # type: ignore[method-assign]
    moved = outputs(net)
    names = {
        k for k in base.branches if not torch.equal(base.branches[k].neck, moved.branches[k].neck)
    }
    different = (base.extras["boxes"] != moved.extras["boxes"]).any(2).any(0)
    return names | {REGIONS[i].name for i in range(7) if different[i]}


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (1, {"f1", "head", "left_torso", "right_torso", "legs"}),
        (2, {"f2", "upper_body", "lower_body"}),
        (3, {"f3", "whole_body"}),
        (4, {"f1", "f2", "f4"}),  # the coarsest map enriches stages 1 and 2
    ],
)
def test_which_map_is_used_where(stage: int, expected: set[str]) -> None:
    assert touched(network(), stage) == expected


@pytest.mark.parametrize("stage", [1, 2, 3, 4])
def test_single_grained_features_use_the_coarsest_map_alone(stage: int) -> None:
    everything = {"f1", "f2", "f3", "f4", *(region.name for region in REGIONS)}
    found = touched(network(single_grained_features=True), stage)
    assert found == (everything if stage == 4 else set())


def test_enriching_equals_upsampling_first_and_convolving_then() -> None:
    torch.manual_seed(0)
    embed = (
        StageEmbedding(4, (), 8, 0, coarse_channels=6, extract=True, reduction="linear")
        .double()
        .eval()
    )
    plain = (
        StageEmbedding(4, (), 8, 0, coarse_channels=0, extract=True, reduction="linear")
        .double()
        .eval()
    )
    plain.load_state_dict({k: v for k, v in embed.state_dict().items() if "enrich" not in k})
    maps = torch.randn(2, 4, 16, 8, dtype=torch.float64)
    coarse = torch.randn(2, 6, 4, 2, dtype=torch.float64)
    assert embed.enrich is not None
    sum_of_both = maps + embed.enrich(F.interpolate(coarse, size=(16, 8), mode="bilinear"))
    expected = plain(sum_of_both, coarse, None)
    torch.testing.assert_close(embed(maps, coarse, None).metric, expected.metric)


def test_a_stage_sees_its_own_map_inside_its_boxes_only() -> None:
    """The left half's pixels do not matter to a box in the right half."""
    torch.manual_seed(0)
    embed = StageEmbedding(
        4, regions_of([3]), 8, 0, coarse_channels=0, extract=True, reduction="linear"
    ).eval()
    maps, coarse = torch.randn(1, 4, 16, 16), torch.randn(1, 4, 4, 4)
    box = torch.tensor([[[0.6, 0.1, 0.9, 0.9]]])
    outside, inside = maps.clone(), maps.clone()
    outside[..., :8] += 1
    inside[..., 11] += 1
    base = embed(maps, coarse, box).metric
    torch.testing.assert_close(embed(outside, coarse, box).metric, base)
    assert (embed(inside, coarse, box).metric - base).abs().max() > 1e-3


def test_id_loss_moves_the_boxes() -> None:
    """Joint optimisation: the embeddings' gradient reaches every location module."""
    net = network(identities=3)
    found = outputs(net)
    losses = [
        F.cross_entropy(branch.logits, torch.tensor([0, 1]))
        for branch in found.branches.values()
        if branch.logits is not None
    ]
    torch.stack(losses).sum().backward()
    head = net.head
    assert isinstance(head, MGReHead)
    for module in head.locate.values():
        gradient = module.predict[-1].bias.grad
        assert gradient is not None
        assert gradient.abs().max() > 0


@pytest.mark.parametrize(
    "settings", [{}, {"single_grained_features": True}, {"single_grained_regions": True}]
)
def test_gradcheck_of_the_whole_head(settings: dict[str, Any]) -> None:
    net = network(dim=8, identities=2, reduction="linear", **settings).double()
    images = torch.randn(1, 3, 32, 16, dtype=torch.float64, requires_grad=True)
    head = net.head
    assert isinstance(head, MGReHead)
    for module in head.locate.values():  # away from the kinks of the bilinear kernel
        torch.nn.init.normal_(module.predict[-1].weight, std=0.1)
    checked = [p for name, p in head.named_parameters() if name.endswith("predict.2.bias")]
    checked.append(head.embed["4"].embed.neck.weight)

    def run(pixels: torch.Tensor, *_: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = net.outputs(pixels)
        return (found.embedding, *found.extras.values())

    assert torch.autograd.gradcheck(run, (images, *checked), atol=1e-6, fast_mode=True)


def test_given_boxes_are_the_joints_boxes_and_the_prior_where_unseen() -> None:
    net = network(joint_optimization="given")
    head = net.head
    assert isinstance(head, MGReHead)
    joints = torch.full((1, 14, 2), NAN)
    joints[0, 0], joints[0, 1] = torch.tensor([0.4, 0.1]), torch.tensor([0.5, 0.2])
    boxes = head._given_boxes(joints)
    torch.testing.assert_close(boxes[1][0, 0], torch.tensor([0.35, 0.05, 0.55, 0.25]))
    torch.testing.assert_close(boxes[1][0, 3], torch.tensor(REGIONS[3].box))
    torch.testing.assert_close(boxes[2][0, 0], torch.tensor([0.35, 0.05, 0.55, 0.25]))
    assert bool(outputs(net, joints.expand(2, -1, -1)).embedding.isfinite().all())


def test_location_loss_asks_for_the_boxes_of_given_joints() -> None:
    loss = pytest.importorskip("reid.losses.location").location_loss
    joints = torch.rand(3, 14, 2, generator=torch.Generator().manual_seed(0))
    given, predicting = network(joint_optimization="given").head, network().head
    assert isinstance(given, MGReHead)
    assert isinstance(predicting, MGReHead)
    boxes = torch.cat(list(given._given_boxes(joints).values()), 1)
    assert float(loss(boxes, joints, predicting.regions)) == pytest.approx(0, abs=1e-12)
    assert float(loss(boxes + 0.1, joints, predicting.regions)) > 0.01


def test_given_joints_change_what_is_embedded() -> None:
    net = network(joint_optimization="given")
    first = torch.rand(2, 14, 2, generator=torch.Generator().manual_seed(0))
    assert not torch.allclose(outputs(net, first).embedding, outputs(net, first / 2).embedding)


@pytest.mark.parametrize("joints", [None, torch.zeros(2, 17, 2)])
def test_given_boxes_need_joints(joints: torch.Tensor | None) -> None:
    with pytest.raises(ReidError, match="joint_optimization given needs joints"):
        outputs(network(joint_optimization="given"), joints)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stages": (2, 1)}, "in this order"),
        ({"stages": (1, 1)}, "once"),
        ({"stages": (4,)}, "Input should be 1, 2 or 3"),
        ({"single_grained_regions": True, "single_grained_features": True}, "choose one"),
        ({"single_grained_regions": True, "joint_optimization": "given"}, "locates nothing"),
        ({"stages": (), "joint_optimization": "given"}, "without stages"),
        ({"feature_weights": (0.0, 1, 1, 1)}, "greater than 0"),
        ({"feature_weights": (1, 1, 1)}, "feature_weights"),
    ],
)
def test_refuses_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        MGReConfig(**settings)


def test_refuses_a_backbone_without_four_stages() -> None:
    backbone = TinyBackbone()
    backbone.stage_channels = (8, 8, 16)  # type: ignore[assignment]
    with pytest.raises(ReidError, match="4 stages"):
        MGReConfig().build(backbone, 0)
