"""Transforms by name in a training's augmentation: that they are there, and take the options that they are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from spectralcal.base import registry
from spectralcal.base.errors import ConfigError, choices
from spectralcal.base.validation import explain

if TYPE_CHECKING:
    from spectralcal.study.config.augmentation import TransformConfig
    from spectralcal.study.config.training import TrainingConfig


def check_augmentation(training: TrainingConfig, where: str) -> None:
    """Raise ConfigError at the first transform that is unknown, or option that it does not take.

    Args:
        training: settings, with what data set and architecture change.
        where: place of the section in the configuration.
    """
    for number, entry in enumerate(training.augmentation.transforms):
        _check(entry, f"{where}.augmentation.transforms.{number}")


def _check(entry: TransformConfig, where: str) -> None:
    registry.require("transforms", entry.name, f"{where}.name")
    model = registry.options_model("transforms", entry.name)
    for key in entry.ranges:
        known = [name for name, field in model.model_fields.items() if _is_real(field.annotation)]
        if key not in known:
            raise ConfigError(f"{where}.ranges: expected options of '{entry.name}' that are real numbers, "
                              f"{choices(known)}, found '{key}'")  # fmt: skip
    try:
        model.model_validate({**entry.options, **{key: low for key, (low, _) in entry.ranges.items()}})
    except ValidationError as error:
        raise ConfigError(f"{where}.options.{explain(error, model)}") from None


def _is_real(annotation: Any) -> bool:
    return annotation is Any or float in (annotation, *get_args(annotation))
