"""Measured scores of the systems: the records of docs/model_zoo.json."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, TypeAdapter, ValidationError

from reid.errors import ReidError
from reid.machine import ROOT
from reid.section import Section

RESULTS = ROOT / "docs" / "model_zoo.json"
_PERCENT = Field(ge=0, le=100)
_EVALUATED = (
    *("fingerprint", "distance", "rank1", "rank5", "rank10", "mAP", "mINP", "queries"),
    *("rerank", "occlude", "runtime", "device"),
)
"""What is taken over from the object that `reid evaluate --json` prints."""


class Result(Section):
    """Scores of one weight file under one protocol, and how they were measured.

    Attributes:
        system: name of the YAML. fingerprint: of the weights. weights: their file, relative to the
            repository, or its name.
        data: name of the data set. distance, rerank, occlude: of the evaluation; None is none.
        rank1, rank5, rank10, mAP, mINP: percent. queries: how many counted.
        input_hw: height and width of the network's input; None without a network.
        runtime: openvino, torch or numpy; device: cpu or cuda. machine, commit, command: of the
            evaluation.
        seed: of the training. note: how the training differed from the YAML.
    """

    system: str
    fingerprint: str
    weights: str
    data: str
    distance: str
    rerank: str | None = None
    occlude: float | None = None
    rank1: float = _PERCENT
    rank5: float | None = Field(default=None, ge=0, le=100)
    rank10: float | None = Field(default=None, ge=0, le=100)
    mAP: float = _PERCENT  # the field's own name, as `reid evaluate` prints it
    mINP: float = _PERCENT
    queries: int = Field(ge=1)
    input_hw: tuple[int, int] | None
    runtime: str | None = None
    device: str | None = None
    machine: str
    commit: str
    command: str
    seed: int
    note: str = ""

    @property
    def plain(self) -> bool:
        """Whether it is the protocol of papers' main tables: one vector, no re-ranking."""
        return self.distance == "global" and self.rerank is None and self.occlude is None

    @property
    def measurement(self) -> tuple[str, str, str, str | None, float | None]:
        """What was measured; two results of the same are of the same thing."""
        return (self.fingerprint, self.data, self.distance, self.rerank, self.occlude)


_RESULTS = TypeAdapter(tuple[Result, ...])


def read_results(path: Path) -> tuple[Result, ...]:
    """The records of a results file, in its order; none where there is no file.

    Raises:
        ReidError: not JSON, or a record with an unknown, missing or wrong key.
    """
    if not path.exists():
        return ()
    try:
        return _RESULTS.validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ReidError(f"{path}: {key + ': ' if key else ''}{first['msg']}") from error


def write_results(path: Path, results: Iterable[Result]) -> None:
    """Write a results file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    rows = [result.model_dump(mode="json") for result in results]
    temporary.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def with_result(results: Iterable[Result], new: Result) -> tuple[Result, ...]:
    """The results with `new` at the end, in place of an older one of the same measurement."""
    return (*(old for old in results if old.measurement != new.measurement), new)


def plain_result(
    results: Iterable[Result], system: str, data: str, fingerprint: str | None = None
) -> Result | None:
    """The latest plain result of a system on a data set; of these weights where they are given."""
    fitting = [
        result
        for result in results
        if result.plain
        and (result.system, result.data) == (system, data)
        and fingerprint in (None, result.fingerprint)
    ]
    return fitting[-1] if fitting else None


def read_evaluation(path: Path) -> dict[str, Any]:
    """The object that `reid evaluate --json` printed.

    Raises:
        ReidError: missing file, not JSON, or no such object.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReidError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ReidError(f"{path}: not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ReidError(f"{path}: one object is expected, as `reid evaluate --json` prints it")
    for key in ("data", "weights", "fingerprint", "distance", "rank1", "mAP", "mINP", "queries"):
        if key not in found:
            raise ReidError(f"{path}: {key}: missing; give what `reid evaluate --json` printed")
    return found


def result_of(evaluation: Mapping[str, Any], where: Path, **about: Any) -> Result:
    """A record of what was evaluated; `about` has the keys that an evaluation does not print.

    Raises:
        ReidError: a value is wrong; `where` is the evaluation's file.
    """
    values = {key: evaluation[key] for key in _EVALUATED if key in evaluation}
    values["occlude"] = values.get("occlude") or None  # a share of 0 is none
    data = str(evaluation["data"]).partition("=")[0]
    weights = shown_path(Path(str(evaluation["weights"])))
    words = ["python main.py reid evaluate", f"--data {data}=DIR", f"--weights {weights}"]
    options = {key: values.get(key) for key in ("distance", "rerank", "occlude", "device")}
    if values["occlude"]:
        options["seed"] = str(evaluation.get("seed", 0))
    words += [f"--{key} {value}" for key, value in options.items() if value]
    given = {"data": data, "weights": weights, "command": " ".join(words)}
    try:
        return Result.model_validate(given | values | about)
    except ValidationError as error:
        first = error.errors()[0]
        raise ReidError(f"{where}: {first['loc'][0]}: {first['msg']}") from error


def shown_path(path: Path) -> str:
    """A path for pages that leave this machine: relative to the repository, or the name alone."""
    full = path.resolve()
    return full.relative_to(ROOT).as_posix() if full.is_relative_to(ROOT) else path.name
