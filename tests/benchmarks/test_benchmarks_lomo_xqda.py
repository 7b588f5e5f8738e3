"""The LOMO + XQDA measurement on a tiny data set in Market-1501's layout."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.lomo_xqda import main
from reid.classical.system import LomoXqda


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six people of one colour each, in two cameras; other noise in each picture."""
    rng = np.random.default_rng(0)
    colours = rng.integers(30, 226, (6, 2, 3))
    for name, shots in (("bounding_box_train", 2), ("query", 1), ("bounding_box_test", 2)):
        (tmp_path / name).mkdir()
        for person, camera, shot in np.ndindex(6, 2, shots):
            body = np.repeat(colours[person], 32, axis=0)[:, None] + rng.normal(0, 9, (64, 32, 3))
            file = f"{person + 1:04}_c{camera + 1}s1_{shot:06}_00.png"
            cv2.imwrite(str(tmp_path / name / file), np.clip(body, 0, 255).astype(np.uint8))
    return tmp_path


def test_scores_and_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "fitted.safetensors"
    assert main([f"market1501={folder}", "--components", "12", "--save", str(file)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["scores"]["queries"] == 12
    assert result["scores"]["rank1"] >= 90
    assert result["pictures"] == {"train": 24, "query": 12, "gallery": 24}
    assert LomoXqda.load(file).fingerprint == result["fingerprint"]
    assert result["about"]["seed"] == "0"
    assert result["dimensions"] <= 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["market1501=nowhere"], "nowhere: no such folder"),
        (["{folder}"], "write it as NAME="),
        (["market1501={folder}", "--components", "0"], "one component"),
        (["market1501={folder}", "--regulariser", "0"], "regulariser 0.0"),
    ],
)
def test_bad_input(
    folder: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word.format(folder=folder) for word in arguments]) == 2
    out = capsys.readouterr()
    assert message in out.err
    assert not out.out
