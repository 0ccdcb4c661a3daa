"""A part of the configuration, and how another part overrides it."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, ValidationError, model_serializer

from spectralcal.base.errors import ConfigError
from spectralcal.base.validation import explain

#: what names a study or data set, and so a folder
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"


class Section(BaseModel):
    """A part of the configuration. Unknown keys are errors; a study never changes while it runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class GrownSection(Section):
    """A section that got keys after results of it were published.

    At their defaults the later keys are left out of what it is written as, so that settings of before say the same as
    ever, and their digests and records stay valid.

    Attributes:
        later: those keys.
    """

    later: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _as_ever(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content, fields = handler(self), type(self).model_fields
        for name in self.later:
            if getattr(self, name) == fields[name].get_default(call_default_factory=True):
                content.pop(name, None)
        return content


def merged(base: Section, changes: dict[str, Any], where: str) -> Any:
    """A section with the keys that another part of the configuration changes; sections inside it keep their others."""
    if not changes:
        return base
    model = type(base)
    try:
        return model.model_validate(_merged_keys(base, changes))
    except ValidationError as error:
        raise ConfigError(f"{where}.{explain(error, model)}") from None


def _merged_keys(base: Section, changes: dict[str, Any]) -> dict[str, Any]:
    keys = {**base.model_dump(), **changes}
    for key, value in changes.items():
        inherited = getattr(base, key, None)
        if isinstance(inherited, Section) and isinstance(value, dict):
            keys[key] = _merged_keys(inherited, value)
    return keys
