"""Defaults of what enters a result's identity: results leave a key out while it is at its default."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from spectralcal.base import registry
from spectralcal.study.config import EvaluationConfig, InferenceConfig, PreparationConfig, SplitConfig, TrainingConfig
from spectralcal.study.recipe import HARMLESS

#: part of the engine -> its section, and the keys that its identity spells out or leaves out
SECTIONS: dict[str, tuple[type[BaseModel], frozenset[str]]] = {
    "preparation": (PreparationConfig, frozenset({"workers"})),
    "split": (SplitConfig, frozenset({"file", "fold"})),
    "training": (TrainingConfig, HARMLESS),
    "prediction": (InferenceConfig, frozenset()),
    "scoring": (EvaluationConfig, frozenset()),
    # Which cases are looked at; the other scores are not read.
    "probes": (EvaluationConfig, frozenset(EvaluationConfig.model_fields) - {"side"}),
}


def engine_defaults(part: str) -> dict[str, Any]:
    """Key -> default of a part of the engine; keys of a section inside it are dotted."""
    if part not in SECTIONS:
        return {}
    section, without = SECTIONS[part]
    return _flat(section().model_dump(mode="json", exclude=set(without)))


def entry_defaults(kind: str, name: str) -> dict[str, Any]:
    """Option -> default of a registered entry; of a probe also those of what it looks at."""
    fields = registry.options_model(kind, name).model_fields
    return engine_defaults(kind) | {
        key: list(field.default) if isinstance(field.default, tuple) else field.default
        for key, field in fields.items()
        if not field.is_required()
    }


def _flat(content: dict[str, Any], key: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in content.items():
        place = f"{key}.{name}".strip(".")
        found |= _flat(value, place) if isinstance(value, dict) else {place: value}
    return found
