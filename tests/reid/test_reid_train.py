"""The trainer: it learns, resumes exactly, refuses NaN, and keeps its schedule."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from reid_builders import TINY_HW, people, tiny_config
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

import reid.batches
import reid.train
import reid.training_log
from reid.config import PhaseConfig, ReidConfig, StepSchedule
from reid.criterion import Criterion
from reid.errors import ReidError
from reid.schedule import in_steps, learning_rate_at, total_steps
from reid.terms.base import Facts
from reid.terms.body import LocationTermConfig
from reid.train import train
from reid.training_set import TrainingSet
from reid.training_state import (
    averaged_model,
    read_checkpoint,
    restore,
    start_state,
    update_average,
)


def taught(data: TrainingSet, dim: int = 6) -> TrainingSet:
    """The same images with random features of a teacher."""
    features = np.random.default_rng(0).normal(size=(len(data.labels), dim))
    return replace(data, teacher=features.astype(np.float32))


def with_loss(config: ReidConfig, **weights: float) -> ReidConfig:
    """`config` with other weights; terms it does not have are named by their kind."""
    data = config.model_dump()
    for name, weight in weights.items():
        data["losses"].setdefault(name, {"kind": name})["weight"] = weight
    return ReidConfig.model_validate(data)


def with_head(config: ReidConfig, **settings: object) -> ReidConfig:
    data = config.model_dump()
    data["model"]["head"] |= settings
    return ReidConfig.model_validate(data)


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.1), (4, 0.5), (9, 1.0), (10, 1.0), (60, 0.5), (110, 0.0), (500, 0.0)],
)
def test_learning_rate(step: int, rate: float) -> None:
    config = tiny_config(110, learning_rate=1.0, warmup_steps=10).train
    assert learning_rate_at(step, config) == pytest.approx(rate)


def test_learning_rate_without_warmup() -> None:
    config = tiny_config(10, learning_rate=1.0, warmup_steps=0).train
    assert learning_rate_at(0, config) == 1.0
    assert learning_rate_at(5, config) == pytest.approx(0.5)


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    records: list[dict[str, float]] = []
    everyone = tiny_config(12, identities_per_batch=8, images_per_identity=4)  # no batch is luckier
    model = train(everyone, people(8), tmp_path, on_step=records.append)
    losses = [record["loss"] for record in records]
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.1
    assert [record["step"] for record in records] == list(range(1, 13))
    assert not model.training
    first = records[0]
    assert first["loss"] == pytest.approx(first["identity"] + first["trihard"] + first["aligned"])


@pytest.mark.slow
@pytest.mark.parametrize("with_teacher", [False, True])
def test_resume_is_exact(tmp_path: Path, with_teacher: bool) -> None:
    data = people(8)
    loss = {"distil_feature": 1.0, "distil_similarity": 1.0, "distil_parts": 1.0}
    if with_teacher:
        data = taught(data)
    config = with_loss(tiny_config(12), **loss)
    whole = train(config, data, tmp_path / "whole")

    def stop(record: dict[str, float]) -> None:
        if record["step"] == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, data, tmp_path / "parts", on_step=stop)
    assert read_checkpoint(tmp_path / "parts" / "checkpoint.pt")["step"] == 6
    resumed = train(config, data, tmp_path / "parts", resume=True)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, atol=1e-6, rtol=0)
    one, other = (read_checkpoint(tmp_path / n / "checkpoint.pt") for n in ("whole", "parts"))
    for name, value in one["students"].items():
        torch.testing.assert_close(other["students"][name], value, atol=1e-6, rtol=0)


def test_the_seed_decides(tmp_path: Path) -> None:
    states = [
        train(tiny_config(2, seed=seed), people(4), tmp_path / str(n)).state_dict()
        for n, seed in enumerate((0, 0, 1))
    ]
    name = "head.neck.weight"
    torch.testing.assert_close(states[0][name], states[1][name], atol=0, rtol=0)
    assert not torch.equal(states[0]["head.embed.0.weight"], states[2]["head.embed.0.weight"])


def test_resume_of_a_finished_run_trains_no_more(tmp_path: Path) -> None:
    first = train(tiny_config(2), people(4), tmp_path)
    steps: list[dict[str, float]] = []
    again = train(tiny_config(2), people(4), tmp_path, resume=True, on_step=steps.append)
    assert steps == []
    torch.testing.assert_close(first.state_dict(), again.state_dict())


def test_an_interrupt_stores_the_step(tmp_path: Path) -> None:
    def stop(record: dict[str, float]) -> None:
        if record["step"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tiny_config(9), people(4), tmp_path, on_step=stop)
    assert read_checkpoint(tmp_path / "checkpoint.pt")["step"] == 2
    assert not list(tmp_path.glob("*.tmp"))


def test_nan_is_refused_and_its_batch_saved(tmp_path: Path) -> None:
    data = taught(people(8))
    assert data.teacher is not None
    data.teacher[:] = np.nan
    config = with_loss(tiny_config(3), distil_feature=1.0)
    with pytest.raises(ReidError, match=r"step 0: loss is nan; the batch is saved in .*nan_batch"):
        train(config, data, tmp_path)
    with np.load(tmp_path / "nan_batch.npz") as batch:
        assert len(batch["rows"]) == 8
        np.testing.assert_array_equal(batch["images"], data.images[batch["rows"]])
    assert not (tmp_path / "checkpoint.pt").exists()


def test_the_log_has_a_line_per_interval_and_is_appended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reid.training_log, "_EVERY", 2)

    def stop(record: dict[str, float]) -> None:
        if record["step"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tiny_config(5), people(4), tmp_path, on_step=stop)
    with (tmp_path / "log.jsonl").open("a") as log:  # what a killed process leaves
        log.write('{"step": 4, "loss": 9.0}\n{"step": 5, "lo')
    train(tiny_config(5), people(4), tmp_path, resume=True)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 5]
    assert all(line["images_per_s"] > 0 for line in lines)


def test_phases_train_at_their_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, ...]] = []
    original = reid.batches.augment

    def spy(images, config, generator):  # type: ignore[no-untyped-def]
        sizes.append(tuple(images.shape[2:]))
        return original(images, config, generator)

    monkeypatch.setattr(reid.batches, "augment", spy)
    phases = (PhaseConfig(steps=1, size_hw=(32, 32)), PhaseConfig(steps=2, size_hw=TINY_HW))
    config = tiny_config(phases=phases)
    assert total_steps(config.train) == 3
    train(config, people(4), tmp_path)
    assert sizes == [(32, 32), TINY_HW, TINY_HW]


def test_nothing_to_learn_from(tmp_path: Path) -> None:
    config = with_loss(tiny_config(), identity=0, trihard=0, aligned=0, distil_feature=1)
    with pytest.raises(ReidError, match="every term has weight 0"):
        train(config, people(4), tmp_path)


def test_too_few_identities(tmp_path: Path) -> None:
    with pytest.raises(ReidError, match="3 identities, but a batch needs 4"):
        train(tiny_config(), people(3), tmp_path)


def test_few_images_repeat(tmp_path: Path) -> None:
    train(tiny_config(1, images_per_identity=3), people(4, views=1), tmp_path)


def test_the_average_by_hand() -> None:
    live, average = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    nn.init.constant_(live.weight, 3.0)
    live.num_batches_tracked.fill_(7)
    update_average(average, live, 0.75)
    assert average.weight.tolist() == pytest.approx([1.5, 1.5])
    assert int(average.num_batches_tracked) == 7


def test_no_weight_decay_on_norms_and_biases() -> None:
    groups = start_state(
        with_loss(tiny_config(), distil_feature=1), Facts(4, 6), "cpu"
    ).optimiser.param_groups
    assert [group["weight_decay"] for group in groups] == [0.05, 0.0]
    assert all(p.ndim <= 1 for p in groups[1]["params"])


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(tiny_config(1), people(4), folder)
    return folder / "checkpoint.pt"


def test_the_average_leaves_the_classifier_behind(checkpoint: Path) -> None:
    model = averaged_model(checkpoint, tiny_config())
    stored = read_checkpoint(checkpoint)["average"]
    names = model.state_dict().keys()
    assert stored.keys() - names == {"head.classifier.weight"}
    torch.testing.assert_close(model.state_dict(), {name: stored[name] for name in names})


@pytest.mark.parametrize(
    ("section", "change"),
    [
        ("backbone", {"width": 0.125}),
        ("head", {"part_dim": 16}),
        ("backbone", {"instance_norm": 0}),
    ],
)
def test_another_architecture_is_refused(
    checkpoint: Path, section: str, change: dict[str, float]
) -> None:
    data = tiny_config().model_dump()
    data["model"][section] |= change
    other = ReidConfig.model_validate(data)
    with pytest.raises(ReidError, match="another architecture"):
        averaged_model(checkpoint, other)
    with pytest.raises(ReidError, match="another architecture"):
        restore(start_state(other, Facts(4), "cpu"), other, checkpoint, "cpu")


@pytest.mark.parametrize(("identities", "teacher_dim"), [(5, None), (4, 6)])
def test_another_data_set_is_refused(
    checkpoint: Path, identities: int, teacher_dim: int | None
) -> None:
    config = with_loss(tiny_config(), distil_feature=1)
    with pytest.raises(ReidError, match="another architecture"):
        restore(
            start_state(config, Facts(identities, teacher_dim), "cpu"), config, checkpoint, "cpu"
        )


@pytest.mark.parametrize("content", [b"", b"no pickle", b"PK\x03\x04 cut"])
def test_an_unreadable_checkpoint(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(content)
    with pytest.raises(ReidError, match="not a readable checkpoint"):
        read_checkpoint(path)


def test_a_strange_checkpoint(tmp_path: Path) -> None:
    torch.save({"step": math.pi}, tmp_path / "a.pt")
    with pytest.raises(ReidError, match="not a checkpoint of this trainer"):
        read_checkpoint(tmp_path / "a.pt")
    with pytest.raises(ReidError, match="no such checkpoint"):
        read_checkpoint(tmp_path / "b.pt")


def with_unlabelled(data: TrainingSet, count: int = 5) -> TrainingSet:
    """`data` with other pictures that only a teacher knows."""
    more = people(count, views=1).images
    rows = np.random.default_rng(1).normal(size=(count, 6)).astype(np.float32)
    return replace(taught(data), unlabelled=more, unlabelled_teacher=rows)


def test_unlabelled_pictures_join_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They reach the distillation terms with their own teacher features, and nothing else."""
    seen: list[tuple[int, int, int]] = []
    original = Criterion.forward

    def spy(self, outputs, targets):  # type: ignore[no-untyped-def]
        seen.append((len(outputs.embedding), len(targets.labels), len(targets.teacher)))
        return original(self, outputs, targets)

    monkeypatch.setattr(Criterion, "forward", spy)
    config = with_loss(tiny_config(2, unlabelled_per_batch=3), distil_feature=1.0)
    train(config, with_unlabelled(people(4)), tmp_path)
    assert seen == [(11, 8, 11)] * 2


def test_resume_with_unlabelled_pictures_is_exact(tmp_path: Path) -> None:
    data = with_unlabelled(people(4))
    config = with_loss(tiny_config(4, unlabelled_per_batch=2), distil_feature=1.0)
    whole = train(config, data, tmp_path / "whole")

    def stop(record: dict[str, float]) -> None:
        if record["step"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, data, tmp_path / "parts", on_step=stop)
    resumed = train(config, data, tmp_path / "parts", resume=True)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, atol=1e-6, rtol=0)


def test_a_run_can_start_from_the_average_of_another(checkpoint: Path, tmp_path: Path) -> None:
    stored = read_checkpoint(checkpoint)["average"]
    steps: list[float] = []
    config = tiny_config(1, learning_rate=1e-12, weight_decay=0.0)
    train(
        config,
        people(4),
        tmp_path,
        initial=checkpoint,
        on_step=lambda record: steps.append(record["step"]),
    )
    assert steps == [1]
    model = read_checkpoint(tmp_path / "checkpoint.pt")["students"]
    for name in ("head.embed.0.weight", "head.neck.weight", "backbone.stem.0.0.weight"):
        torch.testing.assert_close(model[f"0.{name}"], stored[name], atol=1e-5, rtol=0)


def test_resume_wins_over_initial(checkpoint: Path, tmp_path: Path) -> None:
    train(tiny_config(1, seed=5), people(4), tmp_path)
    before = read_checkpoint(tmp_path / "checkpoint.pt")["average"]
    found = train(tiny_config(1, seed=5), people(4), tmp_path, resume=True, initial=checkpoint)
    torch.testing.assert_close(dict(found.state_dict()), before, atol=0, rtol=0)


def test_initial_of_another_architecture(checkpoint: Path, tmp_path: Path) -> None:
    other = with_head(tiny_config(), part_dim=16)
    with pytest.raises(ReidError, match="another architecture"):
        train(other, people(4), tmp_path, initial=checkpoint)


def test_epochs_become_steps() -> None:
    phases = (
        PhaseConfig(epochs=2, size_hw=(32, 32)),
        PhaseConfig(steps=5, size_hw=(32, 32)),
        PhaseConfig(epochs=0.01, size_hw=(32, 32)),
    )
    config = tiny_config(phases=phases, identities_per_batch=4, images_per_identity=2)
    assert [phase.steps for phase in in_steps(config, 40).train.phases] == [10, 5, 1]
    assert [phase.steps for phase in in_steps(config, 40, world=2).train.phases] == [5, 5, 1]


@pytest.mark.parametrize(("step", "rate"), [(0, 1.0), (49, 1.0), (50, 0.1), (74, 0.1), (75, 0.01)])
def test_the_rate_falls_in_steps(step: int, rate: float) -> None:
    schedule = StepSchedule(milestones=(0.5, 0.75), gamma=0.1)
    config = tiny_config(100, learning_rate=1.0, warmup_steps=0, schedule=schedule).train
    assert learning_rate_at(step, config) == pytest.approx(rate)


@pytest.mark.parametrize("optimiser", ["adam", "adamw", "sgd"])
def test_every_optimiser_lowers_the_loss(tmp_path: Path, optimiser: str) -> None:
    losses: list[float] = []
    rate = 0.1 if optimiser == "sgd" else 5e-3
    everyone = {"identities_per_batch": 8, "images_per_identity": 4}
    config = tiny_config(12, optimiser=optimiser, learning_rate=rate, **everyone)
    train(config, people(8), tmp_path, on_step=lambda record: losses.append(record["loss"]))
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.1


@pytest.mark.parametrize(
    ("term", "message"),
    [("location", "losses.where: needs joints; give --joints FILE")],
)
def test_data_that_a_term_lacks(tmp_path: Path, term: str, message: str) -> None:
    config = tiny_config()
    losses = dict(config.losses) | {"where": LocationTermConfig()}
    with pytest.raises(ReidError, match=message):
        train(config.model_copy(update={"losses": losses}), people(4), tmp_path)


def test_scalars_for_tensorboard(tmp_path: Path) -> None:
    train(tiny_config(2), people(4), tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert {"train/loss", "train/identity", "train/images_per_s"} <= set(events.Tags()["scalars"])
    line = json.loads((tmp_path / "log.jsonl").read_text())
    scalar = events.Scalars("train/loss")[-1]
    assert (scalar.step, scalar.value) == (2, pytest.approx(line["loss"]))
    assert 0 < line["time_outside_model"] < 1


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"seed": 3}, "train.seed"),
        ({"learning_rate": 1e-4}, "train.learning_rate"),
        ({"steps": 2}, "train.phases.0.steps"),
    ],
)
def test_resume_with_other_settings_is_refused(
    checkpoint: Path, tmp_path: Path, change: dict[str, float], key: str
) -> None:
    shutil.copy(checkpoint, tmp_path)
    config = tiny_config(**({"steps": 1} | change))  # type: ignore[arg-type]
    with pytest.raises(ReidError, match=f"trained with another {key}"):
        train(config, people(4), tmp_path, resume=True)


def test_resume_may_save_more_often(checkpoint: Path, tmp_path: Path) -> None:
    shutil.copy(checkpoint, tmp_path)
    train(tiny_config(1, checkpoint_every=7), people(4), tmp_path, resume=True)


def test_a_setting_of_the_network_that_no_tensor_shows(checkpoint: Path) -> None:
    data = tiny_config(1).model_dump()
    data["model"]["backbone"]["name"] = "osnet"
    averaged_model(checkpoint, ReidConfig.model_validate(data))
    data["model"]["head"] = {"name": "bnneck", "dim": 16}
    del data["losses"]["aligned"]
    with pytest.raises(ReidError, match="another"):
        averaged_model(checkpoint, ReidConfig.model_validate(data))


@pytest.mark.parametrize("term", ["identity", "trihard"])
def test_a_branch_that_the_head_lacks_is_refused_before_a_step(tmp_path: Path, term: str) -> None:
    data = tiny_config().model_dump()
    data["losses"][term]["branches"] = {"f2": 1.0}
    steps: list[dict[str, float]] = []
    with pytest.raises(ReidError, match="no branch 'f2'; the head has global"):
        train(ReidConfig.model_validate(data), people(4), tmp_path, on_step=steps.append)
    assert steps == []
    assert not (tmp_path / "tensorboard").exists()


def test_a_gradient_that_is_no_number_is_refused_before_the_weights_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = reid.train.average_gradients

    def spoil(parameters, place):  # type: ignore[no-untyped-def]
        original(parameters, place)
        parameters[0].grad.fill_(torch.nan)

    monkeypatch.setattr(reid.train, "average_gradients", spoil)
    with pytest.raises(ReidError, match="step 0: the gradient is nan; the batch is saved in"):
        train(tiny_config(3), people(4), tmp_path)
    assert (tmp_path / "nan_batch.npz").exists()
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_penalty_on_a_map_that_no_loss_uses(tmp_path: Path) -> None:
    data = tiny_config().model_dump()
    data["model"]["head"] = {
        "name": "msfl", "dim": 8, "channels": 8, "levels": [2, 3], "fusion_blocks": [0, 0],
    }  # fmt: skip
    del data["losses"]["aligned"]
    data["gradient_penalty"] = {"maps": ["stage4"]}
    with pytest.raises(ReidError, match=r"gradient_penalty\.maps stage4: .*does not depend"):
        train(ReidConfig.model_validate(data), people(4), tmp_path)
