"""Conditions: what a trained network is tested on, its own test cases or something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spectralcal.base.errors import ConfigError, choices
from spectralcal.study.entries import ParsedEntry, parse_entry

if TYPE_CHECKING:
    from spectralcal.study.config import StudyConfig
    from spectralcal.study.grid import Cell

#: the ordinary test: cases of the network's own data set as they are
TEST = "test"


@dataclass(frozen=True)
class Condition:
    """What a trained network is tested on.

    Attributes:
        name: as in the study, "test" for the ordinary test.
        dataset: whose cases are scored; None: of the data set that the network was trained on.
        corrupt: transforms of each image, in their order.
    """

    name: str = TEST
    dataset: str | None = None
    corrupt: tuple[ParsedEntry, ...] = ()


def condition_of(study: StudyConfig, name: str) -> Condition:
    """A condition of a study by its name.

    Raises:
        ConfigError: the study has none of that name.
    """
    if name == TEST:
        return Condition()
    if name not in study.evaluation.conditions:
        raise ConfigError(
            f"condition '{name}' is not in the study '{study.study}'; expected "
            f"{choices([TEST, *study.evaluation.conditions])}"
        )
    settings = study.evaluation.conditions[name]
    corrupt = tuple(parse_entry("transforms", text, where=f"evaluation.conditions.{name}") for text in settings.corrupt)
    return Condition(name, settings.dataset, corrupt)


def further_conditions(study: StudyConfig, cell: Cell) -> list[str]:
    """Names of the conditions that a cell is tested under besides the ordinary test."""
    return [
        name
        for name, settings in study.evaluation.conditions.items()
        if (settings.trained_on is None or cell.dataset in settings.trained_on)
        and (settings.corrupt or settings.dataset != cell.dataset)
    ]
