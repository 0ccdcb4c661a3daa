"""A cell with all that its study says of it, found out once: what training, scoring and recipes are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spectralcal.study.conditions import TEST, Condition, condition_of
from spectralcal.study.config import EvaluationConfig, InferenceConfig, StudyConfig, TrainingConfig
from spectralcal.study.grid import Cell, parent_cells
from spectralcal.study.methods import Method, method_of
from spectralcal.study.paths import CellPaths, StudyPaths


@dataclass(frozen=True, eq=False)
class ResolvedCell:
    """What a study says of one cell. Facts and cases of its data set come with the data
    (:class:`spectralcal.jobs.cell_data.CellData`).

    Attributes:
        study: the configuration; what is asked of it belongs to no cell: devices, data sets.
        key: data set, architecture, method and seed.
        method: loss, its arguments, ensemble and post-hoc step.
        network: registered name of the network.
        network_options: those that the configuration gives.
        parents: the cells whose weights this one is scored with: itself, that of its loss, or the members of its
            ensemble.
        training: settings, with what data set and architecture change.
        inference: settings of predictions.
        evaluation: scorers and their settings.
        condition: what its network is tested on.
        files: where its results lie, those of the condition; weights are among the files of :attr:`trainings`.
    """

    study: StudyConfig
    key: Cell
    method: Method
    network: str
    network_options: Mapping[str, Any]
    parents: tuple[Cell, ...]
    training: TrainingConfig
    inference: InferenceConfig
    evaluation: EvaluationConfig
    condition: Condition
    files: CellPaths

    @property
    def dataset(self) -> str:
        """Name of the data set in the study."""
        return self.key.dataset

    @property
    def tested(self) -> str:
        """Name of the data set whose cases are scored."""
        return self.condition.dataset or self.dataset

    @property
    def seed(self) -> int:
        """Seed of weights, batches and augmentations."""
        return self.key.seed

    @property
    def patch(self) -> tuple[int, ...]:
        """Voxels of a training patch, and of a window of predictions."""
        return self.training.patch

    @property
    def trainings(self) -> tuple[ResolvedCell, ...]:
        """The parents, resolved."""
        return tuple(resolve(self.study, parent) for parent in self.parents)

    def __str__(self) -> str:
        return str(self.key) if self.condition.name == TEST else f"{self.key}, condition {self.condition.name}"


def resolve(study: StudyConfig, cell: Cell, condition: str = TEST) -> ResolvedCell:
    """A cell with everything that its study says of it; no file is read.

    Args:
        study: the configuration.
        cell: data set, architecture, method and seed.
        condition: name of what its network is tested on.

    Raises:
        ConfigError: its method is no method, or the study has no such condition.
    """
    architecture = study.architecture_of(cell.dataset, cell.architecture)
    return ResolvedCell(
        study=study,
        key=cell,
        method=method_of(study, cell.method),
        network=architecture.network or cell.architecture,
        network_options=architecture.options,
        parents=parent_cells(study, cell),
        training=study.training_of(cell.dataset, cell.architecture),
        inference=study.inference,
        evaluation=study.evaluation,
        condition=condition_of(study, condition),
        files=StudyPaths(study).cell(cell, condition),
    )
