"""Networks that are calibrated by construction: smooth probabilities, and labels that are drawn from them."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

SHAPES = {2: (260, 280), 3: (60, 50, 56)}


def network(seed: int, ndim: int, classes: int, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Probabilities (C, *spatial) of smooth structures in more background, from almost certain to undecided."""
    rng = np.random.default_rng(seed)
    shape = shape or SHAPES[ndim]
    logits = np.stack([gaussian_filter(rng.normal(size=shape), 4) for _ in range(classes)])
    logits = 4 * logits / logits.std()
    logits[0] += 4
    e = np.exp(logits - logits.max(0))
    return (e / e.sum(0)).astype(np.float32)


def drawn(probabilities: np.ndarray, seed: int) -> np.ndarray:
    """One label per voxel, from its probabilities."""
    u = np.random.default_rng(seed).random(probabilities.shape[1:])
    below = np.cumsum(probabilities.astype(float), axis=0)[:-1]
    return (u >= below).sum(0).astype(np.uint8)
