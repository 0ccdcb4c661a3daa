"""Which arithmetic made a result, as its records say it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

NAMES = {"bf16": "bfloat16", "fp32": "float32"}
#: steps that a line lists
LISTED = 10


def arithmetic_text(record: Mapping[str, Any]) -> str:
    """What run.json or evaluation.json says of its arithmetic, in one line; records before probes have its name alone."""
    name = NAMES.get(record.get("precision", ""), "unknown arithmetic")
    facts = record.get("arithmetic")
    if not facts:
        return f"{name}; no bfloat16 probe was recorded"
    text = f"{name} (asked for: {facts.get('requested')}), bfloat16 probe {facts.get('probe')}"
    if (deviation := facts.get("deviation")) is not None:
        text += f" ({deviation} times its rounding)"
    text += f", on {facts.get('processor')}"
    again = facts.get("in_float32") or {}
    if count := again.get("count"):
        listed = ", ".join(map(str, again["steps"][:LISTED])) + (", ..." if count > LISTED else "")
        text += f"; {count} steps were made again in float32: {listed}"
    return text


def arithmetic_summary(runs: Iterable[Mapping[str, Any]]) -> str:
    """How many trainings were made in which arithmetic, in one line; "" for none."""
    counts: Counter[str] = Counter()
    for run in runs:
        name, facts = NAMES.get(run.get("precision", ""), "unknown arithmetic"), run.get("arithmetic")
        steps = ((facts or {}).get("in_float32") or {}).get("count")
        counts[name + ("" if facts else ", not probed") + (", some steps in float32" if steps else "")] += 1
    return "; ".join(f"{count} in {name}" for name, count in sorted(counts.items()))
