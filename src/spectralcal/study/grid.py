"""Experiments become cells: dataset x architecture x method x seed, with one name, one path and one recipe each."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from spectralcal.study.methods import canonical_method, loss_options, method_of  # noqa: F401 (old place of loss_options)

if TYPE_CHECKING:
    from spectralcal.study.config import StudyConfig

_PATH = re.compile(r"dataset=([^/]+)/arch=([^/]+)/method=([^/]+)/seed=(\d+)(?:/|$)")


@dataclass(frozen=True, order=True)
class Cell:
    """One unit of work: one network trained once and scored once, or scores of networks of other cells."""

    dataset: str
    architecture: str
    method: str
    seed: int

    @property
    def path(self) -> Path:
        """Folder of the cell under results/<study>/cells."""
        return Path(f"dataset={self.dataset}/arch={self.architecture}/method={self.method}/seed={self.seed}")

    @classmethod
    def from_path(cls, path: Path) -> Cell | None:
        """The cell that a folder under results/<study>/cells, or anything in it, belongs to; None if there is none.

        Args:
            path: relative to ``cells``.
        """
        match = _PATH.match(path.as_posix())
        return None if match is None else cls(*match.groups()[:3], int(match[4]))

    def __str__(self) -> str:
        return f"{self.dataset}, {self.architecture}, {self.method}, seed {self.seed}"


def experiment_methods(config: StudyConfig, experiment: str) -> list[str]:
    """Canonical method names of an experiment, in the order of the configuration."""
    return [canonical_method(name, config.methods) for name in config.experiments[experiment].methods]


def experiment_cells(config: StudyConfig, experiment: str) -> list[Cell]:
    """The cells of one experiment, in the order of the configuration."""
    grid = config.experiments[experiment]
    methods = experiment_methods(config, experiment)
    return [Cell(*key) for key in itertools.product(grid.datasets, grid.architectures, methods, grid.seeds)]


def study_cells(config: StudyConfig) -> list[Cell]:
    """All cells of a study, each once, in the order in which experiments name them."""
    return list(dict.fromkeys(cell for name in config.experiments for cell in experiment_cells(config, name)))


def trained_cells(config: StudyConfig, cells: Iterable[Cell]) -> list[Cell]:
    """The cells that need a training of their own: post-hoc methods and ensembles use the weights of their loss."""
    return list(dict.fromkeys(parent for cell in cells for parent in parent_cells(config, cell)))


def parent_cells(config: StudyConfig, cell: Cell) -> tuple[Cell, ...]:
    """The cells whose weights `cell` is scored with: itself, that of its loss, or the members of its ensemble."""
    method = method_of(config, cell.method)
    return tuple(replace(cell, method=str(method.trained), seed=seed) for seed in method.seeds(cell.seed))


def trained_cell(config: StudyConfig, cell: Cell) -> Cell:
    """The cell whose weights `cell` is scored with; of an ensemble its first member, whose network is that of all."""
    return parent_cells(config, cell)[0]


def cells_trained_on(
    config: StudyConfig, dataset: str | None = None, architecture: str | None = None, seed: int | None = None
) -> list[Cell]:
    """The trainings of a study on a data set, with an architecture and a seed, in its order; None: of any."""
    wanted = (dataset, architecture, seed)
    return [
        cell
        for cell in trained_cells(config, study_cells(config))
        if all(w in (None, v) for w, v in zip(wanted, (cell.dataset, cell.architecture, cell.seed), strict=True))
    ]


def other_seed(config: StudyConfig, cell: Cell) -> Cell | None:
    """The same cell with the study's next seed, the first after the last; None if it has one seed only."""
    seeds = sorted({c.seed for c in study_cells(config) if replace(c, seed=cell.seed) == cell} | {cell.seed})
    following = seeds[(seeds.index(cell.seed) + 1) % len(seeds)]
    return None if following == cell.seed else replace(cell, seed=following)


def is_trained(config: StudyConfig, cell: Cell) -> bool:
    """Whether a cell has weights of its own."""
    return parent_cells(config, cell) == (cell,)
