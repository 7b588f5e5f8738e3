"""Where frames come from: recordings, folders of images, live streams, webcams, the demo."""

from pipeline.errors import SourceError
from pipeline.sources.base import Source, SourceInfo
from pipeline.sources.folder import FolderSource
from pipeline.sources.live import LiveOptions, LiveSource, LiveStats
from pipeline.sources.open import open_source
from pipeline.sources.video import VideoSource

__all__ = [
    "FolderSource",
    "LiveOptions",
    "LiveSource",
    "LiveStats",
    "Source",
    "SourceError",
    "SourceInfo",
    "VideoSource",
    "open_source",
]
