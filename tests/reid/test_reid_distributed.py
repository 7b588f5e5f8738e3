"""Several processes train one network: gradients, weights, files, torchrun and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp
from reid_builders import market_folder, people, tiny_config, tiny_yaml
from test_reid_teacher import save_teacher
from torch import Tensor, nn

from reid.config import ReidConfig
from reid.data.source import DataSource
from reid.distributed import (
    Place,
    any_process,
    average_gradients,
    join_group,
    leader_first,
    leave_group,
)
from reid.errors import ReidError
from reid.read_training import TrainingInputs, training_set
from reid.train import train
from reid.training_state import TrainingState, read_checkpoint

PROJECT = Path(__file__).parents[2]
ROWS, WORLD = 12, 2


def classifier() -> tuple[nn.ModuleList, Tensor, Tensor]:
    """A linear one, an unused layer, a layer that only process 0 uses; pictures and labels."""
    torch.manual_seed(0)
    layers = nn.ModuleList([nn.Linear(5, 3), nn.Linear(2, 2), nn.Linear(5, 1)])
    return layers, torch.randn(ROWS, 5), torch.arange(ROWS) % 3


def small_system() -> ReidConfig:
    config = tiny_config(2, identities_per_batch=2)
    return config


def loss_of(layers: nn.ModuleList, x: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.cross_entropy(layers[0](x), labels)


def worker(rank: int, port: int, folder: str) -> None:
    """What each of the two processes does; it leaves what it found in `folder`."""
    torch.set_num_threads(1)
    names = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "RANK": rank, "LOCAL_RANK": rank}
    os.environ.update({k: str(v) for k, v in (names | {"WORLD_SIZE": WORLD}).items()})
    place, device = join_group("cpu")
    layers, x, labels = classifier()
    half = slice(rank * ROWS // WORLD, (rank + 1) * ROWS // WORLD)
    loss = loss_of(layers, x[half], labels[half])
    if place.leads:
        loss = loss + layers[2](x).sum()
    loss.backward()
    average_gradients(layers.parameters(), place)
    found: dict[str, object] = {
        "place": (place.rank, place.world, device),
        "gradients": [p.grad for p in layers.parameters()],
        "any": [any_process(words[rank], place) for words in ((0, 0), (0, 1), (1, 0), (1, 1))],
    }
    found["embedded"] = embedded_by(place, Path(folder))
    found["failed"] = failed_after_the_leader(place)
    found["students"] = trained_students(place, Path(folder) / str(rank))
    torch.save(found, Path(folder) / f"{rank}.pt")
    leave_group()


def embedded_by(place: Place, folder: Path) -> list[int]:
    """The numbers of pictures that this process's teacher embeds, of 20, with a shared cache."""
    import reid.read_training as module

    done: list[int] = []
    original = module.teacher_features

    def spy(*words: object, on_done: object, **named: object) -> object:
        return original(*words, on_done=done.append, **named)  # type: ignore[arg-type]

    module.teacher_features = spy  # type: ignore[assignment]
    source = DataSource("market1501", folder / "data")
    inputs = TrainingInputs(folder / "run", folder / "t.xml", threads=1, quiet=True, place=place)
    assert training_set(small_system(), source, inputs).teacher is not None
    module.teacher_features = original
    return done


def failed_after_the_leader(place: Place) -> str:
    """What a process gets where the first one fails."""
    try:
        with leader_first(place):
            raise ReidError(f"work of {place.rank}")
    except ReidError as error:
        return str(error)


def trained_students(place: Place, out: Path) -> dict[str, Tensor]:
    """The weights after two steps of the trainer, without batch statistics, which differ."""
    import reid.train as trainer_module

    states: list[TrainingState] = []
    original = trainer_module.start_state

    def spy(*words: object) -> TrainingState:
        states.append(original(*words))  # type: ignore[arg-type]
        return states[0]

    trainer_module.start_state = spy  # type: ignore[assignment]
    train(small_system(), people(4), out, place=place)
    return {name: p.detach() for name, p in states[0].students.named_parameters()}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict]]:  # type: ignore[type-arg]
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    market_folder(folder / "data")
    save_teacher(folder / "t.xml")
    mp.spawn(worker, (port, str(folder)), nprocs=WORLD)
    return folder, [torch.load(folder / f"{rank}.pt") for rank in range(WORLD)]


def test_the_mean_gradient_is_that_of_both_batches_together(two) -> None:  # type: ignore[no-untyped-def]
    layers, x, labels = classifier()
    (loss_of(layers, x, labels) + layers[2](x).sum() / WORLD).backward()
    for found in two[1]:
        own, unused, one_sided = (found["gradients"][k : k + 2] for k in (0, 2, 4))
        for gradient, p in zip(own, layers[0].parameters(), strict=True):
            torch.testing.assert_close(gradient, p.grad, atol=1e-7, rtol=1e-6)
        assert all(not gradient.any() for gradient in unused)
        for gradient, p in zip(one_sided, layers[2].parameters(), strict=True):
            torch.testing.assert_close(gradient, p.grad, atol=1e-7, rtol=1e-6)


def test_both_processes_know_their_place_and_what_any_says(two) -> None:  # type: ignore[no-untyped-def]
    assert [found["place"] for found in two[1]] == [(0, 2, "cpu"), (1, 2, "cpu")]
    assert all(found["any"] == [False, True, True, True] for found in two[1])


def test_both_processes_have_the_same_weights_after_training(two) -> None:  # type: ignore[no-untyped-def]
    one, other = (found["students"] for found in two[1])
    torch.testing.assert_close(one, other, atol=0, rtol=0)


def test_their_batches_differ_from_what_one_process_alone_would_see(two, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    train(small_system(), people(4), tmp_path)
    alone = read_checkpoint(tmp_path / "checkpoint.pt")["students"]
    name = "0.head.classifier.weight"
    assert not torch.equal(alone[name], two[1][0]["students"][name])


def test_only_the_first_process_writes(two) -> None:  # type: ignore[no-untyped-def]
    folder = two[0]
    assert {path.name for path in (folder / "0").iterdir()} >= {"checkpoint.pt", "log.jsonl"}
    assert not list((folder / "1").iterdir())


def test_one_process_embeds_with_the_teacher_and_the_other_reads(two) -> None:  # type: ignore[no-untyped-def]
    assert [found["embedded"] for found in two[1]] == [[16, 20], []]


def test_the_others_do_not_start_after_the_first_has_failed(two) -> None:  # type: ignore[no-untyped-def]
    wanted = ["work of 0", "process 1: the first process has failed"]
    assert [found["failed"] for found in two[1]] == wanted


def test_alone_nobody_is_asked() -> None:
    assert join_group("cpu") == (Place(), "cpu")
    assert any_process(True, Place())
    assert not any_process(False, Place())


def torchrun(config: Path, data: Path, out: Path, *words: str) -> subprocess.Popen[str]:
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(WORLD)]
    options = ["--config", config, "--data", f"market1501={data}", "--out", out, "--threads", 1]
    return subprocess.Popen(
        [sys.executable, *command, "main.py", "reid", "train", *map(str, options), *words],
        cwd=PROJECT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_torchrun_finishes_and_one_process_speaks(tmp_path: Path) -> None:
    data = market_folder(tmp_path / "M", 6)
    config = tiny_yaml(tmp_path / "tiny.yaml", steps=3, identities_per_batch=3)
    run = torchrun(config, data, tmp_path / "run", "--json")
    stdout, stderr = run.communicate(timeout=250)
    assert run.returncode == 0, stderr
    assert json.loads(stdout).keys() == {"weights", "checkpoint"}
    assert stderr.count("train: 3/3") == 1
    names = ["checkpoint.pt", "log.jsonl", "model.safetensors", "tensorboard"]
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == names
    assert len(list((tmp_path / "run" / "tensorboard").iterdir())) == 1


@pytest.mark.slow
def test_ctrl_c_of_torchrun_leaves_a_checkpoint_to_go_on_from(tmp_path: Path) -> None:
    data = market_folder(tmp_path / "M", 6)
    config = tiny_yaml(
        tmp_path / "tiny.yaml", steps=100, identities_per_batch=3, checkpoint_every=2
    )
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    run = torchrun(config, data, tmp_path / "run")
    limit = time.monotonic() + 200
    while not checkpoint.exists() and time.monotonic() < limit and run.poll() is None:
        time.sleep(0.2)
    run.send_signal(signal.SIGINT)
    stderr = run.communicate(timeout=60)[1]
    assert run.returncode != 0
    assert "Interrupted." in stderr
    assert 2 <= read_checkpoint(checkpoint)["step"] < 100
    more = torchrun(config, data, tmp_path / "run", "--resume")
    stderr = more.communicate(timeout=250)[1]
    assert more.returncode == 0, stderr
    assert read_checkpoint(checkpoint)["step"] == 100
