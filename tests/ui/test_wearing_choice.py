"""The filter for clothing on the page: what is offered, in which words, and what it finds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from demo_archive import HistogramEmbedder, demo_readout

from pipeline.search import SearchError, SearchService
from reid.wearing.file import load_readout
from reid.weights_file import DEFAULT_WEIGHTS
from ui.app import build_app
from ui.context import Context
from ui.result_view import results_view
from ui.search_session import Filters, SearchSession, asking, heading, run
from ui.search_tab import _Handlers
from ui.wearing_choice import said, wearing_choices, wearing_hint

RED = ([], "", "", ["red upper"])
HATS = {"hat", "no hat"}


class Request:
    """A request of somebody who is signed in."""

    username = "ada"


def test_the_shipped_words_are_offered_but_hats() -> None:
    readout = load_readout(DEFAULT_WEIGHTS, "any")
    assert readout is not None
    choices = wearing_choices(readout)
    assert {word for _, word in choices} == set(readout.options) - HATS
    assert len({shown for shown, _ in choices}) == len(choices)
    weak = {word for shown, word in choices if shown.endswith("(unreliable)")}
    assert weak == {"no bag", "handbag", "no handbag"}
    assert ("red upper clothing", "red upper") in choices


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("black lower", "black lower clothing"),
        ("skirt", "skirt or dress"),
        ("backpack", "backpack"),
        ("long sleeves", "long sleeves"),
    ],
)
def test_words_for_an_operator(word: str, expected: str) -> None:
    assert said(word) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "A guess from the pictures; belongings are often misread."),
        (["red upper"], "A guess from the pictures; belongings are often misread."),
        (
            ["red upper", "bag"],
            "Unreliable: other bag; more than 50% of the others pass.",
        ),
    ],
)
def test_the_hint_names_unreliable_words(words: list[str], expected: str) -> None:
    assert wearing_hint(words, demo_readout()) == expected


def test_clothing_narrows_a_search(context: Context) -> None:
    person = asking(SearchSession(), "identity", "1")
    everybody = run(context, person, Filters(), "a")
    narrowed = run(context, person, Filters(wearing=("red upper",)), "a")
    found = {hit.tracklet_uuid for hit in narrowed.hits}
    assert "lobby-1" in found
    assert "lobby-5" in {hit.tracklet_uuid for hit in everybody.hits} - found
    assert len(found) < len(everybody.hits)


def test_clothing_alone_lists_who_fits(context: Context) -> None:
    before = asking(SearchSession(), "identity", "2")
    session, shown, number = _Handlers(context).by_clothing(before, Request(), *RED)
    assert (session.kind, number) == ("wearing", "")
    assert "Who may wear that" in shown
    assert "sightings may fit: red upper." in shown
    assert "lobby-1" in shown
    assert "lobby-5" not in shown
    assert "red upper 0.9" in shown or "red upper 1.00" in shown
    line = context.store.audit_log(1)[0]
    assert (line.actor, line.details["wearing"]) == ("ada", ["red upper"])
    _, again = _Handlers(context).again(session, "", Request(), *RED)
    assert again == shown


def test_nothing_chosen_is_a_sentence(context: Context) -> None:
    asked = asking(SearchSession(), "wearing", "")
    with pytest.raises(SearchError, match="Say what the person wears"):
        run(context, asked, Filters(), "a")
    assert heading(asked) == "Who may wear that"


def test_nobody_who_fits_is_a_sentence(context: Context) -> None:
    strict = replace(demo_readout(), thresholds=demo_readout().thresholds + 1)
    service = SearchService(context.store, HistogramEmbedder(strict))
    asked = asking(SearchSession(), "wearing", "")
    found = run(replace(context, service=service), asked, Filters(wearing=("red upper",)), "a")
    html = results_view(found, context.cameras(), context.media, "x")
    assert "Nobody seen by these cameras in this time range fits: red upper." in html


@pytest.mark.parametrize("readout", [None, demo_readout()])
def test_an_embedder_without_the_words_gets_no_filter(
    context: Context, config: Any, readout: Any
) -> None:
    assert (wearing_choices(readout) == []) == (readout is None)
    service = SearchService(context.store, HistogramEmbedder(readout))
    page = build_app(context.store, service, context.detector, config, clips=context.clips)
    (group,) = [block for block in page.blocks.values() if block.elem_id == "cw-clothing"]
    assert group.visible == (readout is not None)
