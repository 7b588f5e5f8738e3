"""The filter for clothing: what the page offers, in words for an operator."""

from __future__ import annotations

from pipeline.search_wearing import UNRELIABLE, unreliable_words
from reid.wearing.readout import Readout

LEFT_OUT = ("hat", "no hat")
"""Not offered: on office footage, where nobody looked at wore one, 146 of 248 tracks were read as
with a hat (`reid/weights/MODEL_CARD.md`)."""
_MARK = " (unreliable)"
_SAID = {
    "skirt": "skirt or dress",
    "trousers": "trousers or shorts, no skirt",
    "bag": "other bag",
    "no bag": "no other bag",
}


def wearing_choices(readout: Readout | None) -> list[tuple[str, str]]:
    """(what is shown, word) of all that may be asked; none without a read-out."""
    if readout is None:
        return []
    weak = unreliable_words(readout)
    offered = (word for word in readout.options if word not in LEFT_OUT)
    return [(said(word) + (_MARK if word in weak else ""), word) for word in offered]


def said(word: str) -> str:
    """A word of the read-out as an operator would say it, such as ``red upper clothing``."""
    part = word.rpartition(" ")[2]
    return _SAID.get(word) or (f"{word} clothing" if part in ("upper", "lower") else word)


def wearing_hint(words: list[str], readout: Readout | None) -> str:
    """What to expect of the words that are chosen, in a line."""
    weak = unreliable_words(readout) if readout else {}
    chosen = [said(word) for word in words if word in weak]
    if chosen:
        return f"Unreliable: {', '.join(chosen)}; more than {UNRELIABLE:.0%} of the others pass."
    return "A guess from the pictures; belongings are often misread."
