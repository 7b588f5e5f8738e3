"""The search tab: a picture or a number in, sightings grouped by person out, clips beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from ui import search_session as ss
from ui.context import QUIET, Context, actor_of, attempt
from ui.html import CLICKS, empty, problem
from ui.result_view import picture_view, results_view
from ui.wearing_choice import wearing_choices, wearing_hint

_START = "Upload a picture of a person, or type a person's number. The results appear here."
_PLAYER = "Choose a result to watch the clip around it."


def build_search_tab(context: Context, blocks: gr.Blocks) -> None:
    """Lay out the tab inside the current Blocks and connect it."""
    session = gr.State(ss.SearchSession(), time_to_live=3600)
    with gr.Row(equal_height=False):
        with gr.Column(scale=0, min_width=264):
            upload = gr.File(
                label="Picture of a person", type="filepath", height=82, elem_id="cw-upload"
            )
            picture = gr.HTML(js_on_load=CLICKS, elem_id="cw-query")
            cameras = gr.Dropdown(
                [], label="Cameras (empty: all)", multiselect=True, elem_id="cw-cameras"
            )
            with gr.Row():
                start = gr.Textbox(label="From", min_width=110, elem_id="cw-from")
                end = gr.Textbox(label="To", min_width=110, elem_id="cw-to")
            hint = gr.Markdown(elem_classes="cw-hint")
            again = gr.Button("Search", variant="primary", elem_id="cw-again")
            number = gr.Textbox(label="Or by person number", placeholder="12", elem_id="cw-id")
            wearing, alone = _clothing(context)
        with gr.Column(scale=1, min_width=420):
            results = gr.HTML(empty(_START), js_on_load=CLICKS, elem_id="cw-results")
        with gr.Column(scale=0, min_width=344, elem_classes="cw-side"):
            player = gr.HTML(empty(_PLAYER), elem_id="cw-player")
    handlers = _Handlers(context)
    filters = [cameras, start, end, wearing]
    asked = [session, picture, results, player, number]
    followed = [session, results, player, number]
    upload.upload(handlers.uploaded, [upload, *filters], [*asked, upload], **QUIET)
    picture.click(handlers.chosen, [session, *filters], asked, **QUIET)
    results.click(handlers.clicked, [session, *filters], followed, **QUIET)
    again.click(handlers.again, [session, number, *filters], [session, results], **QUIET)
    for box in (start, end):
        box.submit(handlers.again, [session, number, *filters], [session, results], **QUIET)
    alone.click(handlers.by_clothing, [session, *filters], [session, results, number], **QUIET)
    number.submit(handlers.by_number, [session, number, *filters], [session, results], **QUIET)
    cameras.change(handlers.hint, [cameras], [hint], **QUIET)
    blocks.load(handlers.opened, None, [cameras, hint], **QUIET)


def _clothing(context: Context) -> tuple[gr.Dropdown, gr.Button]:
    """The filter for clothing and the button that searches by it alone; hidden if it is useless."""
    readout = context.service.readout
    choices = wearing_choices(readout)
    with gr.Column(visible=bool(choices), elem_id="cw-clothing"):
        wearing = gr.Dropdown(
            choices,
            label="Probably wears (empty: anything)",
            multiselect=True,
            elem_id="cw-wearing",
        )
        hint = gr.Markdown(wearing_hint([], readout), elem_classes="cw-hint")
        alone = gr.Button("List all who fit", size="sm", elem_id="cw-wearing-alone")
    wearing.change(lambda words: wearing_hint(words, readout), [wearing], [hint], **QUIET)
    return wearing, alone


class _Handlers:
    """What the tab's events do; each returns the values of its outputs.

    `filters` are the values of the boxes beside the picture: ids of cameras, from, to, clothing.
    A number in the person box is what Search searches for; a search for anything else empties it.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def opened(self) -> tuple[Any, str]:
        """Offer the cameras of the archive."""
        found, _ = attempt(self._context.cameras)
        choices = [(camera.name, camera.id) for camera in (found or {}).values()]
        return gr.update(choices=choices), self.hint([])

    def hint(self, cameras: list[str]) -> str:
        """Explain the time zone."""
        found, text = attempt(lambda: ss.zone_hint(self._context, cameras))
        return found if found is not None else text

    def uploaded(self, path: str, request: gr.Request, *filters: Any) -> tuple[Any, ...]:
        """Show the people of the picture; search at once if there is only one."""
        session, text = attempt(lambda: ss.with_picture(self._context, Path(path)))
        if session is None or session.image_bgr is None or session.people is None:
            return ss.SearchSession(), problem(text), empty(_START), empty(_PLAYER), "", None
        shown = picture_view(session.image_bgr, session.people, session.chosen)
        if session.kind:
            found = self._search(session, filters, request)
        else:
            found = empty("Several people are in the picture: click the one to search for.")
        return session, shown, found, empty(_PLAYER), "", None

    def chosen(
        self, session: ss.SearchSession, event: gr.EventData, request: gr.Request, *filters: Any
    ) -> tuple[Any, ...]:
        """Search for the person whose box was clicked."""
        asked, text = attempt(lambda: ss.asking(session, "image", str(event.value)))
        if asked is None or asked.image_bgr is None or asked.people is None:
            return session, gr.skip(), problem(text), gr.skip(), gr.skip()
        shown = picture_view(asked.image_bgr, asked.people, asked.chosen)
        found = self._search(asked, filters, request)
        return asked, shown, found, empty(_PLAYER), ""

    def clicked(
        self, session: ss.SearchSession, event: gr.EventData, request: gr.Request, *filters: Any
    ) -> tuple[Any, ...]:
        """Play a result, or search for more like it."""
        if event.action == "play":
            return session, gr.skip(), self._context.play(str(event.value)), gr.skip()
        asked = ss.asking(session, "tracklet", str(event.value))
        return asked, self._search(asked, filters, request), gr.skip(), ""

    def again(
        self, session: ss.SearchSession, number: str, request: gr.Request, *filters: Any
    ) -> tuple[Any, ...]:
        """Search for the person whose number is typed, or repeat the last search.

        The filters are taken as they are now.
        """
        if number.strip():
            return self.by_number(session, number, request, *filters)
        return session, self._search(session, filters, request)

    def by_number(
        self, session: ss.SearchSession, number: str, request: gr.Request, *filters: Any
    ) -> tuple[Any, ...]:
        """Search for a known person."""
        asked, text = attempt(lambda: ss.asking(session, "identity", number))
        if asked is None:
            return session, problem(text)
        return asked, self._search(asked, filters, request)

    def by_clothing(
        self, session: ss.SearchSession, request: gr.Request, *filters: Any
    ) -> tuple[Any, ...]:
        """List who fits the clothing, whoever was searched for before."""
        asked = ss.asking(session, "wearing", "")
        return asked, self._search(asked, filters, request), ""

    def _search(
        self, session: ss.SearchSession, filters: tuple[Any, ...], request: gr.Request
    ) -> str:
        """Return the results or a sentence."""
        context = self._context
        cameras, start, end, wearing = filters
        typed = ss.Filters(tuple(cameras), start, end, tuple(wearing))

        def view() -> str:
            found = ss.run(context, session, typed, actor_of(request))
            return results_view(found, context.cameras(), context.media, ss.heading(session))

        shown, text = attempt(view)
        return shown if shown is not None else problem(text)
