"""Histogram binning, one class against the rest."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from spectralcal.posthoc._binned import count, edges, frequency_log_odds, rounded
from spectralcal.posthoc._one_vs_rest import OneVsRest


class HistogramBinning(OneVsRest):
    """The class's frequency among the validation voxels of the same bin, divided by the classes' sum.

    A frequency is the likeliest probability of its bin. An empty bin keeps its middle. Voxels of one bin become
    indistinguishable: predictions change where two classes fall into bins of the same frequency.

    Source: Zadrozny and Elkan, "Obtaining calibrated probability estimates from decision trees and naive Bayesian
    classifiers", ICML 2001.

    Args:
        bins: number of bins.
        limit: inner bins are equally wide in the log-odds up to this, either side of zero. The defaults make them 1
            wide, about as fine at one half as the 15 bins of the usual ECE, and keep the orders of magnitude of small
            probabilities apart, which 15 bins of probability would throw into one.
    """

    state = ("edges", "log_odds")

    def __init__(self, bins: int = 22, limit: float = 10.0) -> None:
        super().__init__()
        if bins < 3 or limit <= 0:
            raise ValueError(f"expected at least 3 bins and a limit above 0, got {bins} and {limit}")
        self.bins, self.limit = bins, limit

    def estimate(self, logits: Tensor, labels: Tensor) -> None:
        """Count logits (N, C) and labels (N,) in bins."""
        inner = edges(self.bins, self.limit)
        voxels, positives, _ = count(logits, labels, inner)
        width = float(inner[1] - inner[0])
        middles = np.append(inner.numpy() - width / 2, self.limit + width / 2)
        with np.errstate(invalid="ignore"):
            fitted = np.where(voxels > 0, frequency_log_odds(positives / voxels, len(labels)), middles)
        self.edges, self.log_odds = rounded(inner.numpy()), [rounded(row) for row in fitted]

    def calibrated(self, odds: Tensor) -> Tensor:
        """Log-odds of the frequency in each voxel's bin, for log-odds (B, C, *spatial)."""
        if len(self.log_odds) != odds.shape[1]:
            raise ValueError(f"fitted to {len(self.log_odds)} classes, got logits of {odds.shape[1]}")
        inner = odds.new_tensor(self.edges)
        return torch.stack(
            [odds.new_tensor(row)[torch.bucketize(odds[:, c].contiguous(), inner, right=True)]
             for c, row in enumerate(self.log_odds)], 1
        )  # fmt: skip


POST_HOC = HistogramBinning
NUMERICS = 1  # see spectralcal.study.numerics
