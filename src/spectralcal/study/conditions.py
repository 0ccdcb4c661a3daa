"""Conditions: what a trained network is tested on, its own test cases or something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spectralcal.base.errors import ConfigError, choices
from spectralcal.study.entries import ParsedEntry, parse_entry
from spectralcal.study.methods import method_of

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
        side: side of its split, "test" or "validation".
        corrupt: transforms of each image, in their order.
        samples: predictions that are drawn of each image; 0: the one that the network makes without drawing.
    """

    name: str = TEST
    dataset: str | None = None
    side: str = "test"
    corrupt: tuple[ParsedEntry, ...] = ()
    samples: int = 0

    def __str__(self) -> str:
        parts = [f"data set {self.dataset}"] if self.dataset else []
        parts += [", then ".join(map(str, self.corrupt))] if self.corrupt else []
        parts += [f"mean of {self.samples} predictions drawn"] if self.samples else []
        return "; ".join([*parts, f"{self.side} cases"])


def condition_of(study: StudyConfig, name: str) -> Condition:
    """A condition of a study by its name.

    Raises:
        ConfigError: the study has none of that name.
    """
    if name == TEST:
        return Condition(side=study.evaluation.side)
    if name not in study.evaluation.conditions:
        raise ConfigError(
            f"condition '{name}' is not in the study '{study.study}'; expected "
            f"{choices([TEST, *study.evaluation.conditions])}"
        )
    settings = study.evaluation.conditions[name]
    corrupt = tuple(parse_entry("transforms", text, where=f"evaluation.conditions.{name}") for text in settings.corrupt)
    return Condition(name, settings.dataset, settings.side or study.evaluation.side, corrupt, settings.samples)


def further_conditions(study: StudyConfig, cell: Cell) -> list[str]:
    """Names of the conditions that a cell is tested under besides the ordinary test."""
    return [name for name in study.evaluation.conditions if is_tested(study, cell, name)]


def is_tested(study: StudyConfig, cell: Cell, name: str) -> bool:
    """Whether a study tests a cell under a condition: one that is meant for its data set, is not its ordinary test, and
    does not score a post-hoc step on the cases that it was fitted to."""
    if name == TEST:
        return True
    trained_on, condition = study.evaluation.conditions[name].trained_on, condition_of(study, name)
    if trained_on is not None and cell.dataset not in trained_on:
        return False
    if is_fitted_to(study, cell, condition):
        return False
    own = condition.dataset in (None, cell.dataset) and condition.side == study.evaluation.side
    return not own or bool(condition.corrupt or condition.samples)


def is_fitted_to(study: StudyConfig, cell: Cell, condition: Condition) -> bool:
    """Whether a condition's cases, changed or not, are those that the cell's post-hoc step was fitted to."""
    own = condition.dataset in (None, cell.dataset) and condition.side == "validation"
    return own and method_of(study, cell.method).post_hoc is not None
