"""The model zoo: every YAML has a row, every module a source, and the committed page keeps up."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.about import ROOT
from benchmarks.model_zoo import (
    DATA,
    GROUPS,
    OTHERS,
    PAGE,
    ZooRow,
    as_dict,
    group_of,
    remarks,
    results_table,
    system_files,
    zoo_tables,
)
from benchmarks.source_table import (
    FOLDERS,
    INFRASTRUCTURE,
    modules,
    read_module,
    source_of,
    sources_markdown,
)
from reid.compare import read_systems
from reid.cost import Cost
from reid.results import RESULTS, Result, plain_result, read_results
from reid.weights_file import DEFAULT_WEIGHTS, load_weights

SYSTEMS = read_systems(system_files())
COST = Cost((256, 128), 1_500_000, 0.25, 3.5, "torch", 2)


def rows_of(page: str) -> list[list[str]]:
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def a_result(system: str) -> Result:
    return Result(
        system=system,
        fingerprint="abc",
        weights="w.safetensors",
        data=DATA,
        distance="global",
        rank1=84.293,
        mAP=64.315,
        mINP=27.5,
        queries=3368,
        input_hw=(144, 72),
        machine="m",
        commit="c",
        command="python main.py",
        seed=3,
    )


def test_files_are_called_as_their_systems() -> None:
    assert [path.stem for path in system_files()] == list(SYSTEMS)


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_every_system_has_a_group_and_a_row(name: str) -> None:
    system = SYSTEMS[name]
    assert group_of(system) != OTHERS
    page = PAGE.read_text(encoding="utf-8")
    found = [row for row in rows_of(page.split("## All results")[0]) if row[0] == name]
    assert len(found) == 1
    assert (name in zoo_tables([ZooRow(system, None, COST)])) is True
    result = plain_result(read_results(RESULTS), name, DATA)
    shown = "not yet trained" if result is None else f"**{result.rank1:.2f} / {result.mAP:.2f}**"
    assert found[0][3] == shown
    if system.paper is not None and system.paper.rank1 is not None:
        assert f"{system.paper.rank1:.1f}" in found[0][2]


def test_every_group_is_used() -> None:
    assert {group_of(system) for system in SYSTEMS.values()} | {OTHERS} == set(GROUPS)


def test_a_row_says_what_is_known() -> None:
    system = SYSTEMS["spindle"]
    row = rows_of(zoo_tables([ZooRow(system, a_result("spindle"), COST)]))[-1]
    assert row[0] == "spindle"
    assert row[2:] == ["76.9 / –", "**84.29 / 64.31**", "256x128", "1.50", "0.250", "3.50*"]
    untimed = Cost((256, 128), 1_500_000, 0.25)
    row = rows_of(zoo_tables([ZooRow(system, None, untimed)]))[-1]
    assert row[3:] == ["not yet trained", "256x128", "1.50", "0.250", "–"]
    said = " ".join(remarks([ZooRow(system, None, untimed)], 0))
    assert "scores of 1 of 1 systems" in said
    assert "Not measured: ms/crop" in said
    said = " ".join(remarks([ZooRow(system, a_result("spindle"), COST)], 2))
    assert "not yet trained" not in said
    assert "Not measured: ms/crop" not in said
    assert as_dict(ZooRow(system, None, None))["cost"] is None


def test_results_table() -> None:
    assert results_table([]) == "None yet."
    row = rows_of(results_table([a_result("pgr")]))[-1]
    assert row[0] == "pgr"
    assert row[4:10] == ["–", "84.29", "–", "–", "64.31", "27.50"]


def test_the_shipped_weights_are_in_the_results() -> None:
    _, input_hw, fingerprint = load_weights(DEFAULT_WEIGHTS)
    found = plain_result(read_results(RESULTS), DEFAULT_WEIGHTS.stem, DATA, fingerprint)
    assert found is not None
    assert found.input_hw == input_hw
    card = DEFAULT_WEIGHTS.with_name("MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"**{found.rank1:.2f}**" in card
    assert f"**{found.mAP:.2f}**" in card


@pytest.mark.parametrize(
    "module",
    [module for folder in FOLDERS.values() for module in modules(folder)],
    ids=lambda module: str(module.path.relative_to(ROOT / "reid")),
)
def test_every_module_is_listed_with_its_source(module: object) -> None:
    path = module.path.relative_to(ROOT).as_posix()  # type: ignore[attr-defined]
    assert module.source, f"{path}: the docstring has no Source paragraph"  # type: ignore[attr-defined]
    rows = [row for row in rows_of(sources_markdown()) if row[-1] == f"`{path}`"]
    assert rows
    for _, source, what, _ in rows:
        assert source
        assert what
    page = PAGE.read_text(encoding="utf-8")
    assert f"`{path}`" in page


@pytest.mark.parametrize("folder", [folder for folder in FOLDERS.values() if folder])
def test_no_module_is_left_out(folder: str) -> None:
    files = {path.stem for path in (ROOT / "reid" / folder).glob("*.py")}
    assert {module.path.stem for module in modules(folder)} == files - INFRASTRUCTURE
    assert len(files - INFRASTRUCTURE) > 1


@pytest.mark.parametrize(
    ("docstring", "source"),
    [
        ("Title.\n\nSource: A et al.,\n2017, eq. 3.\n\nMore.", "A et al., 2017, eq. 3."),
        ("Title.\n\nSources: A; B.", "A; B."),
        ("Title (A et al., 2017).", "A et al., 2017"),
        ("Title (arXiv:1, a).\n\nAlso (B et al.) and (B et al.).", "arXiv:1, a; B et al."),
        ("Title (of length 1).", ""),
    ],
)  # fmt: skip
def test_source_of(docstring: str, source: str) -> None:
    assert source_of(docstring) == source


def test_read_module(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    path.write_text(
        '"""Title.\n\nSource: A."""\n'
        'def f():\n    """First\n    line.\n\n    Source: B.\n    """\n'
        "@overload\ndef g(): ...\n"
        'def g():\n    """G."""\n'
        "class SomeConfig: ...\n"
        "def _hidden(): ...\n"
    )
    found = read_module(path)
    assert (found.title, found.source) == ("Title.", "A.")
    assert found.public == (("f", "B.", "First line."), ("g", "A.", "G."))
