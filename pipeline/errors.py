"""Errors that an operator can act on."""

from __future__ import annotations


class ConfigError(ValueError):
    """The configuration cannot be used.

    The text holds one line per problem, each naming file, key, reason and what to do, such as
    ``cams.yaml: cameras[1].url: file not found: /x/y.mp4``. The command line prints it as it is
    and exits with code 2.
    """


class SourceError(RuntimeError):
    """A camera cannot be read (any more); other cameras are not affected.

    The text is one line that names the camera and its address without credentials.
    """

    def __init__(self, camera: str, display_url: str, reason: str) -> None:
        super().__init__(f"camera {camera} ({display_url}): {reason}")
        self.camera = camera
        self.display_url = display_url
        self.reason = reason
