"""The built-in demo: three drawn camera views with exact ground truth.

The drawing code is loaded at first use, so that checking a configuration stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.demo.names import demo_views

if TYPE_CHECKING:
    from pipeline.demo.composite import random_composite
    from pipeline.demo.source import DemoSource
    from pipeline.demo.truth import TruthRow, demo_ground_truth, write_ground_truth

__all__ = [
    "DemoSource",
    "TruthRow",
    "demo_ground_truth",
    "demo_views",
    "random_composite",
    "write_ground_truth",
]

_HOMES = {
    "DemoSource": "source",
    "TruthRow": "truth",
    "demo_ground_truth": "truth",
    "random_composite": "composite",
    "write_ground_truth": "truth",
}


def __getattr__(name: str) -> Any:
    """Load a public name from the module where it lives."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
