"""The prepared cases of a cell, by side of the split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spectralcal.study.config import StudyConfig
from spectralcal.study.paths import StudyPaths

if TYPE_CHECKING:
    from spectralcal.data.manifest import PreparedCase


@dataclass(frozen=True)
class CellData:
    """Prepared cases of a cell by side of the split, and the hashes that tie a result to them.

    `scored` are those on which cells are scored: the test cases, or the validation cases if the configuration says so.
    """

    train: list[PreparedCase]
    validation: list[PreparedCase]
    scored: list[PreparedCase]
    manifest_hash: str
    split_hash: str


def load_data(config: StudyConfig, dataset: str) -> CellData:
    """Prepared cases of a data set, by side of the split."""
    from spectralcal.data.manifest import manifest_hash, read_manifest
    from spectralcal.data.splits import read_split

    paths = StudyPaths(config)
    cases = {case.id: case for case in read_manifest(paths.manifest(dataset))}
    split = read_split(paths.split(dataset), list(cases.values()))
    scored = {"test": "test", "validation": "val"}[config.evaluation.side]
    sides = [[cases[name] for name in split[side]] for side in ("train", "val", scored)]
    return CellData(*sides, manifest_hash(paths.manifest(dataset)), split["hash"])
