"""The house rules: who may import whom, and nothing that exists without being documented."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from pydantic import BaseModel

from main import app
from pipeline.cli_docs import commands_page, configuration_page
from pipeline.config import RunConfig
from pipeline.config.messages import model_in
from tests.conftest import PROJECT

DOCS = PROJECT / "docs"
README = (PROJECT / "README.md").read_text(encoding="utf-8")
PACKAGES = ("pipeline", "reid", "trackers", "storage", "ui")
ROOT_FOLDERS = {*PACKAGES, "configs", "tests", "docs", "benchmarks", ".ci"}


def command_lines(command: object, path: str = "") -> list[tuple[str, list[str]]]:
    """Every command with its options, such as `("search", ["--image", …])`."""
    inner: dict[str, object] = getattr(command, "commands", {})
    found = []
    for name, sub in inner.items():
        if sub.hidden:  # type: ignore[attr-defined]
            continue
        found += command_lines(sub, f"{path} {name}".strip())
    options = [
        parameter.opts[0]
        for parameter in command.params  # type: ignore[attr-defined]
        if parameter.opts[0].startswith("--") and parameter.name != "help"
    ]
    return [(path, options), *found]


def setting_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Every dotted key of the configuration."""
    keys = []
    for name, field in model.model_fields.items():
        inner = model_in(field.annotation)
        listed = "[]" if str(field.annotation).startswith("list[") else ""
        keys.append(f"{prefix}{name}")
        if inner is not None:
            keys += setting_keys(inner, f"{prefix}{name}{listed}.")
    return keys


def sources() -> list[Path]:
    """Our Python files."""
    return [path for package in PACKAGES for path in (PROJECT / package).rglob("*.py")]


def test_import_contracts_are_kept() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_nothing_imports_the_command_line() -> None:
    pattern = re.compile(r"^\s*(from main import|import main\b)", re.MULTILINE)
    assert not [path for path in sources() if pattern.search(path.read_text(encoding="utf-8"))]


def test_the_top_level_is_the_agreed_one() -> None:
    done = subprocess.run(
        ["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    folders = {line.split("/")[0] for line in done.stdout.splitlines() if "/" in line}
    assert folders <= ROOT_FOLDERS


@pytest.mark.parametrize(
    ("command", "options"), command_lines(typer.main.get_command(app)), ids=lambda value: str(value)
)
def test_every_command_and_option_is_documented(command: str, options: list[str]) -> None:
    page = (DOCS / "COMMANDS.md").read_text(encoding="utf-8")
    section = page.partition(f"## `python main.py {command}".rstrip() + "`")[2].partition("\n## ")[
        0
    ]
    assert len(section.strip().splitlines()[0]) > 15, f"{command} is not explained"
    for option in options:
        assert re.search(rf"^\| `{option}\b.*\| \S.* \|$", section, re.M), f"{command} {option}"


@pytest.mark.parametrize("name", ["COMMANDS.md", "CONFIGURATION.md"])
def test_the_reference_pages_are_up_to_date(name: str) -> None:
    made = configuration_page() if "CONF" in name else commands_page(typer.main.get_command(app))
    assert (DOCS / name).read_text(encoding="utf-8") == made, "run `python main.py docs`"


def test_the_readme_names_every_command() -> None:
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        if not command.hidden:
            assert re.search(rf"(main\.py |`){name}\b", README), name


@pytest.mark.parametrize("key", setting_keys(RunConfig))
def test_every_setting_is_documented_and_explained(key: str) -> None:
    row = re.search(rf"^\| `{re.escape(key)}` \|.*\|.*\| (.+) \|$", configuration_page(), re.M)
    assert row is not None
    assert len(row.group(1)) > 10


@pytest.mark.parametrize("page", [PROJECT / "README.md", *sorted(DOCS.glob("*.md"))], ids=str)
def test_links_inside_the_project_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_readme_shows_two_commands_and_the_ci_runs_the_second() -> None:
    blocks = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    first, second = blocks[0].strip(), blocks[1].strip()
    assert first.endswith("main.py --sources configs/demo.yaml")
    tests = second.rsplit("&&", 1)[1].strip()
    assert tests.endswith("python -m pytest")
    ci = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    assert "python -m pytest" in ci


def test_the_licence_is_whole() -> None:
    text = (PROJECT / "LICENSE").read_text(encoding="utf-8")
    assert text.lstrip().startswith("GNU AFFERO GENERAL PUBLIC LICENSE\n")
    for section in range(18):
        assert re.search(rf"^\s+{section}\. ", text, re.MULTILINE)
    assert "END OF TERMS AND CONDITIONS" in text
