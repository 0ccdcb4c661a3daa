"""Methods: a loss with its options and, optionally, a post-hoc step, under one canonical name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from spectralcal.base import registry
from spectralcal.base.errors import ConfigError
from spectralcal.base.validation import explain

if TYPE_CHECKING:
    from spectralcal.study.config import StudyConfig

_VALUE = re.compile(r"^[A-Za-z0-9_.+-]*$")


@dataclass(frozen=True)
class Method:
    """A named loss with its options and, optionally, a post-hoc step.

    `options` holds what was said explicitly; everything else is the loss's default.
    """

    loss: str
    options: tuple[tuple[str, Any], ...] = ()
    post_hoc: str | None = None

    @property
    def trained(self) -> Method:
        """The method whose weights this one uses: itself without the post-hoc step."""
        return Method(self.loss, self.options)

    def __str__(self) -> str:
        options = ",".join(f"{key}={_text(value)}" for key, value in self.options)
        return self.loss + (f"@{options}" if options else "") + (f"+{self.post_hoc}" if self.post_hoc else "")


def parse_method(text: str, study_options: Mapping[str, Mapping[str, Any]] | None = None, where: str = "") -> Method:
    """Parse ``loss[@key=value,...][+step]``, check every part, and drop options that equal the default.

    Args:
        text: for example ``spectral@window=1,weight=0.05`` or ``ce+temperature``.
        study_options: the study's own defaults by loss (`methods` in the configuration).
        where: place in the configuration, for messages.

    Raises:
        ConfigError: unknown loss, option, value or post-hoc step.
    """
    place = f"{where}: " if where else ""
    rest, plus, step = _split_step(text)
    if plus:
        registry.require("posthoc", step, f"{place}'{text}'")
    loss, _, assignments = rest.partition("@")
    registry.require("losses", loss, where)
    given: dict[str, Any] = {}
    for assignment in filter(None, assignments.split(",")):
        key, equals, value = assignment.partition("=")
        if not equals or not _VALUE.match(value):
            raise ConfigError(f"{place}cannot read '{assignment}' in '{text}'; expected loss@key=value,key=value")
        given[key] = yaml.safe_load(value)
    model = registry.options_model("losses", loss)
    base = dict((study_options or {}).get(loss, {}))
    try:
        reference = model.model_validate(base).model_dump()
        resolved = model.model_validate({**base, **given}).model_dump()
    except ValidationError as error:
        raise ConfigError(f"{place}'{text}': {explain(error, model)}") from None
    options = tuple((key, resolved[key]) for key in sorted(given) if resolved[key] != reference[key])
    return Method(loss, options, step if plus else None)


def canonical_method(text: str, study_options: Mapping[str, Mapping[str, Any]] | None = None, where: str = "") -> str:
    """The one name of a method: options sorted, defaults dropped. ``spectral@window=50`` is ``spectral``."""
    return str(parse_method(text, study_options, where))


def loss_options(config: StudyConfig, method: str) -> dict[str, Any]:
    """All keyword options with which a method's loss is built."""
    parsed = parse_method(method, config.methods)
    model = registry.options_model("losses", parsed.loss)
    return model.model_validate({**config.methods.get(parsed.loss, {}), **dict(parsed.options)}).model_dump()


def _split_step(text: str) -> tuple[str, str, str]:
    """Split off a post-hoc step; a `+` may also stand inside a number (1e+3)."""
    head, plus, step = text.rpartition("+")
    return (head, plus, step) if plus and step.replace("_", "").isalpha() else (text, "", "")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)
