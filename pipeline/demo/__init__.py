"""The built-in demo: three drawn camera views with exact ground truth."""

from pipeline.demo.names import demo_views

__all__ = ["demo_views"]
