"""From a camera's settings to its frames."""

from __future__ import annotations

from pipeline.config import CameraConfig, SourceKind
from pipeline.sources.base import Source
from pipeline.sources.folder import FolderSource
from pipeline.sources.live import LiveOptions, LiveSource
from pipeline.sources.video import VideoSource


def open_source(config: CameraConfig, *, live: LiveOptions | None = None) -> Source:
    """Open a camera of any kind.

    Args:
        config: one camera of the configuration.
        live: patience and reconnects of streams and webcams; other kinds ignore it.

    Returns:
        a source whose frames carry the camera's id; close it after use.

    Raises:
        SourceError: a recording or folder holds nothing that can be read. A live source does not
            raise here; it keeps trying in the background.
    """
    if config.kind is SourceKind.DEMO:
        from pipeline.demo import DemoSource

        return DemoSource(config)
    if config.kind is SourceKind.FOLDER:
        return FolderSource(config)
    if config.kind is SourceKind.VIDEO:
        return VideoSource(config)
    return LiveSource(config, live)
