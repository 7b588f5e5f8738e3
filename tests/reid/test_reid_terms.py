"""Loss terms of a YAML on a network's outputs, and the criterion that weighs them."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from reid_builders import TINY
from torch import Tensor

from reid.build import build_model
from reid.config import load_reid_config
from reid.criterion import Criterion
from reid.data.attributes import ATTRIBUTES
from reid.errors import ReidError
from reid.network import Branch, Outputs, ReidNetwork, Targets
from reid.terms.base import Facts, Term
from reid.terms.registry import TermConfig

FACTS = Facts(identities=4, teacher_dim=6, attribute_share=(0.0, 0.25, 0.5, 1.0) + 20 * (0.3,))
LABELS = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])


def term(**settings: object) -> Term:
    config = TypeAdapter(TermConfig).validate_python(settings)
    return config.build(network(), FACTS).double()


def network() -> ReidNetwork:
    """A network whose head tells four of the attributes, not in the order of the data set."""
    model = build_model(TINY, 4)
    model.head.attributes = tuple(ATTRIBUTES[column] for column in (2, 0, 3, 1))
    return model


def outputs(seed: int = 0, unlabelled: int = 0, names: tuple[str, ...] = ("global",)) -> Outputs:
    """Random branches, parts and extras that want gradients."""
    torch.manual_seed(seed)
    count = len(LABELS) + unlabelled

    def random(*shape: int) -> Tensor:
        return torch.randn(count, *shape, dtype=torch.float64, requires_grad=True)

    branches = {name: Branch(random(5), random(16), random(4)) for name in names}
    parts = torch.nn.functional.normalize(random(4, 8), dim=2)
    extras = {"part_logits": random(3, 4), "attributes": random(4)}
    embedding = torch.nn.functional.normalize(branches[names[0]].neck, dim=1)
    return Outputs(embedding, branches, parts, extras=extras)


def targets(unlabelled: int = 0) -> Targets:
    rng = np.random.default_rng(3)
    teacher = torch.from_numpy(rng.normal(size=(len(LABELS) + unlabelled, 6)))
    attributes = torch.from_numpy(rng.integers(0, 2, (len(LABELS), 24)).astype(float))
    return Targets(LABELS, attributes=attributes, teacher=teacher)


def hard_triplets(features: Tensor) -> list[tuple[float, float]]:
    """Distances of the hardest positive and negative of each row, by loops."""
    rows = features.detach().numpy()
    found = []
    for i, anchor in enumerate(rows):
        same, other = [], []
        for k, row in enumerate(rows):
            distance = float(np.sqrt(((anchor - row) ** 2).sum()))
            if LABELS[k] != LABELS[i]:
                other.append(distance)
            elif k != i:
                same.append(distance)
        found.append((max(same), min(other)))
    return found


def test_trihard_by_hand() -> None:
    found = outputs()
    pairs = hard_triplets(found.branches["global"].metric)
    expected = np.mean([max(near - far + 0.3, 0) for near, far in pairs])
    assert term(kind="metric")(found, targets()).item() == pytest.approx(expected)


def test_the_neck_can_be_measured_instead() -> None:
    found = outputs()
    pairs = hard_triplets(found.branches["global"].neck)
    expected = np.mean([max(near - far + 0.3, 0) for near, far in pairs])
    assert term(kind="metric", features="neck")(found, targets()).item() == pytest.approx(expected)


LOSSES = ("contrastive", "triplet", "improved_triplet", "quadruplet", "absolute_quadruplet")
MINERS = ("batch_hard", "batch_all", "soft_hard", "margin_sample", "all_pairs", "random")
DISTANCES = ("euclidean", "squared_euclidean", "cosine", "aligned")


@pytest.mark.parametrize(
    ("loss", "miner", "distance"), list(itertools.product(LOSSES, MINERS, DISTANCES))
)
def test_any_loss_miner_and_distance(loss: str, miner: str, distance: str) -> None:
    """Each combination is trained by, or refused by name."""
    settings = {"kind": "metric", "loss": loss, "miner": miner, "distance": distance}
    if distance == "aligned":
        settings["mined_by"] = "euclidean"
    quadruplet = "quadruplet" in loss
    if (miner == "all_pairs" and loss != "contrastive") or (
        quadruplet and miner in ("soft_hard", "margin_sample")
    ):
        with pytest.raises(ValidationError, match=f"miner {miner} gives"):
            term(**settings)
        return
    chosen = term(**settings, margin=5.0)
    found = outputs()
    value = chosen(found, targets())
    assert value.item() > 0
    measured = found.parts if distance == "aligned" else found.branches["global"].metric
    (gradient,) = torch.autograd.grad(value, measured)
    assert float(gradient.abs().max()) > 0


def test_random_triplets_are_of_the_seed_and_are_not_the_hardest() -> None:
    found, chosen = outputs(), term(kind="metric", miner="random", margin=5.0)
    values = []
    for seed in (1, 1, 2, 3):
        torch.manual_seed(seed)
        values.append(chosen(found, targets()).item())
    assert values[0] == values[1]
    assert len(set(values)) == 3
    assert max(values) < term(kind="metric", margin=5.0)(found, targets()).item()


def test_the_rule_of_the_opposite_pair_by_hand() -> None:
    """The nearest pair of two identities that are not the anchor's, or the triplet's B and C."""
    found = outputs()
    rows = found.branches["global"].metric.detach().numpy()
    by_rule: dict[str, float] = {}
    for rule in ("hardest", "hardest_pair"):
        total = 0.0
        for i, anchor in enumerate(rows):
            apart = np.sqrt(((rows - anchor) ** 2).sum(1))
            near = max(apart[k] for k in range(8) if LABELS[k] == LABELS[i] and k != i)
            b = min((k for k in range(8) if LABELS[k] != LABELS[i]), key=lambda k: apart[k])
            other = float("inf")
            for m in [b] if rule == "hardest" else range(8):
                for n in range(8):
                    if len({int(LABELS[k]) for k in (i, m, n)}) == 3:
                        other = min(other, float(np.sqrt(((rows[m] - rows[n]) ** 2).sum())))
            total += max(near - apart[b] + 5, 0) + max(near - other + 4, 0)
        by_rule[rule] = total / 8
        settings = {"kind": "metric", "loss": "quadruplet", "margin": 5.0, "beta": 4.0}
        value = term(**settings, opposite=rule)(found, targets())
        assert value.item() == pytest.approx(by_rule[rule])
    assert by_rule["hardest"] < by_rule["hardest_pair"] - 0.01


def test_an_opposite_pair_without_a_quadruplet_is_refused() -> None:
    with pytest.raises(ValidationError, match="opposite hardest_pair is for quadruplets"):
        term(kind="metric", opposite="hardest_pair")


def test_the_aligned_distance_counts_once_mined_by_the_first_branch() -> None:
    """The parts are the picture's, however many branches the head has."""
    found, aim = outputs(names=("a", "b")), targets()
    settings = {"kind": "metric", "distance": "aligned", "mined_by": "euclidean", "margin": 5.0}
    one, other = (term(**settings, branches={name: 1.0})(found, aim) for name in "ab")
    assert abs(one.item() - other.item()) > 1e-3
    torch.testing.assert_close(term(**settings)(found, aim), one)
    torch.testing.assert_close(
        term(**settings, branches={"b": 0.5, "a": 2.0})(found, aim), 0.5 * other
    )
    with pytest.raises(ReidError, match="no branch 'c'"):
        term(**settings, branches={"a": 1.0, "c": 1.0})(found, aim)


@pytest.mark.parametrize("gamma", [0.0, 0.1, 2.0])
def test_attribute_triplets_by_hand(gamma: float) -> None:
    """Per anchor (d_p - d_n + margin + gamma (a_p - a_n))+, hardest by features, in float64."""
    found = outputs()
    rows = found.branches["global"].metric.detach().numpy()
    worn = 1 / (1 + np.exp(-found.extras["attributes"].detach().numpy()))
    total = 0.0
    for i in range(8):
        apart = [float(np.sqrt(((rows[i] - row) ** 2).sum())) for row in rows]
        attributes = [sum((worn[i, a] - other[a]) ** 2 for a in range(4)) for other in worn]
        same = [k for k in range(8) if LABELS[k] == LABELS[i] and k != i]
        near = max(same, key=apart.__getitem__)
        far = min((k for k in range(8) if LABELS[k] != LABELS[i]), key=apart.__getitem__)
        gap = apart[near] - apart[far] + gamma * (attributes[near] - attributes[far]) + 0.3
        total += max(gap, 0)
    chosen = term(kind="attribute_triplet", gamma=gamma)
    value = chosen(found, targets())
    assert value.item() == pytest.approx(total / 8)
    if gamma == 0:
        plain = term(kind="metric", margin=0.3)(found, targets())
        assert value.item() == pytest.approx(plain.item())


def test_acrn_is_trained_with_attribute_triplets() -> None:
    config = load_reid_config(Path(__file__).parents[2] / "configs" / "reid" / "acrn.yaml")
    assert [name for name, one in config.losses.items() if one.kind == "attribute_triplet"] == [
        "triplet"
    ]


def test_gradients_of_attribute_triplets() -> None:
    found, chosen = outputs(), term(kind="attribute_triplet", gamma=0.5, margin=5.0)

    def loss(vectors: Tensor, logits: Tensor) -> Tensor:
        branch = Branch(vectors, vectors, None)
        return chosen(
            Outputs(vectors, {"global": branch}, extras={"attributes": logits}), targets()
        )

    inputs = (found.branches["global"].metric, found.extras["attributes"])
    assert torch.autograd.gradcheck(loss, inputs)


@pytest.mark.parametrize("kind", ["identity", "metric", "attribute_triplet"])
def test_branches_are_weighted_by_name(kind: str) -> None:
    found = outputs(names=("a", "b"))
    one, other = (term(kind=kind, branches={name: 1.0})(found, targets()) for name in "ab")
    both = term(kind=kind)(found, targets())
    mixed = term(kind=kind, branches={"a": 0.5, "b": 2.0})(found, targets())
    torch.testing.assert_close(both, one + other)
    torch.testing.assert_close(mixed, 0.5 * one + 2 * other)


@pytest.mark.parametrize("kind", ["identity", "metric", "attribute_triplet"])
def test_an_unknown_branch_is_refused_by_name(kind: str) -> None:
    with pytest.raises(ReidError, match="no branch 'f9'; the head has global"):
        term(kind=kind, branches={"f9": 1.0})(outputs(), targets())


def test_part_identity_by_hand() -> None:
    found = outputs()
    logits = found.extras["part_logits"].detach().log_softmax(2).numpy()
    expected = -np.mean([logits[i, p, LABELS[i]] for i in range(8) for p in range(3)])
    value = term(kind="part_identity", label_smoothing=0)(found, targets())
    assert value.item() == pytest.approx(expected)


def test_attributes_that_all_or_none_have_are_left_out() -> None:
    found, aim = outputs(), targets()
    assert aim.attributes is not None
    logits, wanted = found.extras["attributes"].detach(), aim.attributes
    expected = 0.0
    for given, column, share in ((3, 1, 0.25), (0, 2, 0.5)):
        q = logits[:, given].sigmoid()
        p = wanted[:, column]
        expected -= float(
            (p * q.log() / (2 * share) + (1 - p) * (1 - q).log() / (2 * (1 - share))).mean()
        )
    assert term(kind="attributes")(found, aim).item() == pytest.approx(expected)


def test_attributes_that_tell_nobody_apart() -> None:
    config = TypeAdapter(TermConfig).validate_python({"kind": "attributes"})
    with pytest.raises(ReidError, match="no attribute tells pictures apart"):
        config.build(network(), Facts(4, attribute_share=24 * (0.0,)))


def test_a_head_that_names_no_attributes() -> None:
    config = TypeAdapter(TermConfig).validate_python({"kind": "attributes"})
    with pytest.raises(ReidError, match="does not say which attributes"):
        config.build(build_model(TINY, 4), FACTS)


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "distil_feature"},
        {"kind": "distil_similarity"},
        {"kind": "distil_parts"},
        {"kind": "darkrank"},
        {"kind": "darkrank", "variant": "soft", "length": 4},
    ],
    ids=str,
)
def test_a_teacher_is_listened_to_by_unlabelled_pictures_too(settings: dict[str, object]) -> None:
    settings = dict(settings)
    if settings["kind"] == "distil_parts":
        found = outputs(unlabelled=3)
        assert found.parts is not None
        source = found.parts
        chosen = term(**settings)
        chosen.map = torch.nn.Linear(32, 6).double()  # type: ignore[assignment]
    else:
        found, chosen = outputs(unlabelled=3), term(**settings)
        source = found.branches["global"].neck
    assert chosen.all_pictures
    (gradient,) = torch.autograd.grad(chosen(found, targets(unlabelled=3)), source)
    assert float(gradient[-3:].abs().max()) > 0


def test_darkrank_falls_as_the_order_is_learnt() -> None:
    aim = targets()
    assert aim.teacher is not None
    same = torch.nn.functional.pad(aim.teacher, (0, 10))
    learnt = Outputs(same, {"global": Branch(same, same, None)})
    for variant in ("hard", "soft"):
        chosen = term(kind="darkrank", variant=variant, length=4)
        assert chosen(learnt, aim).item() < chosen(outputs(), aim).item() - 0.1


def test_the_criterion_weighs_and_leaves_out() -> None:
    losses = {
        "a": {"kind": "identity", "weight": 2.0},
        "b": {"kind": "metric", "weight": 0.0},
        "c": {"kind": "distil_feature", "weight": 3.0},
    }
    configs = TypeAdapter(dict[str, TermConfig]).validate_python(losses)
    network = build_model(TINY, 4)
    untaught = Criterion(configs, network, Facts(4))
    assert list(untaught.terms) == ["a"]
    taught = Criterion(configs, network, FACTS).double()
    found, aim = outputs(unlabelled=2), targets(unlabelled=2)
    terms = taught(found, aim)
    assert list(terms) == ["a", "c"]
    plain = term(kind="identity")(found.first(8), aim)
    torch.testing.assert_close(terms["a"], 2 * plain)
    assert len(list(taught.parameters())) == 2
