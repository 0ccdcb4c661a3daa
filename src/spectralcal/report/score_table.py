"""The table of all scores of a study, of which no more is read than is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import pandas as pd

from spectralcal.base.errors import ResultError
from spectralcal.study.conditions import TEST
from spectralcal.study.grid import Cell

COLUMNS = (
    "dataset",
    "architecture",
    "method",
    "seed",
    "case",
    "patient",
    "class",
    "metric",
    "protocol",
    "value",
    "status",
)
KEYS = ("dataset", "architecture", "method", "seed")
#: case of a score of all voxels together, among scores that were read: no case can have a name that is no folder's
POOL = "pooled/"
WRITTEN_POOL = "pooled"


class ScoreTable:
    """Scores of what networks were tested on under one condition.

    Args:
        path: cases.parquet of a study.
        condition: as in its column of that name, which only a study with conditions has.
    """

    def __init__(self, path: Path, condition: str = TEST) -> None:
        self.path, self.condition = path, condition

    @cached_property
    def _columns(self) -> list[str]:
        """The columns of the file, known to be a table of scores."""
        import pyarrow.parquet as pq

        try:
            columns = pq.read_schema(self.path).names
        except (OSError, ValueError) as error:
            raise ResultError(f"{self.path}: cannot be read ({error}); run `spectralcal collect`") from error
        wanted = [*COLUMNS, *(["condition"] if self.condition != TEST else [])]
        missing = [name for name in wanted if name not in columns]
        if missing:
            raise ResultError(f"{self.path}: column '{missing[0]}' is missing; run `spectralcal collect` again")
        return columns

    @cached_property
    def scored(self) -> set[tuple]:
        """Keys of the cells that have scores."""
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        scored: set[tuple] = set()
        several = "condition" in self._columns
        for batch in pq.ParquetFile(self.path).iter_batches(columns=[*KEYS, *(["condition"] if several else [])]):
            rows = pa.Table.from_batches([batch])
            if several:
                rows = rows.filter(pc.equal(rows.column("condition"), self.condition))
            distinct = rows.group_by(list(KEYS)).aggregate([])
            scored.update(zip(*(distinct.column(key).to_pylist() for key in KEYS), strict=True))
        return scored

    def near(self, cells: Iterable[Cell]) -> pd.DataFrame:
        """Rows of every combination of the cells' keys: memory goes by these cells, not by the study."""
        listed = [vars(cell) for cell in cells]
        filters = [(key, "in", {cell[key] for cell in listed}) for key in KEYS]
        if "condition" in self._columns:
            filters.append(("condition", "==", self.condition))
        if not self.scored:  # columns of a table without rows have no type to compare with
            filters = None
        return _with_pools(pd.read_parquet(self.path, columns=list(COLUMNS), filters=filters))


def _with_pools(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores whose pools of all voxels have the case :data:`POOL`: in files they are called "pooled", which a case of
    the user's may be called too. Such a case has scores under a protocol that scores by case, and stands first."""
    from spectralcal.metrics.protocols import PROTOCOLS

    named = scores.case == WRITTEN_POOL
    if not named.any():
        return scores
    kind = scores.protocol.map({name: protocol.aggregation for name, protocol in PROTOCOLS.items()})
    if (named & (kind == "case")).any():
        again = scores.duplicated([*KEYS, "case", "class", "metric", "protocol"])
        named &= (kind == "pooled") | (kind.isna() & again)
    return scores.assign(case=scores.case.mask(named, POOL))
