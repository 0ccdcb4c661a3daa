"""A registered entry with options, as text: ``spectral@window=1,weight=0.05`` or ``noise@variance=0.1``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from spectralcal.base import registry
from spectralcal.base.errors import ConfigError
from spectralcal.base.validation import explain

_VALUE = re.compile(r"^[A-Za-z0-9_.+-]*$")


@dataclass(frozen=True)
class ParsedEntry:
    """What a text names.

    Attributes:
        name: registered or dotted name.
        options: what was said explicitly and is no default, by key.
        arguments: all keyword options that the entry is built with.
    """

    name: str
    options: tuple[tuple[str, Any], ...]
    arguments: tuple[tuple[str, Any], ...]

    def __str__(self) -> str:
        options = ",".join(f"{key}={_text(value)}" for key, value in self.options)
        return self.name + (f"@{options}" if options else "")


def parse_entry(
    kind: str, text: str, given: Mapping[str, Mapping[str, Any]] | None = None, where: str = "", whole: str = ""
) -> ParsedEntry:
    """Parse ``name[@key=value,...]`` of a registered kind; every part is checked.

    Args:
        kind: as in the registry, for example "losses".
        text: the entry.
        given: options by name that hold where the text does not say otherwise.
        where: place in the configuration, for messages.
        whole: what the text is a part of, for messages; empty: nothing.

    Raises:
        ConfigError: unknown name, option or value.
    """
    place, shown = f"{where}: " if where else "", whole or text
    name, _, assignments = text.partition("@")
    registry.require(kind, name, where)
    said: dict[str, Any] = {}
    for assignment in filter(None, assignments.split(",")):
        key, equals, value = assignment.partition("=")
        if not equals or not _VALUE.match(value):
            raise ConfigError(
                f"{place}cannot read '{assignment}' in '{shown}'; expected {_FORM[kind]}@key=value,key=value"
            )
        said[key] = yaml.safe_load(value)
    model, base = registry.options_model(kind, name), dict((given or {}).get(name, {}))
    try:
        reference = model.model_validate(base).model_dump()
        resolved = model.model_validate({**base, **said}).model_dump()
    except ValidationError as error:
        raise ConfigError(f"{place}'{shown}': {explain(error, model)}") from None
    options = tuple((key, resolved[key]) for key in sorted(said) if resolved[key] != reference[key])
    return ParsedEntry(name, options, tuple({**reference, **dict(options)}.items()))


#: word for the name in a message
_FORM = {"losses": "loss", "transforms": "transform"}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)
