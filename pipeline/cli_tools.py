"""Commands that need no archive."""

from __future__ import annotations

import platform
import re
import tomllib
from importlib import metadata
from pathlib import Path

from pipeline.cli_output import Grid, Result
from pipeline.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_STANDS_ON = ("torch", "ultralytics", "openvino", "sqlalchemy", "gradio", "pyzmq", "numpy")


def demo_ground_truth(directory: Path) -> Result:
    """Write the demo's ground truth.

    Raises:
        ConfigError: files are there already.
    """
    from pipeline.demo import write_ground_truth

    try:
        files = [str(file) for file in write_ground_truth(directory)]
    except FileExistsError as error:
        raise ConfigError(str(error)) from error
    return Result({"files": files}, ["\n".join(files)])


def make_keys(directory: Path, name: str) -> Result:
    """Make a key pair.

    Raises:
        ConfigError: keys of that name are there already, or the name is no file name.
    """
    from pipeline.endpoints import make_keys as create

    if not _NAME.fullmatch(name):
        raise ConfigError(f"--name {name}: use letters, digits, '-', '_' and '.'")
    try:
        public, secret = create(directory, name)
    except FileExistsError as error:
        raise ConfigError(str(error)) from error
    text = f"transport.curve_public_key: {public}\ntransport.curve_secret_key: {secret}"
    return Result({"public": str(public), "secret": str(secret)}, [text])


def program_version() -> str:
    """The version of the installed package, or of the sources that are run."""
    try:
        return metadata.version("crosswalk")
    except metadata.PackageNotFoundError:
        project = Path(__file__).parents[1] / "pyproject.toml"
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])


def versions() -> Result:
    """Versions of the program, of Python and of the large dependencies."""
    found = {"crosswalk": program_version(), "python": platform.python_version()}
    for package in _STANDS_ON:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return Result(found, [Grid(("package", "version"), list(found.items()))])
