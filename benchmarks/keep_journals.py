"""`python main.py --sources YAML --store DIR --json`, but the journals stay and can be counted.

python benchmarks/keep_journals.py --sources configs/office3.yaml --store DIR
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipeline.cli_options import finish
from pipeline.cli_run import run_job
from pipeline.cli_session import session
from pipeline.supervisor import RunOptions


def main() -> int:
    """Run the job, print its JSON object and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=Path, required=True)
    parser.add_argument("--store", type=Path, required=True)
    given = parser.parse_args()
    options = RunOptions(keep_journal=True)
    try:
        with session(given.store, None, None, True, level=logging.INFO, create=True) as current:
            finish(current, run_job(current, given.sources, quiet=True, options=options))
    except typer.Exit as end:
        return int(end.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
