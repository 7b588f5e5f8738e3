"""Results of commands: tables for people, one JSON object for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO
from zoneinfo import ZoneInfo

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_PIPE_WIDTH = 200


@dataclass(frozen=True)
class Grid:
    """A table as it is printed.

    Attributes:
        columns: their titles; one that starts with ``>`` is set to the right.
        rows: one text per column each.
        title: printed above; may be empty.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""


@dataclass(frozen=True)
class Result:
    """What a command found or did.

    Attributes:
        data: for JSON.
        blocks: for people, printed one below the other.
        exit_code: of the command.
        problems: lines for standard error.
    """

    data: Mapping[str, Any]
    blocks: Sequence[Grid | str]
    exit_code: int = 0
    problems: Sequence[str] = ()


def show(result: Result, stream: TextIO, *, as_json: bool) -> None:
    """Print a result."""
    if as_json:
        json.dump(result.data, stream, ensure_ascii=False, indent=2, default=_plain)
        stream.write("\n")
        stream.flush()
        return
    width = None if stream.isatty() else _PIPE_WIDTH
    console = Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
    for number, block in enumerate(result.blocks):
        if number:
            console.print()
        if isinstance(block, Grid):
            _print_grid(console, block)
        else:
            console.print(Text(block), soft_wrap=True)
    stream.flush()


def _print_grid(console: Console, grid: Grid) -> None:
    if grid.title:
        console.print(Text(grid.title, style="bold"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in grid.columns:
        right = column.startswith(">")
        table.add_column(column.removeprefix(">"), justify="right" if right else "left")
    for row in grid.rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(Padding(table, (0, 0, 0, 2), expand=False))


def _plain(value: Any) -> Any:
    """JSON for what the standard library does not know."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item"):  # a number of numpy
        return value.item()
    raise TypeError(f"{type(value).__name__} is not JSON")


def iso_time(time_s: float | None) -> str | None:
    """POSIX seconds as ISO 8601 in UTC, for JSON."""
    if time_s is None:
        return None
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds")


def local_time(time_s: float | None, zone: str = "UTC") -> str:
    """POSIX seconds as people write them, in a time zone; a dash for None."""
    if time_s is None:
        return "–"
    return datetime.fromtimestamp(time_s, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")
