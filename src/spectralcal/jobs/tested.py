"""The cases that a cell is scored on: its own test cases, those of another data set, or either with changed images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from spectralcal.base.errors import ConfigError
from spectralcal.data.manifest import PreparedCase
from spectralcal.jobs.cell_data import CellData, load_data
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
        ConfigError: the other data set has other classes, channels or axes; a transform's option is out of its range.
    """
    condition = cell.condition
    if condition.dataset is not None and condition.dataset != cell.dataset:
        other = load_data(cell.study, condition.dataset)
        _check_alike(cell, data, other)
        hashes = {"tested_manifest_hash": other.manifest_hash, "tested_split_hash": other.split_hash}
        data = replace(data, facts=other.facts, scored=other.scored, **hashes)
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
    try:
        return [build_transform(entry.name, dict(entry.arguments)) for entry in cell.condition.corrupt]
    except (TypeError, ValueError) as error:
        raise ConfigError(f"evaluation.conditions.{cell.condition.name}.corrupt: {error}") from error


def _corrupted(case: PreparedCase, transforms: Sequence[Transform]) -> CorruptedCase:
    return CorruptedCase(
        **{field.name: getattr(case, field.name) for field in fields(PreparedCase)}, transforms=transforms
    )
