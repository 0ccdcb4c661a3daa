"""How much of a result is the seed's: spread over repeated trainings, apart from the spread over patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spectralcal.statistics.bootstrap import group_means


@dataclass(frozen=True, eq=False)
class SeedSpread:
    """Means of repeated trainings.

    Attributes:
        seeds: (k,) labels.
        means: (k,) mean over patients of each seed.
        mean: of :attr:`means`.
        deviation: their standard deviation with k - 1; nan for one seed.
        low, high: smallest and largest of :attr:`means`.
    """

    seeds: np.ndarray
    means: np.ndarray
    mean: float
    deviation: float
    low: float
    high: float


def seed_spread(values: np.ndarray, seeds: np.ndarray, groups: np.ndarray | None = None) -> SeedSpread:
    """Mean over patients of each seed, and the spread of these means.

    Only patients with a value under every seed enter, so that the spread is not one of who was left out.

    Args:
        values: (n,) numbers; nan where there is none.
        seeds: (n,) labels of the training that a value comes from.
        groups: (n,) labels of patients; without them each seed's values are averaged as they are.

    Raises:
        ValueError: shapes that differ, infinite values, or no patient that all seeds have.
    """
    values, seeds = np.asarray(values, np.float64), np.asarray(seeds)
    if values.ndim != 1 or seeds.shape != values.shape or (groups is not None and np.shape(groups) != values.shape):
        raise ValueError(
            f"expected values, seeds and groups (n,), got shapes {values.shape}, {seeds.shape} and {np.shape(groups)}"
        )
    labels = np.unique(seeds)
    if groups is not None:
        tables = [
            dict(zip(*group_means(values[seeds == s], np.asarray(groups)[seeds == s]), strict=True)) for s in labels
        ]
        shared = sorted(set.intersection(*(set(t) for t in tables))) if tables else []
        rows = [[t[g] for g in shared] for t in tables]
    else:
        rows = [group_means(values[seeds == s])[1] for s in labels]
    if not rows or not all(len(row) for row in rows):
        raise ValueError("expected at least one patient with a value under every seed, got none")
    means = np.array([np.mean(row) for row in rows])
    deviation = float(means.std(ddof=1)) if means.size > 1 else float("nan")
    return SeedSpread(labels, means, float(means.mean()), deviation, float(means.min()), float(means.max()))
