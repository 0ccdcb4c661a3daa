"""Isotonic regression, one class against the rest."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import isotonic_regression
from torch import Tensor

from spectralcal.posthoc._binned import count, edges, frequency_log_odds, rounded
from spectralcal.posthoc._one_vs_rest import OneVsRest


class IsotonicRegression(OneVsRest):
    """The likeliest map of each class's probability that never falls, divided by the classes' sum.

    Pooling adjacent violators on the frequencies of fine bins of log-odds; between the mean log-odds of two bins the
    map is straight in log-odds, beyond the outermost it is constant.

    Source: Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability estimates", KDD
    2002.

    Args:
        bins: number of bins; 258 are an eighth wide, which is a change of probability of at most 0.03.
        limit: inner bins are equally wide in the log-odds up to this, either side of zero; 16 is a probability of
            1e-7, below one voxel in all that are fitted.
    """

    state = ("log_odds", "calibrated_log_odds")

    def __init__(self, bins: int = 258, limit: float = 16.0) -> None:
        super().__init__()
        if bins < 3 or limit <= 0:
            raise ValueError(f"expected at least 3 bins and a limit above 0, got {bins} and {limit}")
        self.bins, self.limit = bins, limit

    def estimate(self, logits: Tensor, labels: Tensor) -> None:
        """Fit to logits (N, C) and labels (N,)."""
        self.log_odds, self.calibrated_log_odds = [], []
        for voxels, positives, middles in zip(*count(logits, labels, edges(self.bins, self.limit)), strict=True):
            there = voxels > 0
            fitted = isotonic_regression(positives[there] / voxels[there], weights=voxels[there])
            # Only the ends of a constant stretch matter to what is straight between knots.
            ends = np.zeros(there.sum(), bool)
            ends[fitted.blocks[:-1]] = ends[fitted.blocks[1:] - 1] = True
            self.log_odds.append(rounded(middles[there][ends]))
            self.calibrated_log_odds.append(rounded(frequency_log_odds(fitted.x[ends], len(labels))))

    def calibrated(self, odds: Tensor) -> Tensor:
        """The map of log-odds (B, C, *spatial)."""
        if len(self.log_odds) != odds.shape[1]:
            raise ValueError(f"fitted to {len(self.log_odds)} classes, got logits of {odds.shape[1]}")
        knots = zip(self.log_odds, self.calibrated_log_odds, strict=True)
        return torch.stack([_straight(odds[:, c], *map(odds.new_tensor, pair)) for c, pair in enumerate(knots)], 1)


def _straight(x: Tensor, knots: Tensor, values: Tensor) -> Tensor:
    """Linear interpolation between knots (K,) of values (K,), constant beyond them."""
    if len(knots) == 1:
        return values.expand_as(x)
    right = torch.bucketize(x.contiguous(), knots).clamp(1, len(knots) - 1)
    left = right - 1
    share = ((x - knots[left]) / (knots[right] - knots[left])).clamp(0, 1)
    return values[left] + share * (values[right] - values[left])


POST_HOC = IsotonicRegression
NUMERICS = 1  # see spectralcal.study.numerics
