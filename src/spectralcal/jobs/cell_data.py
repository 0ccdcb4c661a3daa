"""The prepared cases of a cell, by side of the split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spectralcal.base import registry
from spectralcal.study.config import StudyConfig
from spectralcal.study.paths import StudyPaths

if TYPE_CHECKING:
    from spectralcal.data.manifest import PreparedCase
    from spectralcal.datasets import DataFacts


@dataclass(frozen=True)
class CellData:
    """The data of a cell: its prepared cases by side of the split, and the hashes that tie a result to them.

    `scored` are those on which cells are scored: the test cases, or the validation cases if the configuration says so;
    or what a condition tests the cell on, whose `tested_` hashes are None where these are cases of the same data set.
    """

    facts: DataFacts

    train: list[PreparedCase]
    validation: list[PreparedCase]
    scored: list[PreparedCase]
    manifest_hash: str
    split_hash: str
    tested_manifest_hash: str | None = None
    tested_split_hash: str | None = None

    @property
    def hashes(self) -> tuple[str, ...]:
        """Of manifest and split, and of those of the other data set that the cell is tested on, if there is one."""
        hashes = (self.manifest_hash, self.split_hash, self.tested_manifest_hash, self.tested_split_hash)
        return tuple(each for each in hashes if each is not None)

    @property
    def in_channels(self) -> int:
        """Channels of its images."""
        return self.scored[0].image().shape[0]


def load_data(config: StudyConfig, dataset: str) -> CellData:
    """The data of a data set's cells, as prepared and split."""
    from spectralcal.data.manifest import manifest_hash, read_manifest
    from spectralcal.data.splits import read_split

    paths = StudyPaths(config)
    cases = {case.id: case for case in read_manifest(paths.manifest(dataset))}
    split = read_split(paths.split(dataset), list(cases.values()))
    scored = {"test": "test", "validation": "val"}[config.evaluation.side]
    sides = [[cases[name] for name in split[side]] for side in ("train", "val", scored)]
    return CellData(dataset_facts(config, dataset), *sides, manifest_hash(paths.manifest(dataset)), split["hash"])


def dataset_facts(config: StudyConfig, dataset: str) -> DataFacts:
    """The facts of a data set of the study.

    Where it is prepared they are what the arrays hold, and the raw folder need not be there any more; elsewhere they
    are those that its configuration and files give.

    Raises:
        DataError: damaged facts; or data of the user's own that are neither prepared nor in place.
    """
    from spectralcal.jobs.data_sets import build_dataset
    from spectralcal.preparation.facts import data_facts

    paths = StudyPaths(config)
    if paths.manifest(dataset).is_file():
        return data_facts(paths.prepared(dataset), registry.load("datasets", config.kind_of(dataset)))
    return build_dataset(config, dataset).facts
