"""What scoring keeps of each case: its few numbers, in arrays, so that thousands of images fit in memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from spectralcal.base.errors import ResultError
from spectralcal.scoring.contract import Mergeable, Scored

#: what the scores of all cases have in common: a handful of combinations
_KIND = ("class", "metric", "protocol", "status")


class ScoreRows(Sequence):
    """Rows of cases.csv, in the order in which they were added.

    A row reads as a dictionary with the keys ``case``, ``patient``, ``class``, ``metric``, ``protocol``, ``value`` and
    ``status``. Kept are its value and two numbers, 16 bytes instead of 500.
    """

    def __init__(self) -> None:
        self._cases: list[tuple[str, str]] = []
        self._kinds: dict[tuple[str, ...], int] = {}
        self._names: list[tuple[str, ...]] = []
        self._case, self._kind, self._value = array("I"), array("I"), array("d")

    def add(self, case: str, patient: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append the rows of a case, or of the pool of all cases, which lack the case and its patient."""
        self._cases.append((case, patient))
        for row in rows:
            kind = tuple(row[name] for name in _KIND)
            if kind not in self._kinds:
                self._kinds[kind] = len(self._names)
                self._names.append(kind)
            self._case.append(len(self._cases) - 1)
            self._kind.append(self._kinds[kind])
            self._value.append(row["value"])

    def __len__(self) -> int:
        return len(self._value)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        case, patient = self._cases[self._case[index]]
        name, metric, protocol, status = self._names[self._kind[index]]
        score = {"class": name, "metric": metric, "protocol": protocol, "value": self._value[index], "status": status}
        return {"case": case, "patient": patient, **score}


class CaseArrays:
    """Arrays of `count` cases, cases on the first axis, filled one by one: nothing is copied to join them."""

    def __init__(self, count: int) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self._count, self._filled = count, 0

    def append(self, entry: Mapping[str, np.ndarray]) -> None:
        """Add the arrays of the next case.

        Raises:
            ValueError: an array has another shape than that of the first case.
        """
        for key, value in entry.items():
            value = np.asarray(value)
            if key not in self.arrays:
                self.arrays[key] = np.empty((self._count, *value.shape), value.dtype)
            if value.shape != self.arrays[key].shape[1:]:
                raise ValueError(f"{key}: expected shape {self.arrays[key].shape[1:]} as before, got {value.shape}")
            self.arrays[key][self._filled] = value
        self._filled += 1


class ScorerPool:
    """One scorer's results for `count` cases: their arrays, and the sum of their parts."""

    def __init__(self, count: int) -> None:
        self.parts: dict[str, Mergeable] = {}
        self._arrays = CaseArrays(count)
        self._names: tuple[str, ...] | None = None

    def add(self, name: str, scored: Scored) -> None:
        """Merge the next case. The parts of the first one become the pool.

        Raises:
            ResultError: it has other arrays than the cases before.
        """
        names = tuple(scored.arrays)
        if self._names is not None and set(names) != set(self._names):
            raise ResultError(
                f"evaluation.scorers: '{name}': expected the arrays {sorted(self._names)} in every case, returned "
                f"{sorted(names)}"
            )
        self._names = names
        try:
            self._arrays.append(scored.arrays)
        except ValueError as error:
            raise ResultError(f"evaluation.scorers: '{name}': {error}") from error
        for key, part in scored.parts.items():
            if key in self.parts:
                self.parts[key].merge(part)
            else:
                self.parts[key] = part

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays of all cases, cases on the first axis."""
        return self._arrays.arrays
