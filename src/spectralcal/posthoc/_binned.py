"""Counts of voxels by their log-odds: all that maps by frequencies need of millions of voxels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from spectralcal.posthoc._one_vs_rest import log_odds
from spectralcal.posthoc._voxels import chunks


def edges(bins: int, limit: float) -> Tensor:
    """(bins - 1,) inner edges of `bins` bins of log-odds: equally wide within +-`limit`, the outer two open.

    Equal widths in the log-odds, since the probabilities of nearly all voxels lie at zero or one: equal widths in
    probability would put them all into two bins.
    """
    return torch.linspace(-limit, limit, bins - 1, dtype=torch.float64)


def count(logits: Tensor, labels: Tensor, inner: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voxels, voxels of the class and mean log-odds (NaN without voxels) in each bin, each (C, bins)."""
    classes, bins = logits.shape[1], len(inner) + 1
    voxels, positives, sums = (torch.zeros(classes, bins, dtype=torch.float64) for _ in range(3))
    for part, target in chunks(logits, labels):
        odds = log_odds(part)
        for c in range(classes):
            place = torch.bucketize(odds[:, c].contiguous(), inner, right=True)
            voxels[c] += torch.bincount(place, minlength=bins)
            positives[c] += torch.bincount(place, (target == c).double(), minlength=bins)
            sums[c] += torch.bincount(place, odds[:, c], minlength=bins)
    return voxels.numpy(), positives.numpy(), (sums / voxels).numpy()


def frequency_log_odds(frequencies: np.ndarray, voxels: int) -> np.ndarray:
    """Log-odds of frequencies, none surer than one in `voxels` + 2: what so many voxels can show at best.

    A frequency of zero would make a single voxel of the class infinitely unlikely.
    """
    least = 1 / (voxels + 2)
    bounded = np.clip(frequencies, least, 1 - least)
    return np.log(bounded) - np.log1p(-bounded)


def rounded(values: np.ndarray) -> list[float]:
    """Numbers as a record has them: nine digits, which is float32's precision."""
    return [float(f"{value:.9g}") for value in values]
