"""Make the shipped person detector: `python -m pipeline.detector_training --help`."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from pipeline.detector_training.recipe import Recipe, make_detector
from reid.openvino_core import shared_core


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and run the whole recipe; progress goes to standard error."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.detector_training")
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="data and weights")
    parser.add_argument("--work", type=Path, required=True, help="new folder for data and runs")
    parser.add_argument("--out", type=Path, required=True, help="folder for the finished weights")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    with shared_core():
        make_detector(given.shared, given.work, given.out, Recipe())


if __name__ == "__main__":
    main()
