"""Archives and a running page for the tests of this folder."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from demo_archive import HistogramEmbedder, build_demo_archive, demo_readout, detector_for

from pipeline.clips import ClipCutter
from pipeline.config import UiConfig
from pipeline.search import SearchService
from storage.store import Store, sqlite_url
from ui.context import Context

FRAMES = [("lobby", 30), ("lobby", 275)]


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of the demo, to be copied."""
    folder = tmp_path_factory.mktemp("demo")
    build_demo_archive(folder).close()
    return folder


@pytest.fixture
def store(demo_folder: Path, tmp_path: Path) -> Iterator[Store]:
    """A fresh copy of the demo's archive."""
    shutil.copytree(demo_folder, tmp_path / "archive")
    folder = tmp_path / "archive"
    with Store.open(sqlite_url(folder / "store"), folder / "media", fsync=False) as opened:
        yield opened


@pytest.fixture
def context(store: Store) -> Context:
    """The services over the demo's archive; the detector knows two frames of the lobby."""
    service = SearchService(store, HistogramEmbedder(demo_readout()))
    return Context(store, service, detector_for(FRAMES), ClipCutter(store, padding_s=1.0))


@pytest.fixture
def config() -> UiConfig:
    """The page on a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return UiConfig(port=probe.getsockname()[1])
