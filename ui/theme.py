"""The looks: system fonts only, so that nothing is fetched."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

STYLE = Path(__file__).with_name("style.css")
_SANS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "Liberation Sans"]
_MONO = ["ui-monospace", "SF Mono", "Consolas", "Liberation Mono", "monospace"]


def theme() -> gr.themes.Base:
    """Return a quiet light theme with one accent colour."""
    return gr.themes.Base(
        primary_hue="teal",
        neutral_hue="slate",
        font=[*_SANS, "sans-serif"],
        font_mono=_MONO,
        radius_size="sm",
        text_size="sm",
        spacing_size="sm",
    ).set(
        body_background_fill="#f4f6f8",
        block_shadow="none",
        block_border_color="#dfe4ea",
        button_primary_background_fill="#0f766e",
        button_primary_background_fill_hover="#115e59",
        button_primary_text_color="#ffffff",
    )
