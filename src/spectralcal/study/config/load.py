"""A configuration as a file, and the schema of such files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from spectralcal.base.errors import ConfigError
from spectralcal.base.texts import parse_yaml
from spectralcal.base.validation import explain
from spectralcal.study.config.study import StudyConfig


def load_config(path: str | Path) -> StudyConfig:
    """Read a YAML (or JSON) configuration.

    Raises:
        ConfigError: one line with the file, the key, what was found and what is valid.
    """
    file = Path(path)
    try:
        content = parse_yaml(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot read the configuration: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{file}: not valid YAML: {' '.join(str(error).split())}") from error
    return parse_config(content, str(file))


def parse_config(content: Any, source: str) -> StudyConfig:
    """Validate the content of a configuration; `source` names it in messages."""
    if not isinstance(content, dict):
        raise ConfigError(f"{source}: expected a mapping of keys, found {type(content).__name__}")
    try:
        return StudyConfig.model_validate(content)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None
    except ValidationError as error:
        raise ConfigError(f"{source}: {explain(error, StudyConfig)}") from None


def json_schema() -> dict[str, Any]:
    """The JSON schema of a configuration, as committed in workflow/schemas."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **StudyConfig.model_json_schema()}


def schema_text() -> str:
    """The schema as the text of its file."""
    return json.dumps(json_schema(), indent=2) + "\n"
