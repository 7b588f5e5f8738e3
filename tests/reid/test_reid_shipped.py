"""The shipped weights reach what their card says (minutes)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reid.cli import app
from reid.weights_file import DEFAULT_WEIGHTS

MARKET = Path(__file__).parents[3] / "shared" / "data" / "market1501.zip"

CARD = DEFAULT_WEIGHTS.with_name("MODEL_CARD.md")


def stated() -> tuple[float, float]:
    """Rank-1 and mAP in percent, as the card says."""
    row = next(line for line in CARD.read_text().splitlines() if line.startswith("| global |"))
    cells = [cell.strip(" *") for cell in row.strip("|").split("|")]
    return float(cells[1]), float(cells[4])


def need(path: Path) -> None:
    """Skip without `path`, naming it; fail where everything has to be there."""
    if path.is_file():
        return
    message = f"{path} is missing"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_shipped_weights_on_market1501() -> None:
    need(MARKET)
    words = ["--data", f"market1501={MARKET}", "--json"]
    result = CliRunner().invoke(app, ["evaluate", *words])
    assert result.exit_code == 0, result.stderr
    scores = json.loads(result.stdout)
    rank1, mean_ap = stated()
    assert rank1 >= 85
    assert mean_ap >= 68
    assert scores["queries"] == 3368
    assert scores["rank1"] == pytest.approx(rank1, abs=0.5)
    assert scores["mAP"] == pytest.approx(mean_ap, abs=0.5)


def stated_attributes() -> dict[str, list[float]]:
    """Majority, accuracy, balanced accuracy and F1 of each question, as the card says."""
    lines = CARD.read_text().splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("| question |")) + 2
    rows = [line.strip("|").split("|") for line in lines[start : start + 9]]
    return {row[0].strip(): [float(cell) for cell in row[2:]] for row in rows}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_shipped_attributes_on_market1501() -> None:
    need(MARKET)
    words = ["--data", f"market1501={MARKET}", "--attributes", str(MARKET.parent), "--json"]
    result = CliRunner().invoke(app, ["attributes", *words])
    assert result.exit_code == 0, result.stderr
    scores = json.loads(result.stdout)
    assert (scores["pictures"], scores["people"]) == (13115, 750)
    stated = stated_attributes()
    assert stated.keys() == {question["question"] for question in scores["questions"]}
    for question in scores["questions"]:
        found = [question[name] for name in ("majority", "accuracy", "balanced", "f1")]
        assert found == pytest.approx(stated[question["question"]], abs=1), question["question"]
