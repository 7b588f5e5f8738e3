"""Tables and sections of a Markdown page that several programs share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

TITLE = "# Numbers"
INTRO = (
    "Every number here was written by a program; each section names the command that makes it. "
    "Do not edit by hand."
)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table.

    Args:
        columns: their titles; one that starts with ``>`` is set to the right.
        rows: one text per column each.
    """
    marks = ["---:" if column.startswith(">") else "---" for column in columns]
    lines = [[column.removeprefix(">") for column in columns], marks, *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def with_section(page: str, name: str, body: str, head: str = f"{TITLE}\n\n{INTRO}") -> str:
    """The page with one section replaced, or added at its end; everything else stays.

    Args:
        page: Markdown text; empty for a new page.
        name: of the section, unique in the page.
        body: Markdown text without the markers.
        head: title and introduction of a new page.

    Raises:
        ValueError: the section's markers are not one pair in order, or the body holds one.
    """
    begin, end = (f"<!-- {word}: {name} -->" for word in ("begin", "end"))
    if begin in body or end in body:
        raise ValueError(f"the text of section {name} holds its own marker")
    section = f"{begin}\n{body.strip()}\n{end}"
    if begin not in page and end not in page:
        return f"{page.strip() or head}\n\n{section}\n"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed) or end in before or begin in rest or end in after:
        raise ValueError(f"the markers of section {name} are not one pair; repair or remove them")
    return f"{before}{section}{after}"


def write_section(path: Path, name: str, body: str, title: str = TITLE) -> None:
    """Replace one section of a page on disk; a missing page is made, with that title."""
    page = path.read_text(encoding="utf-8") if path.exists() else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(with_section(page, name, body, f"{title}\n\n{INTRO}"), encoding="utf-8")


def percent(ratio: float | None) -> str:
    """A ratio in percent; a dash for None."""
    return "–" if ratio is None else f"{100 * ratio:.1f}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
