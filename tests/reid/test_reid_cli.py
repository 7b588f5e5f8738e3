"""The ReID commands: what they print, write and refuse."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import Result
from reid_builders import market_folder, person, tiny_weights, tiny_yaml
from test_reid_teacher import save_teacher
from typer.testing import CliRunner

from reid.cli import app
from reid.criterion import Criterion
from reid.training_state import read_checkpoint
from reid.weights_file import load_weights


def call(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return market_folder(tmp_path_factory.mktemp("data") / "M", 6)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_yaml(tmp_path_factory.mktemp("config") / "tiny.yaml", steps=2)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, data: Path, config: Path) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("runs") / "tiny"
    words = ("--data", f"market1501={data}", "--out", out, "--threads", 1, "--json")
    return out, call("train", "--config", config, *words)


def test_train_writes_checkpoint_log_and_weights(run: tuple[Path, Result]) -> None:
    out, result = run
    assert result.exit_code == 0, result.stderr
    names = ["checkpoint.pt", "log.jsonl", "model.safetensors", "tensorboard"]
    assert sorted(path.name for path in out.iterdir()) == names
    printed = json.loads(result.stdout)
    assert printed == {
        "weights": str(out / "model.safetensors"),
        "checkpoint": str(out / "checkpoint.pt"),
    }
    assert "train: 2/2" in result.stderr
    assert "images/s" in result.stderr
    line = json.loads((out / "log.jsonl").read_text())
    assert line["step"] == 2
    assert load_weights(out / "model.safetensors")[1] == (64, 32)


def test_a_run_is_not_overwritten(run: tuple[Path, Result], data: Path, config: Path) -> None:
    words = ("--config", config, "--data", f"market1501={data}", "--out", run[0])
    result = call("train", *words)
    assert result.exit_code == 2
    assert "--resume" in result.stderr
    assert call("train", *words, "--resume").exit_code == 0


def test_resume_with_another_architecture(
    run: tuple[Path, Result], data: Path, config: Path
) -> None:
    words = ("--config", config, "--data", f"market1501={data}", "--out", run[0], "--resume")
    result = call("train", *words, "model.head.part_dim=4")
    assert result.exit_code == 2
    assert "another architecture" in result.stderr


def test_overrides_and_a_teacher(tmp_path: Path, data: Path, config: Path) -> None:
    teacher = save_teacher(tmp_path / "t.xml")
    result = call(
        "train", "--config", config, "--data", f"market1501={data}", "--out", tmp_path / "run",
        "--teacher", teacher, "--threads", 1, "train.seed=3",
        "losses.distil={kind: distil_feature}",
        "train.phases.0.steps=1", "train.images_per_identity=5",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    content = read_checkpoint(tmp_path / "run" / "checkpoint.pt")
    assert content["step"] == 1
    assert content["criteria"]["0.terms.distil.map.weight"].shape == (6, 16)
    with np.load(tmp_path / "run" / "teacher.npz") as cache:
        assert cache["features"].shape == (24, 6)
    assert "distil" in json.loads((tmp_path / "run" / "log.jsonl").read_text())


def crops_folder(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        cv2.imwrite(str(folder / f"{number}.jpg"), person(90 + number, 0))
    return folder


UNLABELLED = ("train.unlabelled_pictures=20", "train.unlabelled_per_batch=3")


def test_unlabelled_crops_are_mixed_and_taught(tmp_path: Path, data: Path, config: Path) -> None:
    result = call(
        "train", "--config", config, "--data", f"market1501={data}", "--out", tmp_path / "run",
        "--teacher", save_teacher(tmp_path / "t.xml"), "--threads", 1,
        "--unlabelled", crops_folder(tmp_path / "crops", 4), *UNLABELLED,
        "losses.distil={kind: distil_feature}",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    with np.load(tmp_path / "run" / "teacher_unlabelled.npz") as cache:
        assert cache["features"].shape == (20, 6)
    assert "unlabelled: 20/20" in result.stderr


def test_a_run_starts_from_another_ones_average(
    tmp_path: Path, run: tuple[Path, Result], data: Path, config: Path
) -> None:
    words = ("--config", config, "--data", f"market1501={data}", "--out", tmp_path / "next")
    start = run[0] / "checkpoint.pt"
    changes = ("train.phases.0.steps=1", "train.learning_rate=1e-12", "train.ema=0.99")
    assert call("train", *words, "--initial", start, *changes).exit_code == 0
    before = read_checkpoint(start)["average"]
    after = read_checkpoint(tmp_path / "next" / "checkpoint.pt")["average"]
    weights = [name for name in before if name.endswith("0.weight")]
    assert weights
    for name in weights:
        torch.testing.assert_close(after[name], before[name])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--unlabelled", "crops", *UNLABELLED), "needs --teacher"),
        (("--unlabelled", "crops", "--teacher", "t.xml"), "uses none; set train.unlabelled"),
        (("train.unlabelled_per_batch=3",), "set both, or neither"),
        (("train.unlabelled_pictures=3",), "set both, or neither"),
        (("--initial", "none.pt"), "none.pt: no such checkpoint"),
    ],
)
def test_inputs_that_would_teach_nothing_are_refused(
    tmp_path: Path, data: Path, config: Path, words: tuple[str, ...], message: str
) -> None:
    out = tmp_path / "run"
    result = call("train", "--config", config, "--data", f"market1501={data}", "--out", out, *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_an_empty_folder_of_unlabelled_crops(tmp_path: Path, data: Path, config: Path) -> None:
    result = call(
        "train", "--config", config, "--data", f"market1501={data}", "--out", tmp_path / "run",
        "--teacher", save_teacher(tmp_path / "t.xml"), "--threads", 1, "--quiet",
        "--unlabelled", crops_folder(tmp_path / "crops", 0), *UNLABELLED,
    )  # fmt: skip
    assert result.exit_code == 2
    assert "crops: no .jpg or .png pictures there" in result.stderr


@pytest.fixture
def seen_once(tmp_path: Path) -> str:
    """Five people with one picture each to train on; all queries in the camera of the gallery."""
    for folder, view in (("bounding_box_train", 0), ("query", 1), ("bounding_box_test", 2)):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for identity in range(1, 6):
            path = tmp_path / "data" / folder / f"{identity:04}_c1s1_{view}.png"
            cv2.imwrite(str(path), person(identity, view))
    return f"market1501={tmp_path / 'data'}"


@pytest.mark.parametrize("k", [2, 5])
def test_people_seen_once_are_shown_k_times(
    tmp_path: Path, seen_once: str, config: Path, k: int
) -> None:
    words = ("--config", config, "--data", seen_once, "--out", tmp_path / "run", "--threads", 1)
    result = call("train", *words, f"train.images_per_identity={k}")
    assert result.exit_code == 0, result.stderr
    record = json.loads((tmp_path / "run" / "log.jsonl").read_text())
    assert record["step"] == 2
    assert np.isfinite([value for value in record.values() if value is not None]).all()


def test_people_seen_once_cannot_be_found_again(tmp_path: Path, seen_once: str) -> None:
    weights = save_teacher(tmp_path / "t.xml")
    result = call("evaluate", "--weights", weights, "--data", seen_once, "--quiet")
    assert result.exit_code == 2
    message = "no query has a right answer in the gallery: its identity in another camera"
    assert result.stderr.splitlines() == [message]


def test_a_missing_teacher_is_mentioned(tmp_path: Path, data: Path, config: Path) -> None:
    result = call(
        "train", "--config", config, "--data", f"market1501={data}", "--out", tmp_path / "run",
        "losses.parts={kind: distil_parts}", "train.phases.0.steps=1",
    )  # fmt: skip
    assert result.exit_code == 0
    assert "no --teacher" in result.stderr


def test_ctrl_c_saves_a_checkpoint(
    tmp_path: Path, data: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Criterion.forward

    def press(*arguments):  # type: ignore[no-untyped-def]
        signal.raise_signal(signal.SIGINT)  # to this thread: no other library's thread gets it
        return original(*arguments)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(Criterion, "forward", press)
    words = ("--config", config, "--data", f"market1501={data}", "--out", tmp_path / "run")
    result = call("train", *words, "train.phases.0.steps=9")
    assert result.exit_code == 130
    assert "Interrupted" in result.stderr
    assert read_checkpoint(tmp_path / "run" / "checkpoint.pt")["step"] == 1
    assert not (tmp_path / "run" / "model.safetensors").exists()
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.slow
def test_evaluate_prints_one_object(tmp_path: Path, data: Path) -> None:
    weights = tiny_weights(tmp_path / "a.safetensors")
    words = ("--data", f"market1501={data}", "--distance", "aligned", "--threads", 1, "--json")
    result = call("evaluate", "--weights", weights, *words)
    assert result.exit_code == 0, result.stderr
    printed = json.loads(result.stdout)
    assert printed["queries"] == 12
    assert printed["distance"] == "aligned"
    assert printed["fingerprint"] == load_weights(weights)[2]
    assert 0 <= printed["rank1"] <= printed["rank5"] <= printed["rank10"] <= 100
    assert 0 < printed["mINP"] <= printed["mAP"] <= 100


@pytest.mark.slow
def test_evaluate_for_people(tmp_path: Path, data: Path) -> None:
    weights = tiny_weights(tmp_path / "a.safetensors")
    result = call("evaluate", "--weights", weights, "--data", f"market1501={data}")
    assert result.exit_code == 0
    lines = dict(line.split(None, 1) for line in result.stdout.splitlines())
    assert {"rank1", "rank5", "mAP", "mINP", "weights", "queries"} <= lines.keys()


def test_export_weights(tmp_path: Path, run: tuple[Path, Result], config: Path) -> None:
    to = tmp_path / "new" / "w.safetensors"
    words = ("--checkpoint", run[0] / "checkpoint.pt", "--config", config, "--to", to)
    result = call("export-weights", *words, "--json")
    assert result.exit_code == 0, result.stderr
    fingerprint = json.loads(result.stdout)["fingerprint"]
    assert fingerprint == load_weights(run[0] / "model.safetensors")[2]
    again = call("export-weights", *words)
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr
    assert call("export-weights", *words, "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--to", "w.pt"), "ends in .safetensors"),
        (("--checkpoint", "none.pt"), "none.pt: no such checkpoint"),
        (("model.backbone.width=0.125",), "another architecture than tiny"),
        (("model.colour=1",), "model.colour: unknown key"),
    ],
)
def test_export_refuses(
    tmp_path: Path, run: tuple[Path, Result], config: Path, words: tuple[str, ...], message: str
) -> None:
    base = ("--checkpoint", run[0] / "checkpoint.pt", "--config", config)
    result = call("export-weights", *base, "--to", tmp_path / "w.safetensors", *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--data", "market1501=/no/such"), "/no/such: no such folder"),
        (("--data", "duke=/"), "unknown data set 'duke'"),
        (("--config", "none.yaml"), "none.yaml: No such file"),
        (("--device", "tpu"), "choose auto, cpu or cuda"),
        (("--teacher", "none.xml"), "none.xml: no such teacher"),
        (("train.sede=1",), "train.sede: unknown key"),
        (("train.seed",), "KEY=VALUE"),
        (("train.identities_per_batch=7",), "6 identities, but a batch needs 7"),
    ],
)
def test_train_refuses(
    tmp_path: Path, data: Path, config: Path, words: tuple[str, ...], message: str
) -> None:
    base = ("--config", config, "--data", f"market1501={data}", "--out", tmp_path / "run")
    result = call("train", *base, *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "run").exists()


TWO = "train.identities_per_batch=2"
ONLY_TAUGHT = ("losses.identity.weight=0", "losses.trihard.weight=0", "losses.aligned.weight=0")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--joints", "none.npz"), "none.npz: not an .npz file of joints"),
        (("--attributes", "none.csv"), "none.csv: No such file"),
        (("--attributes", __file__), f"{__file__}: no column identity"),
        (
            ("losses={a: {kind: attributes}}", "model.head={name: acrn}"),
            "losses.a: needs attributes; give --attributes FILE",
        ),
        (
            ("losses={a: {kind: identity}}", "model.head={name: glad, dim: 8}"),
            "head glad: needs jo",
        ),
        (ONLY_TAUGHT, "losses: every term has weight 0, or its teacher is missing"),
        (("losses.identity.branches={face: 1}",), "losses: no branch 'face'; the head has"),
        ((), "2 identities, but a batch needs 4: lower identities_per_batch"),
        (("--teacher", __file__, TWO), "a teacher is an OpenVINO .xml, an .onnx"),
        (("--teacher", "none.xml", TWO), "none.xml: no such teacher file"),
        (("--initial", __file__), f"{__file__}: not a readable checkpoint"),
        (("--pretrained", __file__), f"{__file__}: a checkpoint ends in"),
        (
            ("--teacher", "none.xml", "--unlabelled", "none", TWO, *UNLABELLED),
            "--unlabelled none: no .jpg or .png pictures there",
        ),
    ],
)
def test_bad_inputs_are_refused_before_pictures_are_decoded(
    tmp_path: Path, config: Path, words: tuple[str, ...], message: str
) -> None:
    """The only two pictures cannot be decoded."""
    (tmp_path / "bounding_box_train").mkdir()
    for name in ("0001_c1s1_1.jpg", "0002_c1s1_1.jpg"):
        (tmp_path / "bounding_box_train" / name).write_bytes(b"no picture")
    out = tmp_path / "run"
    base = ("--config", config, "--data", f"market1501={tmp_path}", "--out", out)
    result = call("train", *base, *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not out.exists()


@pytest.mark.parametrize("option", ["--initial", "--pretrained"])
def test_weights_that_cannot_be_read_leave_no_folder(
    tmp_path: Path, data: Path, config: Path, option: str
) -> None:
    out = tmp_path / "run"
    base = ("--config", config, "--data", f"market1501={data}", "--out", out)
    result = call("train", *base, option, tmp_path / "none.pth")
    assert result.exit_code == 2
    assert "none.pth" in result.stderr
    assert not out.exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_no_gpu(data: Path, config: Path) -> None:
    result = call("train", "--config", config, "--data", f"market1501={data}", "--device", "cuda")
    assert result.exit_code == 2
    assert "no usable GPU" in result.stderr


def test_bad_images(tmp_path: Path, config: Path) -> None:
    folder = tmp_path / "bounding_box_train"
    folder.mkdir()
    words = (
        "train",
        "--config",
        config,
        "--data",
        f"market1501={tmp_path}",
        "--out",
        tmp_path / "r",
    )
    four = [f"000{identity}_c1s1_1.jpg" for identity in range(1, 5)]
    for names, content, message in (
        ([], b"", "no images"),
        (four, b"no picture", "0001_c1s1_1.jpg: not a readable image"),
        (["me.jpg"], b"", "me.jpg: the name does not start with"),
    ):
        for name in names:
            (folder / name).write_bytes(content)
        result = call(*words)
        assert result.exit_code == 2
        assert message in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--distance", "nearest"), "choose global, aligned or progressive"),
        (("--weights", "none.safetensors"), "no such weight file"),
    ],
)
def test_evaluate_refuses(tmp_path: Path, data: Path, words: tuple[str, ...], message: str) -> None:
    result = call("evaluate", "--data", f"market1501={data}", *words)
    assert result.exit_code == 2
    assert message in result.stderr


def test_every_option_is_explained() -> None:
    for command in ("train", "evaluate", "export-weights", "compare", "rank"):
        result = call(command, "--help")
        assert result.exit_code == 0
        assert "--json" in result.stdout
