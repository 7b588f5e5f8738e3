"""What several tests of this folder ask for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tracker_builders import Drive, three_stages

from trackers.presets import build_tracker


@pytest.fixture(params=["known numbers", "shipped numbers"])
def drive(request: pytest.FixtureRequest) -> Callable[[], Drive]:
    """Makes runs of the tracker of `tracker_builders`, and of the default preset."""
    if request.param == "known numbers":
        return lambda: Drive(three_stages())
    return lambda: Drive(build_tracker("crosswalk"), noise=0.03)
