"""Scoreboards as tables for people and as plain data for JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from pipeline.cli_output import Grid
from pipeline.tracking.scoring import Figures, Scoreboard

_FIGURES = (">HOTA", ">DetA", ">AssA", ">IDF1", ">MOTA", ">IDSW", ">Frag", ">Hz")


def as_data(board: Scoreboard) -> dict[str, Any]:
    """All figures, ratios in 0..1."""
    return {
        "name": board.name,
        "sequences": {name: asdict(figures) for name, figures in board.sequences.items()},
        "combined": asdict(board.combined),
        "mean": asdict(board.mean),
        "one_id_space": None if board.as_one is None else asdict(board.as_one),
    }


def as_tables(boards: list[Scoreboard]) -> list[Grid]:
    """A table of the sequences for each board and, of several, tables beside each other."""
    tables = [_board_table(board) for board in boards]
    if len(boards) > 1:
        tables.append(_comparison("combined", boards, lambda board: board.combined))
        tables.append(_comparison("mean over the sequences", boards, lambda board: board.mean))
        if all(board.as_one is not None for board in boards):
            tables.append(_comparison("one id space", boards, lambda board: board.as_one))
    return tables


def _board_table(board: Scoreboard) -> Grid:
    rows = [(name, *_cells(figures)) for name, figures in board.sequences.items()]
    rows += [("combined", *_cells(board.combined)), ("mean", *_cells(board.mean))]
    if board.as_one is not None:
        rows.append(("one id space", *_cells(board.as_one)))
    return Grid(("sequence", *_FIGURES), rows, board.name)


def _comparison(
    title: str, boards: list[Scoreboard], figures: Callable[[Scoreboard], Figures | None]
) -> Grid:
    rows = [(b.name, *_cells(found)) for b in boards if (found := figures(b)) is not None]
    return Grid(("preset", *_FIGURES), rows, title)


def _cells(figures: Figures) -> tuple[str, ...]:
    ratios = (figures.hota, figures.det_a, figures.ass_a, figures.idf1, figures.mota)
    return (
        *(f"{100 * ratio:.2f}" for ratio in ratios),
        *(_count(count) for count in (figures.idsw, figures.fragments)),
        "–" if figures.hz is None else f"{figures.hz:.0f}",
    )


def _count(count: float) -> str:
    return str(count) if isinstance(count, int) else f"{count:.1f}"
