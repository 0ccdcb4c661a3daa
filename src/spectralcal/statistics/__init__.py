"""Intervals, paired comparisons and rankings: arrays in, numbers out; nothing is drawn or read here."""

from spectralcal.statistics.bootstrap import Interval, bootstrap_mean, group_means, resampled_means
from spectralcal.statistics.paired import PairedDifference, holm, paired_difference, wilcoxon_p
from spectralcal.statistics.ranks import (
    FriedmanTest,
    RankStability,
    average_ranks,
    critical_difference,
    friedman_test,
    rank_stability,
    ranks,
)

__all__ = [
    "FriedmanTest",
    "Interval",
    "PairedDifference",
    "RankStability",
    "average_ranks",
    "bootstrap_mean",
    "critical_difference",
    "friedman_test",
    "group_means",
    "holm",
    "paired_difference",
    "rank_stability",
    "ranks",
    "resampled_means",
    "wilcoxon_p",
]
