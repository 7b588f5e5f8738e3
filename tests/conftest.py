"""What the tests of every folder may ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from reid.openvino_core import shared_core

PROJECT = Path(__file__).parents[1]
SHARED = PROJECT.parent / "shared"


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
