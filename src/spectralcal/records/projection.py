"""How long a study will take, before one commits a week to it.

Pure functions of the cells that are to be made and of what a cell takes (:mod:`spectralcal.records.costs`). The
workflow prints the result before its first job, `spectralcal doctor --time` after timing.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from spectralcal.base.files import read_record
from spectralcal.records.costs import Cost, Kind
from spectralcal.records.light.files import has
from spectralcal.study.config import StudyConfig
from spectralcal.study.grid import Cell, study_cells, trained_cells
from spectralcal.study.paths import StudyPaths
from spectralcal.study.recipe import evaluation_recipe, training_recipe
from spectralcal.study.resolved import resolve

#: seconds of a process beside its work, such as starting Python, torch and MONAI; an estimate, two processes per cell
STARTING = 5.0


@dataclass(frozen=True)
class Row:
    """The cells of one kind that are to be made.

    Attributes:
        kind: data set and architecture.
        steps: steps of a training.
        trainings: cells to train.
        scorings: cells to score, those with a post-hoc step among them.
        cost: what one takes; None if not known.
        seconds: of each training with its scoring, and of each further scoring; empty without a cost.
    """

    kind: Kind
    steps: int
    trainings: int
    scorings: int
    cost: Cost | None
    seconds: tuple[float, ...] = ()


@dataclass(frozen=True)
class Projection:
    """What is to be made, and how long that takes."""

    rows: tuple[Row, ...]

    @property
    def unknown(self) -> tuple[Row, ...]:
        """Rows without a cost."""
        return tuple(row for row in self.rows if row.cost is None)

    @property
    def total(self) -> float:
        """Seconds of all cells one after the other, as far as their cost is known."""
        return sum(sum(row.seconds) for row in self.rows)

    def elapsed(self, at_once: int) -> float:
        """Seconds until the last cell is done, `at_once` side by side and each as fast as alone; the longest first."""
        ends = [0.0] * max(at_once, 1)
        for seconds in sorted((value for row in self.rows for value in row.seconds), reverse=True):
            heapq.heapreplace(ends, ends[0] + seconds)
        return max(ends)


def project(
    config: StudyConfig, trainings: Iterable[Cell], scorings: Iterable[Cell], costs: Mapping[Kind, Cost]
) -> Projection:
    """How long these trainings and scorings take.

    Args:
        config: the study.
        trainings: cells to train.
        scorings: cells to score.
        costs: what a cell takes, by kind; for other kinds the row has no cost.
    """
    trainings, scorings = list(trainings), list(scorings)
    kinds = dict.fromkeys((cell.dataset, cell.architecture) for cell in (*trainings, *scorings))
    return Projection(tuple(_row(config, kind, trainings, scorings, costs.get(kind)) for kind in kinds))


def all_cells(config: StudyConfig) -> tuple[list[Cell], list[Cell]]:
    """Every training and every scoring of a study."""
    scorings = study_cells(config)
    return trained_cells(config, scorings), scorings


def missing_cells(config: StudyConfig) -> tuple[list[Cell], list[Cell]]:
    """Trainings and scorings that are not there, or there with other settings or code.

    Whether they saw the data that are prepared now is not asked here.
    """
    paths = StudyPaths(config)

    def scored(cell: Cell) -> bool:
        files = paths.cell(cell)
        return has(files.cases) and (read_record(files.evaluation) or {}).get("recipe") == evaluation_recipe(
            resolve(config, cell)
        )

    def trained(cell: Cell) -> bool:
        files = paths.cell(cell)
        recipe = (read_record(files.run) or {}).get("parts", {}).get("recipe")
        return files.weights.is_file() and recipe == training_recipe(resolve(config, cell))

    scorings = [cell for cell in study_cells(config) if not scored(cell)]
    return [cell for cell in trained_cells(config, scorings) if not trained(cell)], scorings


def cells_at_once(config: StudyConfig, cores: int, slots: int) -> int:
    """Cells that run side by side: as many as there are cores for, and at most the places on GPUs if there are any."""
    by_cores = max(cores // config.compute.threads, 1)
    return min(by_cores, slots) if slots else by_cores


def duration(seconds: float) -> str:
    """Seconds in words: ``45 s``, ``12 min``, ``3.4 h``, ``2.1 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


def _row(
    config: StudyConfig, kind: Kind, trainings: Iterable[Cell], scorings: Iterable[Cell], cost: Cost | None
) -> Row:
    steps = config.training_of(*kind).steps
    trained = [cell for cell in trainings if (cell.dataset, cell.architecture) == kind]
    scored = [cell for cell in scorings if (cell.dataset, cell.architecture) == kind]
    if cost is None:
        return Row(kind, steps, len(trained), len(scored), None)
    scoring = (cost.scoring or 0.0) + STARTING
    left = Counter(scored)
    # A network is scored after it was trained: together they are one stretch of time.
    both = [cost.training(cell.method, steps) + STARTING + scoring * left.pop(cell, 0) for cell in trained]
    return Row(kind, steps, len(trained), len(scored), cost, (*both, *[scoring] * left.total()))
