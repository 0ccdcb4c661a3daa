"""The interval over seeds and patients once more, with loops and from the textbook: what figures are compared with."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy import stats


def interval(table: Sequence[Sequence[float]], level: float = 0.95) -> tuple[float, float, float]:
    """Mean and ends of (seeds, patients) numbers, none of them missing."""
    seeds, people = len(table), len(table[0])
    mean = sum(map(sum, table)) / (seeds * people)
    rows = [sum(row) / people for row in table]
    columns = [sum(row[p] for row in table) / seeds for p in range(people)]
    among = seeds * sum((value - mean) ** 2 for value in columns) / (people - 1)
    between = rest = 0.0
    if seeds > 1:
        between = people * sum((value - mean) ** 2 for value in rows) / (seeds - 1)
        rest = sum((table[s][p] - rows[s] - columns[p] + mean) ** 2 for s in range(seeds) for p in range(people)) / (
            (seeds - 1) * (people - 1)
        )
    extra = max(among - rest, 0.0)
    if between + extra == 0:
        return mean, mean, mean
    spread = extra**2 / (people - 1) + (between**2 / (seeds - 1) if seeds > 1 else 0.0)
    half = stats.t.ppf((1 + level) / 2, max((between + extra) ** 2 / spread, 1)) * math.sqrt(
        (between + extra) / (seeds * people)
    )
    return mean, mean - half, mean + half


def of_ratio(top: Sequence[Sequence[float]], bottom: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """The same of a ratio of sums, from the residuals of the delta method."""
    total = sum(map(sum, bottom))
    ratio, count = sum(map(sum, top)) / total, len(bottom) * len(bottom[0])
    return interval(
        [
            [ratio + (top[s][p] - ratio * bottom[s][p]) * count / total for p in range(len(top[0]))]
            for s in range(len(top))
        ]
    )
