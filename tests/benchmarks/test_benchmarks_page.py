from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.about import ROOT, About, changed_files
from benchmarks.page import INTRO, TITLE, percent, table, with_section, write_section


def test_table_aligns_and_keeps_bars_inside_cells() -> None:
    text = table(("name", ">value"), [("a|b", "1"), ("c\nd", "2")])
    assert text.splitlines() == [
        "| name | value |",
        "| --- | ---: |",
        "| a\\|b | 1 |",
        "| c d | 2 |",
    ]


def test_new_page_gets_title_and_section() -> None:
    page = with_section("", "one", "first\n")
    assert page == (f"{TITLE}\n\n{INTRO}\n\n<!-- begin: one -->\nfirst\n<!-- end: one -->\n")


def test_section_is_replaced_and_everything_else_stays() -> None:
    page = with_section(with_section("# Mine\n\nwords\n", "one", "old"), "two", "other") + "tail\n"
    changed = with_section(page, "one", "new")
    assert changed == page.replace("old", "new")
    assert with_section(changed, "one", "new") == changed


@pytest.mark.parametrize(
    "page",
    [
        "<!-- begin: one -->\nno end",
        "<!-- end: one -->\nno begin",
        "<!-- end: one -->\n<!-- begin: one -->",
        "<!-- begin: one --><!-- end: one --><!-- begin: one --><!-- end: one -->",
        "<!-- begin: one --><!-- begin: one --><!-- end: one -->",
    ],
)
def test_broken_markers_are_refused(page: str) -> None:
    with pytest.raises(ValueError, match="section one"):
        with_section(page, "one", "text")


def test_body_must_not_hold_its_marker() -> None:
    with pytest.raises(ValueError, match="its own marker"):
        with_section("", "one", "<!-- end: one -->")


def test_write_section_makes_the_page(tmp_path: Path) -> None:
    path = tmp_path / "docs" / "NUMBERS.md"
    write_section(path, "one", "text")
    write_section(path, "two", "more")
    assert path.read_text(encoding="utf-8").count("<!-- begin:") == 2


@pytest.mark.parametrize(("ratio", "text"), [(None, "–"), (0.5, "50.0"), (1.0, "100.0")])
def test_percent(ratio: float | None, text: str) -> None:
    assert percent(ratio) == text


def test_changed_files_leave_the_page_out() -> None:
    status = ' M docs/NUMBERS.md\n?? new.py\nR  old.py -> moved.py\n M "with space.py"\n'
    assert changed_files(status, ROOT / "docs" / "NUMBERS.md") == 3
    assert changed_files(status, None) == 4
    assert changed_files("", None) == 0


def test_a_dirty_tree_is_flagged() -> None:
    about = About("python x", "abc", 2, "today", "cpu, 2 cores", 0.1, "torch 1", "0")
    assert "uncommitted changes in 2 files" in about.markdown()
    clean = About("python x", "abc", 0, "today", "cpu, 2 cores", 0.1, "torch 1", "0")
    assert "uncommitted" not in clean.markdown()


def test_a_new_page_may_have_a_title_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "OTHER.md"
    write_section(path, "one", "text", "# Other")
    write_section(path, "two", "more", "# Ignored")
    assert path.read_text(encoding="utf-8").startswith(f"# Other\n\n{INTRO}\n\n<!-- begin: one -->")
    assert "# Ignored" not in path.read_text(encoding="utf-8")
