"""The paper's printed numbers as intervals: a number of one decimal stands for everything that rounds to it."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spectralcal.report.claims.finding import PRINTED, Finding, Measure, Part, conclude
from spectralcal.report.printed import FOLDER as FOLDER_OF_TABLES
from spectralcal.report.printed import paper_values
from spectralcal.study.config import read_paper

FOLDER = Path(__file__).parents[1]
_PAPER = read_paper(FOLDER.name)
#: the paper's losses in the order of its tables
LOSSES = tuple(method.printed for method in _PAPER.methods.values() if method.printed)
BASELINES = LOSSES[:-1]
#: our names of the paper's data sets -> its own
DATA_SETS = _PAPER.datasets
WHERE = "printed tables"


class Rounded(NamedTuple):
    """A printed number and the interval that rounds to it; nan and infinite ends if it is lost."""

    value: float
    low: float
    high: float

    def __sub__(self, other: Rounded) -> Rounded:  # type: ignore[override]
        return Rounded(self.value - other.value, self.low - other.high, self.high - other.low)

    def __neg__(self) -> Rounded:
        return Rounded(-self.value, -self.high, -self.low)

    @property
    def measure(self) -> Measure:
        """As a measurement."""
        return Measure(self.value, self.low, self.high, "rounding")


LOST = Rounded(float("nan"), -float("inf"), float("inf"))


def printed(table: str, data_set: str, metric: str, method: str) -> Rounded:
    """A cell of ``"table1"`` ... ``"table4"`` under the paper's names, in its own unit.

    Raises:
        KeyError: the paper has no such cell.
    """
    value = paper_values(FOLDER, table)[data_set, metric, method].value
    if value is None:
        return LOST
    half = (0.5 - 1e-6) * 10.0 ** -_decimals(table, metric)  # rounding keeps order, so neighbours do not touch
    return Rounded(value, value - half, value + half)


def smallest(numbers: Iterable[Rounded]) -> Rounded:
    """The least of several numbers; a lost one may be less than all others, so the lower end is open."""
    values = list(numbers)
    known = [entry.value for entry in values if np.isfinite(entry.value)]
    low, high = min(entry.low for entry in values), min(entry.high for entry in values)
    return Rounded(min(known) if known else float("nan"), low, high)


def ratio(a: Rounded, b: Rounded) -> Rounded:
    """The quotient of two positive numbers; the least divisor is kept above zero."""
    floor = 1e-12
    return Rounded(a.value / b.value, a.low / b.high, a.high / max(b.low, floor))


def rank_range(own: Rounded, others: Sequence[Rounded]) -> Rounded:
    """Rank of a number where lower is better: from the others that are surely lower to those that may be.

    Numbers that are printed alike share their rank, as everywhere in this project (docs/ambiguities.md, E9).
    """
    surely = sum(other.high <= own.low for other in others)
    perhaps = sum(not other.low >= own.high for other in others)
    known = [other.value for other in others if np.isfinite(other.value)]
    ahead, level = sum(entry < own.value for entry in known), sum(entry == own.value for entry in known)
    value = 1.0 + ahead + level / 2 if np.isfinite(own.value) else float("nan")
    return Rounded(value, 1.0 + surely, 1.0 + perhaps)


def print_finding(parts: Sequence[Part], tables: Sequence[str], note: str = "") -> Finding:
    """What the printed numbers say, all parts together.

    Args:
        parts: as of :func:`~spectralcal.report.claims.finding.conclude`.
        tables: files of printed numbers that they rest on, ``"table1"`` ... ``"table4"``.
        note: a further sentence.
    """
    return conclude(WHERE, parts, "; ".join(map(file_of, tables)), PRINTED, note=note)


def file_of(table: str) -> str:
    """Where a transcribed table lies in the repository."""
    return f"src/spectralcal/papers/{FOLDER.name}/{FOLDER_OF_TABLES}/{table}.csv"


@functools.cache
def _decimals(table: str, metric: str) -> int:
    """Decimals that a table prints for a metric: the most there are, since trailing zeros are lost in a file."""
    values = [cell.value for (_, name, _), cell in paper_values(FOLDER, table).items() if name == metric]
    return max(len(f"{value:.6f}".rstrip("0").partition(".")[2]) for value in values if value is not None)
