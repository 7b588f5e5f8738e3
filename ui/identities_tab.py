"""The people tab: who is known, where each was seen, and what an operator says about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from pipeline.search_results import person_title
from storage.errors import StoreError
from storage.records import IdentityRow
from ui import actions
from ui.context import QUIET, Context, actor_of, attempt
from ui.html import CLICKS, empty, notice, problem
from ui.identity_view import identities_view, person_view

_CHOOSE = "Choose a person on the left."
_PLAYER = "Choose a sighting to watch its clip."


@dataclass(frozen=True)
class _Chosen:
    """The person and the sighting that are open."""

    person: int | None = None
    sighting: str | None = None


def build_identities_tab(context: Context, tab: gr.Tab) -> None:
    """Lay out the tab inside the current Blocks and connect it."""
    chosen = gr.State(_Chosen())
    with gr.Row(equal_height=False):
        with gr.Column(scale=0, min_width=264):
            wanted = gr.Textbox(
                label="Find", placeholder="number or name", elem_id="cw-find-person"
            )
            people = gr.HTML(js_on_load=CLICKS, elem_id="cw-people")
        with gr.Column(scale=1, min_width=420):
            message = gr.HTML(elem_id="cw-message")
            person = gr.HTML(empty(_CHOOSE), js_on_load=CLICKS, elem_id="cw-person")
        with gr.Column(scale=0, min_width=344, elem_classes="cw-side"):
            player = gr.HTML(empty(_PLAYER), elem_id="cw-person-player")
            with gr.Column(visible=False, elem_id="cw-actions") as panel:
                controls = _controls()
    shown = [chosen, people, person, panel, controls["other"], controls["name"]]
    handlers = _Handlers(context)
    tab.select(handlers.refresh, [chosen, wanted], shown, **QUIET)
    wanted.change(handlers.refresh, [chosen, wanted], shown, **QUIET)
    people.click(handlers.open_person, [wanted], [*shown, player, message], **QUIET)
    person.click(handlers.open_sighting, [chosen, wanted], [*shown, player, message], **QUIET)
    empties = {"rename": controls["name"], "same": controls["other"], "erase": controls["typed"]}
    for name, work in handlers.buttons.items():
        value = empties.get(name, wanted)
        controls[name].click(
            work, [chosen, wanted, value], [*shown, player, message, controls["typed"]], **QUIET
        )


def _controls() -> dict[str, Any]:
    """Lay out what can be done to a person."""
    found: dict[str, Any] = {}
    with gr.Group():
        gr.Markdown("**The chosen sighting**", elem_classes="cw-title")
        with gr.Row():
            found["confirm"] = gr.Button("Is this person", size="sm", min_width=120)
            found["apart"] = gr.Button("Is not this person", size="sm", min_width=120)
    with gr.Group():
        found["other"] = gr.Dropdown([], label="Same person as", elem_id="cw-other")
        found["same"] = gr.Button("Make them one person", size="sm")
    with gr.Group():
        found["name"] = gr.Textbox(label="Name", placeholder="empty removes it", elem_id="cw-name")
        found["rename"] = gr.Button("Rename", size="sm")
    with gr.Accordion("Erase this person", open=False):
        gr.Markdown(
            "Removes all sightings, vectors and pictures of this person for good. "
            "Type the person's number to confirm.",
            elem_classes="cw-hint",
        )
        found["typed"] = gr.Textbox(label="Person number", elem_id="cw-erase-number")
        found["erase"] = gr.Button("Erase", variant="stop", size="sm", elem_id="cw-erase")
    return found


class _Handlers:
    """What the tab's events do; each returns the values of its outputs."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.buttons: dict[str, Callable[..., tuple[Any, ...]]] = {
            "confirm": self.confirm,
            "apart": self.apart,
            "same": self.same,
            "rename": self.rename,
            "erase": self.erase,
        }

    def refresh(self, chosen: _Chosen, wanted: str) -> tuple[Any, ...]:
        """Read everything anew; a name that is being typed stays while its person is open."""
        *shown, label = self._read(chosen, wanted)
        return *shown, label if shown[0].person is None else gr.skip()

    def _read(self, chosen: _Chosen, wanted: str) -> tuple[Any, ...]:
        """Return what is shown: state, list, person, panel, the other people, the label."""
        found, text = attempt(lambda: self._views(chosen, wanted))
        if found is None:
            hidden = gr.update(visible=False)
            return _Chosen(), problem(text), empty(_CHOOSE), hidden, gr.skip(), ""
        return found

    def _views(self, chosen: _Chosen, wanted: str) -> tuple[Any, ...]:
        context = self._context
        rows, cameras, media = context.store.people(), context.cameras(), context.media
        person = next((row for row in rows if row.id == chosen.person), None)
        if person is None:
            chosen = _Chosen()
        listed = identities_view(rows, cameras, media, wanted, chosen.person)
        others = [
            (person_title(row.id, row.label), row.id) for row in rows if row.id != chosen.person
        ]
        return (
            chosen,
            listed,
            self._person(person, chosen) if person else empty(_CHOOSE),
            gr.update(visible=person is not None),
            gr.update(choices=others, value=None),
            (person.label or "") if person else "",
        )

    def _person(self, person: IdentityRow, chosen: _Chosen) -> str:
        context = self._context
        rows = context.store.tracklet_rows(identity=person.id)
        links = context.store.links([row.uuid for row in rows])
        return person_view(person, rows, links, context.cameras(), context.media, chosen.sighting)

    def open_person(self, wanted: str, event: gr.EventData) -> tuple[Any, ...]:
        """Show one person."""
        shown = self._read(_Chosen(int(event.value)), wanted)
        return *shown, empty(_PLAYER), ""

    def open_sighting(self, chosen: _Chosen, wanted: str, event: gr.EventData) -> tuple[Any, ...]:
        """Choose a sighting and play it."""
        uuid = str(event.value)
        shown = self.refresh(replace(chosen, sighting=uuid), wanted)
        return *shown, self._context.play(uuid), ""

    def _act(
        self, chosen: _Chosen, wanted: str, work: Callable[[int, str], str]
    ) -> tuple[Any, ...]:
        """Do something to the open person and say what was done.

        The name box then has the label of who is shown; what was typed stays if it did not work.
        """

        def done() -> str:
            if chosen.person is None:
                raise StoreError("choose a person first")
            return work(chosen.person, chosen.sighting or "")

        said, text = attempt(done)
        shown = self.refresh(chosen, wanted) if said is None else self._read(chosen, wanted)
        gone = shown[0].person is None
        message = notice(said) if said is not None else problem(text)
        return *shown, empty(_PLAYER) if gone else gr.skip(), message, ""

    def confirm(self, chosen: _Chosen, wanted: str, _: Any, request: gr.Request) -> tuple[Any, ...]:
        """Confirm the chosen sighting."""
        store, actor = self._context.store, actor_of(request)
        return self._act(
            chosen, wanted, lambda who, uuid: actions.confirm_sighting(store, who, uuid, actor)
        )

    def apart(self, chosen: _Chosen, wanted: str, _: Any, request: gr.Request) -> tuple[Any, ...]:
        """Take the chosen sighting away from the person."""
        store, actor = self._context.store, actor_of(request)
        return self._act(
            chosen, wanted, lambda who, uuid: actions.not_this_person(store, who, uuid, actor)
        )

    def same(
        self, chosen: _Chosen, wanted: str, other: int | None, request: gr.Request
    ) -> tuple[Any, ...]:
        """Make two people one."""

        def work(who: int, _: str) -> str:
            if other is None:
                raise StoreError("choose the other person first")
            return actions.same_person(self._context.store, who, int(other), actor_of(request))

        return self._act(chosen, wanted, work)

    def rename(
        self, chosen: _Chosen, wanted: str, name: str, request: gr.Request
    ) -> tuple[Any, ...]:
        """Name the person."""
        store, actor = self._context.store, actor_of(request)
        return self._act(chosen, wanted, lambda who, _: actions.rename(store, who, name, actor))

    def erase(
        self, chosen: _Chosen, wanted: str, typed: str, request: gr.Request
    ) -> tuple[Any, ...]:
        """Erase the person."""
        store, actor = self._context.store, actor_of(request)
        return self._act(chosen, wanted, lambda who, _: actions.erase(store, who, typed, actor))
