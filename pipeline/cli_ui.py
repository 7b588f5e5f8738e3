"""The settings of the operator's page, from a file and from options."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from pipeline.config import ConfigError, UiConfig, load_config
from pipeline.config.messages import problems_of


def ui_config(sources: Path | None, host: str | None, port: int | None) -> UiConfig:
    """The file's `ui` settings, or the defaults, with the options on top.

    Raises:
        ConfigError: the file cannot be used, or the address needs a login.
    """
    settings = (load_config(sources).ui if sources else UiConfig()).model_dump()
    settings |= {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    try:
        return UiConfig.model_validate(settings)
    except ValidationError as error:
        lines = [f"ui.{key}: {reason}" for key, reason in problems_of(error, UiConfig)]
        hint = "" if sources else " in a YAML file and name it with --sources"
        raise ConfigError("\n".join(line + hint for line in lines)) from None
