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

CARD = {DEFAULT_WEIGHTS: (84.29, 64.32)}
"""Rank-1 and mAP in percent, as reid/weights/MODEL_CARD.md says."""


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
@pytest.mark.parametrize("weights", CARD, ids=lambda path: path.stem)
def test_the_shipped_weights_on_market1501(weights: Path) -> None:
    need(weights)
    need(MARKET)
    words = ["--weights", str(weights), "--data", f"market1501={MARKET}", "--json"]
    result = CliRunner().invoke(app, ["evaluate", *words])
    assert result.exit_code == 0, result.stderr
    scores = json.loads(result.stdout)
    rank1, mean_ap = CARD[weights]
    assert scores["queries"] == 3368
    assert scores["rank1"] == pytest.approx(rank1, abs=0.5)
    assert scores["mAP"] == pytest.approx(mean_ap, abs=0.5)
