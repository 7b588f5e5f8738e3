"""The program that trains all systems: what it runs, in which order, and how it goes on."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import train_zoo
from benchmarks.model_zoo import CONFIGS
from benchmarks.train_zoo import (
    DONE,
    INTERRUPTED,
    STOPPED,
    Given,
    Run,
    Task,
    chosen,
    evaluate_words,
    from_scratch,
    main,
    needs,
    run_command,
    scorings,
    train_words,
)
from reid.config import ReidConfig
from reid.results import read_results

NAMES = [path.stem for path in sorted(CONFIGS.glob("[!_]*.yaml"))]


def task(
    name: str, out: Path, run: Run | None = None, files: Mapping[str, Path] | None = None
) -> Task:
    """A system of configs/reid with 100 epochs."""
    [(path, system)] = chosen([name]).items()
    given = Given("market1501=DIR", out, "cpu", 100, files or {}, out / "all.json")
    return Task(path, system, given, run or Recorder())


class Recorder:
    """Does what the commands would leave behind, and keeps their words."""

    def __init__(self, fails_at: str = "", code: int = 1) -> None:
        self.seen: list[str] = []
        self.fails_at, self.code = fails_at, code

    def __call__(self, words: Sequence[str], ends: float | None) -> int:
        said = " ".join(words)
        self.seen.append(said)
        if self.fails_at and self.fails_at in said:
            return self.code
        if "train" in words:
            folder = Path(words[words.index("--out") + 1])
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "model.safetensors").touch()
        if ">" in words:
            Path(words[-1]).touch()
        return 0


def test_every_system_is_chosen_unless_some_are_named() -> None:
    assert [path.stem for path in chosen([])] == NAMES
    assert [path.stem for path in chosen(["pgr", "acrn"])] == ["pgr", "acrn"]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("bnneck_resnet50", []),
        ("glad", ["joints"]),
        ("mgre", ["joints"]),
        ("acrn", ["attributes"]),
        ("aligned_slim", ["teacher"]),
        ("lomo_xqda", []),
    ],
)
def test_what_a_system_needs(name: str, wanted: list[str], tmp_path: Path) -> None:
    one = task(name, tmp_path)
    assert needs(one.system) == wanted
    assert one.finish() == (f"left out: needs --{wanted[0]}" if wanted else DONE)


def test_from_scratch_with_small_pictures_first() -> None:
    [system] = chosen(["bnneck_resnet50"]).values()
    assert isinstance(system, ReidConfig)
    first, *others = from_scratch(system, 100)
    assert first == (
        "train.phases=[{epochs: 40, size_hw: [128, 64]}, {epochs: 60, size_hw: [256, 128]}]"
    )
    assert "train.optimiser=adamw" in others
    assert from_scratch(system, None) == []


def test_small_pictures_are_not_made_smaller_and_our_recipes_stay() -> None:
    systems = {path.stem: one for path, one in chosen(["can", "aligned_slim"]).items()}
    can, slim = systems["can"], systems["aligned_slim"]
    assert isinstance(can, ReidConfig)
    assert isinstance(slim, ReidConfig)
    assert from_scratch(can, 10)[0] == "train.phases=[{epochs: 10, size_hw: [128, 64]}]"
    assert from_scratch(slim, 10) == []


def test_the_words_of_training(tmp_path: Path) -> None:
    joints, crops, teacher = (tmp_path / name for name in ("j.npz", "crops", "t.xml"))
    files = {"joints": joints, "unlabelled": crops, "teacher": teacher}
    slim = train_words(task("aligned_slim", tmp_path, files=files))
    assert f"--teacher {teacher} --unlabelled {crops}" in " ".join(slim)
    assert str(joints) not in slim
    plain = train_words(task("bnneck_resnet50", tmp_path, files=files))
    assert not {str(file) for file in files.values()} & set(plain)
    assert "--resume" not in plain
    (tmp_path / "bnneck_resnet50").mkdir()
    (tmp_path / "bnneck_resnet50" / "checkpoint.pt").touch()
    assert "--resume" in train_words(task("bnneck_resnet50", tmp_path))
    classical = train_words(task("lomo_xqda", tmp_path))
    assert "--device" not in classical
    assert not [word for word in classical if word.startswith("train.")]


def test_joints_are_given_in_search_to_those_that_need_them_there(tmp_path: Path) -> None:
    joints = tmp_path / "j.npz"
    assert str(joints) in evaluate_words(task("glad", tmp_path, files={"joints": joints}), [])
    assert str(joints) not in evaluate_words(task("mgre", tmp_path, files={"joints": joints}), [])


def test_the_rows_of_the_table() -> None:
    systems = {path.stem: one for path, one in chosen([]).items()}
    always = {"plain", "k_reciprocal", "occluded"}
    assert scorings(systems["bnneck_resnet50"]).keys() == always
    assert scorings(systems["lomo_xqda"]).keys() == always
    assert scorings(systems["aligned_resnet50"]).keys() - always == {"aligned", "aligned_occluded"}
    assert scorings(systems["pgr"])["progressive"] == ["--distance", "progressive"]
    assert scorings(systems["pgr"])["progressive_occluded"][-4:] == (
        ["--occlude", "0.5", "--seed", "0"]
    )


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    first, second = Recorder(), Recorder()
    assert task("can", tmp_path, first).finish() == DONE
    assert [said.split()[1] for said in first.seen] == ["train", *["evaluate", "compare"] * 3]
    assert task("can", tmp_path, second).finish() == DONE
    assert second.seen == []


def test_a_score_that_was_not_recorded_is_measured_again(tmp_path: Path) -> None:
    broken, second = Recorder(fails_at="compare"), Recorder()
    assert task("can", tmp_path, broken).finish() == "failed (exit code 1)"
    assert len(broken.seen) == 3
    assert task("can", tmp_path, second).finish() == DONE
    assert [said.split()[1] for said in second.seen] == ["evaluate", "compare"] * 3


def test_one_failure_does_not_stop_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--data", "market1501=DIR", "--out", str(tmp_path), "--only", "can", "bdb", "glad"]
    assert main(words, Recorder(fails_at="can.yaml", code=2)) == 1
    assert capsys.readouterr().out.splitlines() == [
        "can: failed (exit code 2)",
        "bdb: done",
        "glad: left out: needs --joints",
    ]


def test_all_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--data", "market1501=DIR", "--out", str(tmp_path), "--only", "can"]
    assert main(words, Recorder()) == 0
    assert capsys.readouterr().out == "can: done\n"


def test_ctrl_c_says_what_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(words: Sequence[str], ends: float | None) -> int:
        raise KeyboardInterrupt

    words = ["--data", "market1501=DIR", "--out", str(tmp_path), "--only", "can", "bdb"]
    assert main(words, interrupted) == 1
    assert capsys.readouterr().out.splitlines() == [f"can: {STOPPED}", f"bdb: {STOPPED}"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "nobody"], "--only nobody: no nobody.yaml in"),
        (["--joints", "no.npz"], "--joints no.npz: no such file"),
        (["--epochs", "0"], "--epochs and --minutes must be above 0"),
        (["--minutes", "-1"], "--epochs and --minutes must be above 0"),
    ],
)
def test_bad_input(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", "market1501=DIR", *words], Recorder()) == 2
    assert said in capsys.readouterr().err


class OtherProgram:
    """Stands in for main.py: prints, sleeps, or ends with a code."""

    def __init__(self, folder: Path, text: str) -> None:
        (folder / "main.py").write_text(text, encoding="utf-8")


def test_what_a_command_prints_goes_to_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_zoo, "ROOT", tmp_path)
    OtherProgram(tmp_path, "import sys; print(sys.argv[1:])")
    assert run_command(["a", "b", ">", str(tmp_path / "out.json")], None) == 0
    assert (tmp_path / "out.json").read_text() == "['a', 'b']\n"
    OtherProgram(tmp_path, "print('half'); raise SystemExit(3)")
    assert run_command([">", str(tmp_path / "none.json")], None) == 3
    assert not (tmp_path / "none.json").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_command_is_interrupted_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_zoo, "ROOT", tmp_path)
    OtherProgram(
        tmp_path,
        "import time\ntry: time.sleep(60)\n"
        "except KeyboardInterrupt: open(__file__ + '.saved', 'w').close(); raise SystemExit(130)",
    )
    start = time.monotonic()
    assert run_command([], start + 1) == INTERRUPTED
    assert time.monotonic() - start < 30
    assert (tmp_path / "main.py.saved").exists()
    assert run_command([], time.monotonic()) == INTERRUPTED


TINY = """
name: tiny
paper: {title: none}
model:
  backbone: {name: slim, channels: 4, blocks: [1, 1, 1], out_channels: 8}
  head: {name: aligned, global_dim: 8, part_count: 2, part_dim: 4}
losses: {identity: {kind: identity, weight: 1.0}}
train:
  phases: [{steps: 4, size_hw: [64, 32]}]
  identities_per_batch: 2
  images_per_identity: 2
input_hw: [64, 32]
"""


@pytest.mark.slow
def test_a_whole_system(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {"plain": [], "aligned_occluded": ["--distance", "aligned", "--occlude", "0.5"]}
    monkeypatch.setattr(train_zoo, "scorings", lambda system: rows)
    for number, folder in enumerate(("bounding_box_train", "query", "bounding_box_test")):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for identity in (1, 2, 3):
            for camera in (1, 2):
                picture = np.random.default_rng([identity, camera, number]).integers(
                    0, 255, (64, 32, 3), np.uint8
                )
                name = f"{identity:04}_c{camera}s1_{number:06}_00.png"
                cv2.imwrite(str(tmp_path / "data" / folder / name), picture)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "tiny.yaml").write_text(TINY, encoding="utf-8")
    words = ["--data", f"market1501={tmp_path / 'data'}", "--out", str(tmp_path / "out")]
    words += ["--configs", str(tmp_path / "configs"), "--results", str(tmp_path / "all.json")]
    assert main([*words, "--epochs", "2"]) == 0, capfd.readouterr().err
    results = read_results(tmp_path / "all.json")
    found = {(one.distance, one.rerank, one.occlude) for one in results}
    assert found == {("global", None, None), ("aligned", None, 0.5)}
    assert {one.system for one in results} == {"tiny"}
    evaluation = json.loads((tmp_path / "out" / "tiny" / "plain.json").read_text())
    assert evaluation["queries"] == 6
    assert main([*words, "--epochs", "2"]) == 0
    assert len(read_results(tmp_path / "all.json")) == 2
