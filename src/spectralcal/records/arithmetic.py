"""Which arithmetic made a result and which bounds it reached, as its records say it; records may be damaged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

NAMES = {"bf16": "bfloat16", "fp32": "float32"}
#: steps that a line lists
LISTED = 10


def arithmetic_text(record: Mapping[str, Any]) -> str:
    """What run.json or evaluation.json says of its arithmetic, in one line; older ones name it alone."""
    facts = _object(record, "arithmetic")
    if not facts:
        return f"{_name(record)}; no bfloat16 probe was recorded"
    text = f"{_name(record)} (asked for: {facts.get('requested')}), bfloat16 probe {facts.get('probe')}"
    if (deviation := facts.get("deviation")) is not None:
        text += f" ({deviation} times its rounding)"
    text += f", on {facts.get('processor')}"
    if steps := steps_in_float32(record):
        listed = ", ".join(map(str, steps[:LISTED])) + (", ..." if len(steps) > LISTED else "")
        text += f"; {len(steps)} steps were made again in float32: {listed}"
    return text


def arithmetic_summary(runs: Iterable[Mapping[str, Any]]) -> str:
    """How many trainings were made in which arithmetic, in one line; "" for none."""
    counts = Counter(
        _name(run)
        + ("" if _object(run, "arithmetic") else ", not probed")
        + (", some steps in float32" if steps_in_float32(run) else "")
        for run in runs
    )
    return "; ".join(f"{count} in {name}" for name, count in sorted(counts.items()))


def steps_in_float32(record: Mapping[str, Any]) -> list[int]:
    """Steps of a training that were not finite in bfloat16 and were made again in float32."""
    steps = _object(_object(record, "arithmetic"), "in_float32").get("steps")
    return steps if isinstance(steps, list) else []


def reached_limits(record: Mapping[str, Any]) -> list[str]:
    """A line for each bound that a training, or the fit of a post-hoc step, reached."""
    limits = record.get("limits")
    return [str(line) for line in limits] if isinstance(limits, list) else []


def _name(record: Mapping[str, Any]) -> str:
    precision = record.get("precision")
    return NAMES.get(precision, precision) if isinstance(precision, str) else "unknown arithmetic"


def _object(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = record.get(key)
    return value if isinstance(value, Mapping) else {}
