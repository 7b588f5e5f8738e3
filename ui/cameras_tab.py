"""The cameras tab."""

from __future__ import annotations

import gradio as gr

from ui.camera_view import cameras_view
from ui.context import Context, attempt
from ui.html import problem


def build_cameras_tab(context: Context, tab: gr.Tab) -> None:
    """Lay out the tab and read it anew whenever it is opened."""
    table = gr.HTML(elem_id="cw-camera-table")
    refresh = gr.Button("Refresh", size="sm", elem_classes="cw-small")

    def show() -> str:
        found, text = attempt(lambda: cameras_view(context.store.cameras()))
        return found if found is not None else problem(text)

    tab.select(show, None, table, api_visibility="private", show_progress="minimal")
    refresh.click(show, None, table, api_visibility="private", show_progress="minimal")
