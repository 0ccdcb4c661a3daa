"""Intervals, paired comparisons and rankings: arrays in, numbers out; nothing is drawn or read here."""

from spectralcal.statistics.bootstrap import Interval, bootstrap_mean, resampled_means
from spectralcal.statistics.compare import Best, lead
from spectralcal.statistics.crossed import FEWEST_PATIENTS, FEWEST_SEEDS, Crossed, NearNull, crossed, near_null
from spectralcal.statistics.groups import grid_of_patients, group_means
from spectralcal.statistics.influence import influence, ratio
from spectralcal.statistics.multiple import holm
from spectralcal.statistics.paired import PairedDifference, paired_difference
from spectralcal.statistics.permutation import exact_correlation_p
from spectralcal.statistics.ranks import (
    FriedmanTest,
    RankStability,
    average_ranks,
    critical_difference,
    friedman_test,
    nemenyi_p,
    rank_stability,
    ranks,
)

__all__ = [
    "FEWEST_PATIENTS",
    "FEWEST_SEEDS",
    "Best",
    "Crossed",
    "FriedmanTest",
    "Interval",
    "NearNull",
    "PairedDifference",
    "RankStability",
    "average_ranks",
    "bootstrap_mean",
    "critical_difference",
    "crossed",
    "exact_correlation_p",
    "friedman_test",
    "grid_of_patients",
    "group_means",
    "holm",
    "influence",
    "lead",
    "near_null",
    "nemenyi_p",
    "paired_difference",
    "rank_stability",
    "ranks",
    "ratio",
    "resampled_means",
]
