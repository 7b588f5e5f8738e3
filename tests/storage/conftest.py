"""A fresh archive for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from store_builders import begin, open_store

from storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty archive in which the run ``RUN`` has begun."""
    with open_store(tmp_path) as opened:
        begin(opened)
        yield opened
