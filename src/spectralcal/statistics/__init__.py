"""Intervals, paired comparisons and rankings: arrays in, numbers out; nothing is drawn or read here."""

from spectralcal.statistics.bootstrap import Interval, bootstrap_mean, resampled_means
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
from spectralcal.statistics.crossed import (
    FEWEST_PATIENTS,
    FEWEST_SEEDS,
    Crossed,
    CrossedMany,
    NearNull,
    crossed,
    crossed_many,
    near_null,
    together,
)
from spectralcal.statistics.groups import grid_of_patients, group_means
from spectralcal.statistics.influence import influence, pooled_ratio, ratio
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
    "FEWEST_PATIENTS",
    "FEWEST_SEEDS",
    "FEWEST_TO_RANK",
    "Best",
    "Comparison",
    "Crossed",
    "CrossedMany",
    "FriedmanTest",
    "Interval",
    "NearNull",
    "PairedDifference",
    "RankStability",
    "SeedSpread",
    "WinTieLoss",
    "average_ranks",
    "best_of",
    "bootstrap_mean",
    "compare_with",
    "critical_difference",
    "crossed",
    "crossed_many",
    "distinguishable_best",
    "exact_correlation_p",
    "fewest_to_rank",
    "friedman_test",
    "grid_of_patients",
    "group_means",
    "holm",
    "influence",
    "lead",
    "near_null",
    "nemenyi_p",
    "paired_difference",
    "pooled_ratio",
    "rank_stability",
    "ranks",
    "ratio",
    "resampled_means",
    "seed_spread",
    "together",
    "wilcoxon_p",
    "win_tie_loss",
]
