"""The trainer where a system asks for more: students, penalties, joints, draws, torch.compile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from reid_builders import TINY_LOSSES, people, tiny_config

from reid.config import PhaseConfig, ReidConfig
from reid.data.attributes import ATTRIBUTES
from reid.errors import ReidError
from reid.losses.gradient_penalty import gradient_penalty
from reid.schedule import in_steps, total_steps
from reid.train import train
from reid.training_set import TrainingSet
from reid.training_state import read_checkpoint, start_state

BRANCHES: dict[str, Any] = {"identity": {"kind": "identity"}, "triplet": {"kind": "metric"}}
MIXED = BRANCHES | {"identity": {"kind": "mixed_identity"}}
STILL = dict.fromkeys(
    ("flip", "shift", "scale", "colour", "grey", "blur", "erase", "truncate"), 0.0
)


def system(steps: int = 6, train: dict[str, Any] | None = None, **changes: Any) -> ReidConfig:
    """`tiny_config` with whole sections replaced, validated again."""
    data = tiny_config(steps, **(train or {})).model_dump()
    return ReidConfig.model_validate(data | changes)


def with_head(**head: Any) -> dict[str, Any]:
    """A model section: this head on the tiny OSNet."""
    return {"backbone": {"name": "osnet", "width": 0.0625}, "head": head}


def stop_at(step: int) -> Callable[[dict[str, float]], None]:
    def on_step(record: dict[str, float]) -> None:
        if record["step"] == step:
            raise KeyboardInterrupt

    return on_step


def check_resume(config: ReidConfig, data: TrainingSet, folder: Path) -> None:
    """A run that stops at step 2 and goes on ends where one that never stopped ends."""
    train(config, data, folder / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(config, data, folder / "parts", on_step=stop_at(2))
    train(config, data, folder / "parts", resume=True)
    one, other = (read_checkpoint(folder / n / "checkpoint.pt") for n in ("whole", "parts"))
    assert one["step"] == other["step"] == total_steps(config.train)
    for key in ("students", "average", "criteria"):
        torch.testing.assert_close(other[key], one[key], atol=0, rtol=0)


def records_of(
    config: ReidConfig, data: TrainingSet, folder: Path, **words: Any
) -> list[dict[str, float]]:
    found: list[dict[str, float]] = []
    train(config, data, folder, on_step=found.append, **words)
    return found


MUTUAL = {"students": 2, "posterior": 0.5, "metric": 0.25, "parts": 0.125}


def test_students_teach_each_other_and_all_of_them_learn(tmp_path: Path) -> None:
    config = system(3, mutual=MUTUAL)
    (first, *_) = records_of(config, people(4), tmp_path)
    terms = {"mutual_posterior", "mutual_metric", "mutual_parts", *TINY_LOSSES}
    assert first.keys() == terms | {"step", "lr", "loss"}
    assert first["loss"] == pytest.approx(sum(first[name] for name in terms), rel=1e-5)
    assert all(first[name] > 0 for name in terms)
    before = start_state(config, people(4).facts(), "cpu").students.state_dict()
    after = read_checkpoint(tmp_path / "checkpoint.pt")["students"]
    for name in ("head.embed.0.weight", "head.classifier.weight", "backbone.stem.0.0.weight"):
        assert not torch.equal(before[f"0.{name}"], before[f"1.{name}"])
        for student in (0, 1):
            assert not torch.equal(before[f"{student}.{name}"], after[f"{student}.{name}"])


def test_mutual_terms_move_the_students(tmp_path: Path) -> None:
    """Their weights count: without them the same start goes elsewhere."""
    ends = []
    for number, mutual in enumerate((MUTUAL, MUTUAL | {"posterior": 5.0})):
        train(system(1, mutual=mutual), people(4), tmp_path / str(number))
        ends.append(read_checkpoint(tmp_path / str(number) / "checkpoint.pt")["students"])
    for student in (0, 1):
        name = f"{student}.head.classifier.weight"
        assert not torch.equal(ends[0][name], ends[1][name])


def test_resume_of_mutual_learning_is_exact(tmp_path: Path) -> None:
    check_resume(system(4, mutual=MUTUAL), people(4), tmp_path)


@pytest.mark.parametrize("maps", [["stage1", "stage2"], ["input"]], ids=" ".join)
def test_a_gradient_penalty_is_a_term_and_changes_the_gradient(
    tmp_path: Path, maps: list[str]
) -> None:
    plain = records_of(system(1), people(4), tmp_path / "plain")
    section = {"maps": maps, "epsilon": 0.5}
    found = records_of(system(1, gradient_penalty=section), people(4), tmp_path / "penalty")
    assert found[0]["gradient_penalty"] > 0
    assert found[0]["loss"] == pytest.approx(
        plain[0]["loss"] + found[0]["gradient_penalty"], rel=1e-4
    )
    ends = [
        read_checkpoint(tmp_path / name / "checkpoint.pt")["students"]
        for name in ("plain", "penalty")
    ]
    name = "0.backbone.stem.0.0.weight"
    assert not torch.allclose(ends[0][name], ends[1][name], atol=1e-6)


def test_a_gradient_penalty_sees_the_input_once_for_all_students(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def spy(loss: torch.Tensor, maps: Any, *rest: Any) -> torch.Tensor:
        seen.append(len(maps))
        return gradient_penalty(loss, maps, *rest)

    monkeypatch.setattr("reid.train.gradient_penalty", spy)
    config = system(1, mutual=MUTUAL, gradient_penalty={"maps": ["input", "stage1"]})
    train(config, people(4), tmp_path)
    assert seen == [3]


def test_resume_with_a_gradient_penalty_is_exact(tmp_path: Path) -> None:
    check_resume(system(3, gradient_penalty={"maps": ["input", "stage1"]}), people(4), tmp_path)


def test_compile_cannot_do_a_gradient_penalty() -> None:
    with pytest.raises(ValidationError, match=r"train\.compile: .* gradient_penalty"):
        system(1, {"compile": True}, gradient_penalty={"maps": ["stage1"]})


@pytest.mark.slow
def test_compiled_training_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the graph of torch.compile, forward and backward, but without its code generator."""
    traced: list[Any] = []
    compile_ = torch.compile

    def eager(function: Any) -> Any:
        traced.append(function)
        return compile_(function, backend="aot_eager")

    plain = records_of(system(2), people(4), tmp_path / "plain")
    monkeypatch.setattr(torch, "compile", eager)
    found = records_of(system(2, {"compile": True}), people(4), tmp_path / "compiled")
    assert len(traced) == 1
    for one, other in zip(plain, found, strict=True):
        assert one == pytest.approx(other, rel=0.02)


@pytest.mark.parametrize(
    "head",
    [
        {"name": "bdb", "global_dim": 8, "part_dim": 8},
        *(
            {"name": "pmm", "dim": 8, "stages": 2, "block_grid": [2, 2], "block_count": 1}
            | {"mix": mix, "random_ratio_hw": [0.5, 1.0]}
            for mix in ("a_hard_mix", "cutmix")
        ),
    ],
    ids=lambda head: head.get("mix", head["name"]),
)
def test_heads_that_draw_resume_exactly(tmp_path: Path, head: dict[str, Any]) -> None:
    mixes_labels = head.get("mix") == "cutmix"
    losses = MIXED if mixes_labels else BRANCHES
    check_resume(system(4, model=with_head(**head), losses=losses), people(4), tmp_path)


def standing(count: int) -> np.ndarray:
    """(count, 14, 2): joints of people in the middle of the picture, a little apart."""
    middle = [(0.5, 0.1), (0.5, 0.2)]
    arms = [(0.35, 0.25), (0.3, 0.4), (0.3, 0.5), (0.65, 0.25), (0.7, 0.4), (0.7, 0.5)]
    legs = [(0.4, 0.55), (0.4, 0.75), (0.4, 0.9), (0.6, 0.55), (0.6, 0.75), (0.6, 0.9)]
    body = np.array([*middle, *arms, *legs])
    moved = body + np.random.default_rng(0).normal(0, 0.01, (count, 1, 2))
    return moved.astype(np.float32)


MGRE_LOSSES = BRANCHES | {"location": {"kind": "location", "weight": 100.0}}


def test_boxes_learn_where_the_joints_are(tmp_path: Path) -> None:
    data = people(4)
    data = replace(data, joints=standing(len(data.labels)))
    head = {"name": "mgre", "dim": 8, "location_channels": 8}
    settings = {"learning_rate": 5e-3, "augment": STILL | {"flip": 0.5, "shift": 0.05}}
    config = system(12, settings, model=with_head(**head), losses=MGRE_LOSSES)
    where = [record["location"] for record in records_of(config, data, tmp_path)]
    assert np.mean(where[-3:]) < 0.65 * np.mean(where[:3])
    with pytest.raises(ReidError, match="needs joints"):
        train(config, people(4), tmp_path / "none")


def test_attributes_are_learnt_by_their_names(tmp_path: Path) -> None:
    """Of 24 columns the head tells two, in its own order; the others are never looked at."""
    data = people(8)
    values = np.full((len(data.labels), len(ATTRIBUTES)), np.nan, np.float32)
    values[:, ATTRIBUTES.index("upred")] = data.labels % 20 == 0
    values[:, ATTRIBUTES.index("hat")] = 1
    values[:, ATTRIBUTES.index("bag")] = data.labels >= 40
    data = replace(data, attributes=values)
    names = ["hat", "bag", "upred"]
    head = {"name": "acrn", "dim": 8, "attributes": names, "attribute_hidden": 8}
    everyone = {"identities_per_batch": 8, "images_per_identity": 4, "augment": STILL}
    losses = {"attributes": {"kind": "attributes"}}
    config = system(16, everyone, model=with_head(**head), losses=losses)
    found = [record["attributes"] for record in records_of(config, data, tmp_path)]
    assert np.mean(found[-4:]) < 0.8 * np.mean(found[:4])
    with pytest.raises(ReidError, match=r"losses\.attributes: needs attributes"):
        train(config, people(8), tmp_path / "none")


def test_without_an_average_the_last_weights_are_kept(tmp_path: Path) -> None:
    train(system(3, {"ema": 0.0}), people(4), tmp_path)
    content = read_checkpoint(tmp_path / "checkpoint.pt")
    assert content["average"]
    for name, value in content["average"].items():
        torch.testing.assert_close(value, content["students"][f"0.{name}"], atol=0, rtol=0)


def test_epochs_of_several_phases_resume_in_the_second(tmp_path: Path) -> None:
    phases = (PhaseConfig(epochs=0.5, size_hw=(32, 32)), PhaseConfig(epochs=1, size_hw=(64, 32)))
    data = people(4)  # 16 pictures, 8 in a batch
    config = in_steps(tiny_config(phases=phases), len(data.labels))
    assert [phase.steps for phase in config.train.phases] == [1, 2]
    check_resume(config, data, tmp_path)


@pytest.mark.parametrize("augment", [{}, STILL], ids=["varied", "still"])
def test_people_seen_once(tmp_path: Path, augment: dict[str, float]) -> None:
    """Two of four have one picture and K is 3: copies at distance 0 still give gradients."""
    data = people(4)
    rows = np.array([0, 4, 8, 9, 12, 13, 14, 15])
    data = TrainingSet(data.images[rows], data.labels[rows])
    config = system(4, {"images_per_identity": 3, "augment": augment})
    found = records_of(config, data, tmp_path)
    assert all(np.isfinite(list(record.values())).all() for record in found)
    weights = read_checkpoint(tmp_path / "checkpoint.pt")["students"].values()
    assert all(bool(torch.isfinite(value).all()) for value in weights)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_compiled_code_trains(tmp_path: Path) -> None:
    """torch.compile as it is, with its compiler for the CPU; fused kernels round bfloat16
    differently, which a network this small shows."""
    plain = records_of(system(2), people(4), tmp_path / "plain")
    found = records_of(system(2, {"compile": True}), people(4), tmp_path / "compiled")
    assert [record["step"] for record in found] == [1, 2]
    assert found[0]["loss"] == pytest.approx(plain[0]["loss"], rel=0.25)
    assert all(np.isfinite(value) for record in found for value in record.values())
