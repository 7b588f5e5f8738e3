"""The program that times networks side by side: turns, ratios, files, refusals."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from benchmarks import reid_speed
from benchmarks.reid_speed import REFERENCE, compiled, main, megabytes, taken_in_turns


def write_network(path: Path, products: int, size: int = 16) -> None:
    """An OpenVINO model whose work is `products` matrix products of its input."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = ops.parameter([1, 3, size, size], np.float32)
    found = picture
    for seed in range(products):
        weights = np.random.default_rng(seed).normal(0, 0.1, (size, size)).astype(np.float32)
        found = ops.matmul(found, ops.constant(weights), False, False)
    ov.save_model(ov.Model([found], [picture]), path, compress_to_fp16=False)


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder with a reference to be timed against."""
    folder = tmp_path / "shared"
    write_network(folder / "weights" / "peers" / REFERENCE.file, 2)
    return folder


def test_every_network_has_one_turn_a_round_and_warm_ups_do_not_count() -> None:
    called: list[str] = []
    runs = {name: lambda name=name: called.append(name) for name in "ab"}
    seconds = taken_in_turns(runs, rounds=2)
    assert "".join(called) == "ab" * 5
    assert {name: len(times) for name, times in seconds.items()} == {"a": 2, "b": 2}


def test_seconds_are_of_the_call_itself() -> None:
    seconds = taken_in_turns({"slow": lambda: time.sleep(0.02), "fast": lambda: None}, rounds=1)
    assert seconds["slow"][0] >= 0.02
    assert seconds["fast"][0] < 0.02


def test_a_compiled_network_takes_whole_batches(tmp_path: Path) -> None:
    path = tmp_path / "two.xml"
    write_network(path, 1, size=8)
    run, input_hw = compiled(path, "f32", batch=8, threads=1)
    assert input_hw == (8, 8)
    assert run()[0].shape == (8, 3, 8, 8)


def test_the_size_counts_what_lies_beside_a_model(tmp_path: Path) -> None:
    (tmp_path / "one.xml").write_bytes(b"x" * 1000)
    (tmp_path / "one.bin").write_bytes(b"x" * 2_000_000)
    (tmp_path / "two.onnx").write_bytes(b"x" * 1000)
    (tmp_path / "two.bin").write_bytes(b"x" * 1000)
    assert megabytes(tmp_path / "one.xml") == pytest.approx(2.001)
    assert megabytes(tmp_path / "two.onnx") == pytest.approx(0.001)


def test_whole_program(shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    large = tmp_path / "large.xml"
    write_network(large, 40, size=64)
    page = tmp_path / "page.md"
    words = ["--weights", str(large), "--shared", str(shared), "--rounds", "5", "--json"]
    assert main([*words, "--out", str(page)]) == 0
    rows = json.loads(capsys.readouterr().out)["networks"]
    reference = Path(REFERENCE.file).stem
    one = [row for row in rows if (row["precision"], row["batch"]) == ("f32", 1)]
    by_name = {row["name"]: row for row in one}
    assert by_name.keys() == {"large", reference}
    assert by_name[reference]["ratio"] == 1
    assert by_name["large"]["ratio"] > 1
    assert by_name["large"]["input_hw"] == [64, 64]
    assert {row["batch"] for row in rows} == {1, 8}
    text = page.read_text(encoding="utf-8")
    assert text.count("| large |") == len(rows) // 2
    assert "<!-- begin: cost of the networks -->" in text


def test_precisions_that_the_processor_lacks_are_left_out(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reid_speed, "PRECISIONS", {"f32": "FP32", "f4": "NO SUCH"})
    reference = shared / "weights" / "peers" / REFERENCE.file
    rows = reid_speed.measure({"peer": reference}, "peer", 1, 1)
    assert [(row.precision, row.batch) for row in rows] == [("f32", 1), ("f32", 8)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rounds", "0"], "--rounds, --threads: must be at least 1"),
        (["--weights", "nothing.xml"], "nothing.xml: no such weight file"),
        (["--weights", __file__], "reid_speed.py"),
    ],
)
def test_bad_input(
    words: list[str], said: str, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--shared", str(shared)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert captured.err.count("\n") == 1


def test_without_the_reference_there_is_nothing_to_compare_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--shared", str(tmp_path)]) == 2
    assert "no such weight file" in capsys.readouterr().err
