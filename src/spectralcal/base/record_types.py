"""What the keys of records hold. A record that holds something else is damaged, whoever wrote it, and nobody who reads
it needs to look again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_TEXTS = {"text": str}  # any keys, each with a text
_CELL = {"dataset": str, "architecture": str, "method": str, "seed": int}
#: keys of run.json, evaluation.json and the records of products -> type of the value; inside of objects likewise
_HELD: dict[str, Any] = {
    **dict.fromkeys(("fingerprint", "recipe", "kind", "name", "command", "folder", "device", "code", "started"), str),
    **dict.fromkeys(("seconds", "resumes", "threads", "peak_memory_mb"), float),
    **dict.fromkeys(("files", "parts"), _TEXTS),
    **{key: {} for key in ("seeds", "identity", "arithmetic", "options", "post_hoc")},
    "environment": {"packages": {}},
    "cell": _CELL,
    "settings": {"loss": str, "loss_options": {}, "architecture_options": {}, "training": {"steps": float}},
    "restamped": {"commit": str, "recipe": str},
    "cells": [{**_CELL, "status": str, "fingerprint": str}],
}
#: keys that go together: a record with the first has the others
_COMPLETE = {"cells": ("kind", "name", "command", "files"), "restamped": (), "cell": ("fingerprint",)}


def is_sound(record: Mapping[str, Any]) -> bool:
    """Whether every known key of a record holds what it should, and keys that go together are there."""
    complete = all(needed in record for key, keys in _COMPLETE.items() if key in record for needed in keys)
    return complete and _fits(record, _HELD)


def _fits(value: Any, held: Any) -> bool:
    if held is _TEXTS:
        return isinstance(value, Mapping) and all(isinstance(text, str) for text in value.values())
    if isinstance(held, dict):
        return isinstance(value, Mapping) and all(_fits(value[key], held[key]) for key in held.keys() & value.keys())
    if isinstance(held, list):
        (whole,) = held  # each entry has all the keys
        return isinstance(value, list) and all(
            isinstance(entry, Mapping) and whole.keys() <= entry.keys() and _fits(entry, whole) for entry in value
        )
    if held is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, held) and not isinstance(value, bool)
