"""Voxels whose labels are drawn from their probabilities, and what of them errors without bins are made of."""

from __future__ import annotations

import numpy as np

VOXELS = 1_000_000


def volume(temperature, cap, voxels=VOXELS, seed=0):
    """Probabilities (3, n) of mostly easy voxels and labels (n,) drawn from them at another temperature.

    With a cap, no probability is above it, as after label smoothing: most voxels then have nearly the same confidence.
    """
    random = np.random.default_rng(seed)
    easy = random.random(voxels) < 0.9
    logits = random.normal(0, np.where(easy, 1.0, 2.0), (3, voxels))
    logits[0] += np.where(easy, random.normal(9, 3, voxels), 0.5)
    truth = np.exp(logits / temperature - (logits / temperature).max(0))
    labels = (random.random(voxels) > np.cumsum(truth / truth.sum(0), axis=0)[:-1]).sum(0)
    shares = np.exp(logits - logits.max(0))
    shares = shares / shares.sum(0) * cap + (1 - cap) / 3
    return shares.astype(np.float32), labels


def points_of(probabilities, labels, label):
    """Distinct probabilities of a class, or of the top label, with voxels, sums and hits: nothing is binned."""
    p = probabilities.max(0) if label is None else probabilities[label]
    hit = (probabilities.argmax(0) if label is None else label) == labels
    values, place = np.unique(p.astype(np.float64), return_inverse=True)
    count = np.bincount(place)
    return values, count, values * count, np.bincount(place, hit)
