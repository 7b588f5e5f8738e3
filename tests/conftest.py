"""What the tests of every folder may ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from reid.openvino_core import shared_core

PROJECT = Path(__file__).parents[1]
SHARED = PROJECT.parent / "shared"


def pytest_configure(config: pytest.Config) -> None:
    """Workers beside each other share the processors: more threads than those only wait."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    threads = max(1, (os.cpu_count() or 1) // workers)
    torch.set_num_threads(threads)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # of the processes that tests start


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The data and weights beside the project; without them a test skips, with CI=true it fails."""
    if not SHARED.is_dir():
        message = "no folder `shared` beside the project; it holds the data of this test"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def cores_outlive_the_tests() -> Iterator[None]:
    """Tests and libraries make Cores as they like; see `reid.openvino_core` for what follows."""
    with shared_core():
        yield
