"""What every tab needs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr

from pipeline.clips import ClipCutter, ClipError
from pipeline.search import PersonDetector, SearchError, SearchService
from pipeline.search_query import sentence
from storage.errors import StoreError
from storage.records import CameraRow
from storage.store import Store
from ui.html import problem
from ui.result_view import player_view

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
UNEXPECTED = "Something went wrong; the program's log says what."
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}
"""Of every event: no part of a public API, and no veil over the page while it is being answered."""


@dataclass(frozen=True)
class Context:
    """The services behind the page.

    Attributes:
        store: the archive.
        service: the search.
        detector: finds people in the operator's picture.
        clips: cuts clips.
        detecting: held while the detector works; it serves one picture at a time.
    """

    store: Store
    service: SearchService
    detector: PersonDetector
    clips: ClipCutter
    detecting: threading.Lock = field(default_factory=threading.Lock)

    @property
    def media(self) -> Path:
        """The media folder, absolute."""
        return self.store.media.root.resolve()

    def cameras(self) -> dict[str, CameraRow]:
        """Return the cameras by id."""
        return {camera.id: camera for camera in self.store.cameras()}

    def play(self, uuid: str) -> str:
        """Return a player with the clip of a tracklet, or a sentence about why there is none."""

        def player() -> str:
            return player_view(self.clips.cut(uuid), self.cameras())

        found, text = attempt(player)
        return found if found is not None else problem(text)


def actor_of(request: gr.Request | None) -> str:
    """Return who asks, for the audit log: the login name, or ``local`` without a login."""
    return str(getattr(request, "username", None) or "local")


def attempt(work: Callable[[], T]) -> tuple[T | None, str]:
    """Do ``work``; an error becomes a sentence for the operator, never a stack trace.

    Returns:
        the result and an empty text, or None and the sentence.
    """
    try:
        return work(), ""
    except (SearchError, ClipError) as error:
        return None, str(error)
    except StoreError as error:
        return None, sentence(str(error))
    except Exception:
        _LOG.exception("the web page could not answer")
    return None, UNEXPECTED
