"""One row per system: what it reaches and what it costs, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from reid.classical.config import ClassicalSystem, is_classical, load_classical_config
from reid.config import ReidConfig, load_reid_config
from reid.cost import Cost
from reid.errors import ReidError

DASH = "–"
NOT_TRAINED = "not yet trained"
System = ReidConfig | ClassicalSystem
SCORES = ("rank1", "rank5", "rank10", "mAP", "mINP")


_COST_KEYS = tuple(field.name for field in fields(Cost))


@dataclass(frozen=True)
class Row:
    """One system.

    Attributes:
        system: name of its YAML.
        scores: percent by the names of `SCORES`; None where no weights are known.
        cost: of the network of these weights, or of the YAML's; None without a network.
        fingerprint: of the weights that the scores belong to.
    """

    system: str
    cost: Cost | None
    scores: Mapping[str, float] | None = None
    fingerprint: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is not known is None."""
        scores = self.scores or {}
        return (
            {"system": self.system, "fingerprint": self.fingerprint}
            | {name: scores.get(name) for name in SCORES}
            | (dict.fromkeys(_COST_KEYS) if self.cost is None else asdict(self.cost))
        )


def read_systems(paths: Iterable[Path]) -> dict[str, System]:
    """The systems of YAML files by their names, in the order given.

    Raises:
        ReidError: a file is wrong, or two have the same name.
    """
    found: dict[str, System] = {}
    for path in paths:
        system: System = (load_classical_config if is_classical(path) else load_reid_config)(path)
        if system.name in found:
            raise ReidError(f"{path}: name: another of the files is called {system.name}, too")
        found[system.name] = system
    return found


def named_files(texts: Iterable[str], option: str, names: Iterable[str]) -> dict[str, Path]:
    """["a=x.json"] -> {"a": x.json}.

    Raises:
        ReidError: a text of another form, an unknown or repeated name; `option` is named.
    """
    known = tuple(names)
    found: dict[str, Path] = {}
    for text in texts:
        name, separator, file = text.partition("=")
        if not separator or not file:
            raise ReidError(f"{option} {text}: write it as NAME=FILE")
        if name not in known:
            raise ReidError(f"{option} {text}: no system {name!r} is given; {', '.join(known)} are")
        if name in found:
            raise ReidError(f"{option} {text}: {name} has a file already")
        found[name] = Path(file)
    return found


COLUMNS = ("system", "rank-1", "rank-5", "rank-10", "mAP", "mINP", "M params", "GFLOPs", "ms/crop")


def cells(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """One text per column of `COLUMNS` and row."""
    return [
        (
            row.system,
            *(score_text(row.scores, name) for name in SCORES),
            *cost_texts(row.cost),
        )
        for row in rows
    ]


def score_text(scores: Mapping[str, float] | None, name: str) -> str:
    """Percent with two digits; a dash where it is not known."""
    value = None if scores is None else scores.get(name)
    return DASH if value is None else f"{value:.2f}"


def cost_texts(cost: Cost | None) -> tuple[str, str, str]:
    """Millions of parameters, GFLOPs, milliseconds per crop."""
    if cost is None:
        return DASH, DASH, DASH
    ms = DASH if cost.ms_per_crop is None else f"{cost.ms_per_crop:.2f}"
    return f"{cost.parameters / 1e6:.2f}", f"{cost.gflops:.2f}", ms


def markdown(rows: Sequence[Row]) -> str:
    """A Markdown table of the rows."""
    marks = ("---", *("---:" for _ in COLUMNS[1:]))
    lines = [COLUMNS, marks, *cells(rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def notes(rows: Sequence[Row], data: str, threads: int) -> list[str]:
    """What a reader must know of the table, a sentence each."""
    found = [f"Scores on {data}, single query, in percent, global distance, no re-ranking."]
    without = [row.system for row in rows if row.scores is None]
    if without:
        found.append(f"{DASH} in the scores: {NOT_TRAINED} ({', '.join(without)}).")
    found.append("GFLOPs: 10^9 multiply-adds of one crop, as papers count.")
    costs = [row.cost for row in rows if row.cost is not None]
    if any(cost.ms_per_crop is not None for cost in costs):
        count = f"{threads} threads" if threads else "threads as the runtime chooses"
        found.append(f"ms/crop: OpenVINO on the CPU, batches of 8, without mirror image, {count}.")
    in_torch = [row.system for row in rows if row.cost and row.cost.runtime == "torch"]
    if in_torch:
        found.append(f"Timed in torch, because they need body joints: {', '.join(in_torch)}.")
    return found
