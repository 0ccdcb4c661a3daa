"""Intervals, paired comparisons and rankings: arrays in, numbers out; nothing is drawn or read here."""

from spectralcal.statistics.bootstrap import Interval, bootstrap_mean, group_means, resampled_means
from spectralcal.statistics.compare import (
    FEWEST_TO_RANK,
    Best,
    Comparison,
    WinTieLoss,
    best_of,
    compare_with,
    distinguishable_best,
    fewest_to_rank,
    lead,
    win_tie_loss,
)
from spectralcal.statistics.paired import PairedDifference, holm, paired_difference, wilcoxon_p
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
from spectralcal.statistics.seeds import SeedSpread, seed_spread

__all__ = [
    "FEWEST_TO_RANK",
    "Best",
    "Comparison",
    "FriedmanTest",
    "Interval",
    "PairedDifference",
    "RankStability",
    "SeedSpread",
    "WinTieLoss",
    "average_ranks",
    "best_of",
    "bootstrap_mean",
    "compare_with",
    "critical_difference",
    "distinguishable_best",
    "exact_correlation_p",
    "fewest_to_rank",
    "friedman_test",
    "group_means",
    "holm",
    "lead",
    "nemenyi_p",
    "paired_difference",
    "rank_stability",
    "ranks",
    "resampled_means",
    "seed_spread",
    "wilcoxon_p",
    "win_tie_loss",
]
