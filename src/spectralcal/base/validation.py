"""What is said of a value that a model refuses: the first problem, in one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from spectralcal.base.errors import choices


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """The first problem of a validation, in one line: key, what was found, what is expected."""
    first = error.errors()[0]
    location = ".".join(str(part) for part in first["loc"] if not _is_union_branch(part))
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        key = str(first["loc"][-1])
        known = list(_keys_at(model, first["loc"][:-1]))
        close = difflib.get_close_matches(key, known, 1)
        hint = f"did you mean '{close[0]}'? " if close else ""
        return f"{location}: unknown key; {hint}expected {choices(known)}{more}"
    if first["type"] == "missing":
        return f"{location}: required key is missing{more}"
    message = first["msg"].removeprefix("Value error, ")
    place = f"{location}: " if location else ""
    value = "" if isinstance(first["input"], dict) else f", found {first['input']!r}"
    return f"{place}{message[0].lower() + message[1:]}{value}{more}"


def _is_union_branch(part: Any) -> bool:
    return isinstance(part, str) and (part.startswith(("literal[", "tuple[", "function-")))


def _keys_at(model: type[BaseModel], location: tuple) -> Iterator[str]:
    """The valid keys of the section at `location`."""
    current: Any = model
    for part in location:
        field = current.model_fields.get(part) if isinstance(current, type) else None
        if field is None:
            continue  # a user-chosen name inside a mapping: the section stays the mapping's value
        current = field.annotation
        arguments = getattr(current, "__args__", ())
        sections = [a for a in arguments if isinstance(a, type) and issubclass(a, BaseModel)]
        current = sections[0] if sections else current
    return iter(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else iter(())
