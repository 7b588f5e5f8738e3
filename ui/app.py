"""The operator's page as a Gradio app."""

from __future__ import annotations

import gradio as gr

from pipeline.clips import ClipCutter
from pipeline.config import UiConfig
from pipeline.search import PersonDetector, SearchService
from storage.store import Store
from ui.cameras_tab import build_cameras_tab
from ui.context import Context
from ui.html import esc
from ui.identities_tab import build_identities_tab
from ui.search_tab import build_search_tab

TITLE = "Crosswalk"


def build_app(
    store: Store,
    service: SearchService,
    detector: PersonDetector,
    config: UiConfig,
    *,
    clips: ClipCutter | None = None,
) -> gr.Blocks:
    """Return the page; `ui.serve.serve` also gives it its looks and its limits.

    Args:
        store: the archive.
        service: the search over it.
        detector: loaded; finds people in the operator's picture.
        config: says whether there is a login, which the page shows.
        clips: cuts clips; None uses the defaults of `ClipCutter`.
    """
    context = Context(store, service, detector, clips or ClipCutter(store))
    blocks = gr.Blocks(
        title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=(600, 600)
    )
    with blocks:
        who = f"signed in as {config.username}" if config.username else "this machine only"
        gr.HTML(
            '<div class="cw-top"><b>Crosswalk</b><span>Find a person in the recordings</span>'
            f"<i>{esc(who)}</i></div>"
        )
        with gr.Tab("Search", id="search"):
            build_search_tab(context, blocks)
        with gr.Tab("People", id="people") as people:
            build_identities_tab(context, people)
        with gr.Tab("Cameras", id="cameras") as cameras:
            build_cameras_tab(context, cameras)
    return blocks
