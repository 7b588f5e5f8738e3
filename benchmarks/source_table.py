"""Which paper and equation every loss, miner, distance, re-ranking, head and backbone is from.

Read from the modules' own docstrings, without importing them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.about import ROOT
from benchmarks.page import table

FOLDERS = {
    "Losses": "losses",
    "Miners": "miners",
    "Distances and matching": "",
    "Re-ranking": "rerank",
    "Heads": "heads",
    "Backbones": "backbones",
    "Classical": "classical",
}
"""Titles, and folders below reid/."""
DISTANCES = ("pairwise", "distances", "pixel_matching", "progressive")
INFRASTRUCTURE = frozenset({"__init__", "base", "registry", "config"})
"""Modules that hold no method: lists of names, and what all of a folder share."""
_CITED = re.compile(r"\(([^()]*(?:et al\.|arXiv|CVPR|ICCV|ECCV|NeurIPS|TPAMI)[^()]*)\)")


@dataclass(frozen=True)
class Module:
    """A module and what it says of itself.

    Attributes:
        source: where its method is from; empty if it does not say.
        public: name, source and first docstring line of its public classes and functions; without
            the sections of YAMLs.
    """

    path: Path
    title: str
    source: str
    public: tuple[tuple[str, str, str], ...]


def modules(folder: str) -> Iterator[Module]:
    """The modules of a folder below reid/ that hold methods, by name; "" has the distances."""
    place = ROOT / "reid" / folder
    for path in sorted(place.glob("*.py")):
        wanted = path.stem not in INFRASTRUCTURE if folder else path.stem in DISTANCES
        if wanted:
            yield read_module(path)


def read_module(path: Path) -> Module:
    """Title, source and public names of a Python file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    text = ast.get_docstring(tree) or ""
    source = source_of(text)
    public = tuple(
        (node.name, source_of(said) or source, _first(said))
        for node in tree.body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef))
        and not node.name.startswith("_")
        and not node.name.endswith("Config")
        and not _is_overload(node)
        for said in [ast.get_docstring(node) or ""]
    )
    return Module(path, _first(text), source, public)


def source_of(docstring: str) -> str:
    """The paragraph that begins with `Source:`, or else what is cited in brackets."""
    for paragraph in docstring.split("\n\n"):
        found = re.match(r"Sources?:\s*(.*)", paragraph, re.DOTALL)
        if found:
            return " ".join(found[1].split())
    return "; ".join(dict.fromkeys(_CITED.findall(" ".join(docstring.split()))))


def sources_markdown() -> str:
    """One table per kind."""
    sections = []
    for title, folder in FOLDERS.items():
        rows = [
            (f"`{name}`" if name else "–", source, what or module.title, shown)
            for module in modules(folder)
            for shown in [f"`{module.path.relative_to(ROOT).as_posix()}`"]
            for name, source, what in module.public or (("", module.source, ""),)
        ]
        columns = ("class or function", "paper and equation", "what it computes", "module")
        sections.append(f"### {title}\n\n{table(columns, rows)}")
    return "\n\n".join(sections)


def _first(docstring: str) -> str:
    """The first paragraph in one line."""
    return " ".join(docstring.split("\n\n")[0].split())


def _is_overload(node: ast.ClassDef | ast.FunctionDef) -> bool:
    return any(isinstance(word, ast.Name) and word.id == "overload" for word in node.decorator_list)
