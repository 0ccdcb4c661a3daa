"""The cases that a cell is scored on: its own test cases, those of another data set, or either with changed images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from spectralcal.base.errors import ConfigError
from spectralcal.data.manifest import PreparedCase
from spectralcal.jobs.cell_data import CellData, load_data
from spectralcal.study.conditions import is_fitted_to
from spectralcal.study.resolved import ResolvedCell
from spectralcal.transforms.contract import Transform, build_transform, corrupted


@dataclass(frozen=True)
class CorruptedCase(PreparedCase):
    """A prepared case whose image is changed when it is read; nothing is written, and labels stay.

    Attributes:
        transforms: of the image, in their order.
    """

    transforms: Sequence[Transform]

    def image(self) -> np.ndarray:
        """(C, *shape) float32."""
        return corrupted(super().image(), self.transforms, self.id)


def under_condition(cell: ResolvedCell, data: CellData) -> CellData:
    """A cell's data with what its condition tests it on as `scored`; training and validation cases stay.

    Args:
        cell: under its condition.
        data: of the data set that its network was trained on.

    Raises:
        ConfigError: the other data set has other classes, channels or axes; a transform's option is out of its range;
            the method's post-hoc step was fitted to the cases.
    """
    condition = cell.condition
    if is_fitted_to(cell.study, cell.key, condition):
        raise ConfigError(
            f"evaluation.conditions.{condition.name}: '{cell.key.method}' is fitted to the validation cases that it "
            "scores; test the method without its post-hoc step"
        )
    tested = data
    if condition.dataset is not None and condition.dataset != cell.dataset:
        tested = load_data(cell.study, condition.dataset)
        _check_alike(cell, data, tested)
        hashes = {"tested_manifest_hash": tested.manifest_hash, "tested_split_hash": tested.split_hash}
        data = replace(data, facts=tested.facts, **hashes)
    # Where it is not the study's side, which `scored` are of, it is the other one: a study that scores validation cases
    # has no condition that scores test cases.
    data = replace(data, scored=tested.scored if condition.side == cell.evaluation.side else tested.validation)
    if condition.corrupt:
        transforms = _transforms(cell)
        data = replace(data, scored=[_corrupted(case, transforms) for case in data.scored])
    return data


def _check_alike(cell: ResolvedCell, own: CellData, other: CellData) -> None:
    where = f"evaluation.conditions.{cell.condition.name}.dataset: '{cell.condition.dataset}'"
    for what, here, there in (
        ("classes", own.facts.classes, other.facts.classes),
        ("axes", own.facts.spatial_dims, other.facts.spatial_dims),
        ("channels", own.in_channels, other.in_channels),
    ):
        if here != there:
            raise ConfigError(
                f"{where}: expected the {what} that networks of '{cell.dataset}' know, {here}, found {there}; name "
                "data sets that it fits in `trained_on`"
            )


def _transforms(cell: ResolvedCell) -> list[Transform]:
    where = f"evaluation.conditions.{cell.condition.name}.corrupt"
    try:
        transforms = [build_transform(entry.name, dict(entry.arguments)) for entry in cell.condition.corrupt]
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from error
    for transform, entry in zip(transforms, cell.condition.corrupt, strict=True):
        if transform.moves_voxels:  # also of one that inherits it, which the configuration's check does not see
            raise ConfigError(f"{where}: '{entry.name}' moves voxels, and references stay where they are")
    return transforms


def _corrupted(case: PreparedCase, transforms: Sequence[Transform]) -> CorruptedCase:
    return CorruptedCase(
        **{field.name: getattr(case, field.name) for field in fields(PreparedCase)}, transforms=transforms
    )
