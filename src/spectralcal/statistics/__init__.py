"""Intervals, comparisons and rankings: arrays in, numbers out; nothing is drawn or read here."""

from spectralcal.statistics.compare import Best, lead
from spectralcal.statistics.crossed import (
    FEWEST_PATIENTS,
    FEWEST_SEEDS,
    Crossed,
    CrossedMany,
    NearNull,
    crossed,
    crossed_many,
    near_null,
    over_trainings,
    together,
)
from spectralcal.statistics.groups import grid_of_patients
from spectralcal.statistics.influence import influence, pooled_ratio, ratio
from spectralcal.statistics.jackknife import jackknifed
from spectralcal.statistics.multiple import holm
from spectralcal.statistics.permutation import exact_correlation_p
from spectralcal.statistics.ranks import FriedmanTest, average_ranks, critical_difference, friedman_test, ranks

__all__ = [
    "FEWEST_PATIENTS",
    "FEWEST_SEEDS",
    "Best",
    "Crossed",
    "CrossedMany",
    "FriedmanTest",
    "NearNull",
    "average_ranks",
    "critical_difference",
    "crossed",
    "crossed_many",
    "exact_correlation_p",
    "friedman_test",
    "grid_of_patients",
    "holm",
    "influence",
    "jackknifed",
    "lead",
    "near_null",
    "over_trainings",
    "pooled_ratio",
    "ranks",
    "ratio",
    "together",
]
