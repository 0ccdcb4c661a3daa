"""Ranks of methods over data sets and metrics: of their means, and by seed and patient with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spectralcal.report.figures.case_scores import CaseScores
from spectralcal.statistics import Crossed, crossed, ranks, together
from spectralcal.statistics.crossed import LEVEL
from spectralcal.statistics.groups import table_of_patients

#: digits that make two numbers of a patient equal
EQUAL = 9


@dataclass(frozen=True, eq=False)
class Ranking:
    """Ranks over blocks, a block being a data set and a metric.

    Attributes:
        ranks: (blocks, methods) of the means, 1 is best, ties share their average; NaN for a missing one.
        compared: (methods,) have a mean in some block; the others are no competitors.
        counted: (blocks,) hold every compared method; only these enter what follows.
        mean: method -> its rank within a seed and patient, mean over these and the counted blocks; compared ones only.
        behind: method -> its mean rank minus that of the first, at Bonferroni's level for the first against every other
            method; without the first.
    """

    ranks: np.ndarray
    compared: np.ndarray
    counted: np.ndarray
    mean: dict[str, Crossed]
    behind: dict[str, Crossed]


def rank_blocks(blocks: Sequence[CaseScores]) -> Ranking:
    """Rank methods in every block by their means as tables print them, and within every seed and patient.

    Ranks of means jump where two means meet and have no standard error; the mean of ranks within seeds and patients
    has one. A block in which a compared method has no result would give the others better ranks than they earned, so
    it does not count.

    Args:
        blocks: with the same methods in the same order.
    """
    means = np.stack([_printed(block.means, block) for block in blocks])  # (blocks, methods), lower is better
    compared = np.isfinite(means).any(0)
    counted = np.isfinite(means[:, compared]).all(1) & compared.any()
    names = [method for method, there in zip(blocks[0].methods, compared, strict=True) if there]
    mean: dict[str, Crossed] = {}
    behind: dict[str, Crossed] = {}
    if counted.any() and len(names) > 1:
        parts = _parts([block for block, counts in zip(blocks, counted, strict=True) if counts], names)
        mean = {name: _together([part[i] for part in parts]) for i, name in enumerate(names)}
        first = min(range(len(names)), key=lambda i: mean[names[i]].estimate)
        level = 1 - (1 - LEVEL) / (len(names) - 1)
        behind = {
            name: _together([part[i] - part[first] for part in parts]).at(level)
            for i, name in enumerate(names)
            if i != first
        }
    return Ranking(ranks(means), compared, counted, mean, behind)


def ranks_by_patient(block: CaseScores, names: Sequence[str]) -> np.ndarray:
    """(methods, seeds, patients) ranks within each seed and patient, 1 is best; NaN where a method has no value.

    Args:
        block: the scores; a patient's cases are averaged first.
        names: methods that are ranked.
    """
    chosen = block.values[[block.methods.index(name) for name in names]].swapaxes(1, 2)
    table = np.round(table_of_patients(chosen, block.patients), EQUAL)  # (methods, seeds, patients)
    flat = table.reshape(len(names), -1).T
    whole = np.isfinite(flat).all(1)
    ranked = np.full(flat.shape, np.nan)
    if whole.any():
        ranked[whole] = ranks(flat[whole], lower_is_better=not block.column.higher)
    return ranked.T.reshape(table.shape)


def _printed(means: np.ndarray, block: CaseScores) -> np.ndarray:
    """Means as tables print them, turned so that lower is better."""
    return np.round(-means if block.column.higher else means, block.column.decimals)


def _parts(blocks: Sequence[CaseScores], names: Sequence[str]) -> list[np.ndarray]:
    """For each data set (methods, seeds, patients) ranks, whose means sum up to the mean rank over all blocks."""
    parts = []
    for dataset in dict.fromkeys(block.dataset for block in blocks):
        mine = [block for block in blocks if block.dataset == dataset]
        # Patients of all metrics; what one metric lacks has no mean over them.
        labels = sorted(set.intersection(*(set(block.patients) for block in mine)))
        tables = [
            ranks_by_patient(block, names)[..., np.searchsorted(np.unique(block.patients), labels)] for block in mine
        ]
        table = np.sum(tables, axis=0) / len(blocks)
        parts.append(table[:, np.isfinite(table).any((0, 2))])
    return parts


def _together(tables: Sequence[np.ndarray]) -> Crossed:
    intervals = [crossed(table) for table in tables]
    return together(intervals, sum(one.estimate for one in intervals))
