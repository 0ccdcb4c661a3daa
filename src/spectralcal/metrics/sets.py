"""Scores of a set of samples against a set of masks: one case that several raters drew, and a network that samples.

All overlaps of a case come from one matrix product: every sample and every mask is a row of zeros and ones, and the
product of that matrix with itself counts the voxels that two of them share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Empty = Literal["one", "zero"]
#: thresholds of :func:`dice_soft` (Ji et al., CVPR 2021)
THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.9)
#: voxels that a float32 sum of ones counts exactly
_EXACT = 1 << 24


@dataclass(frozen=True)
class SetDistances:
    """Distances ``1 - IoU`` between samples and masks of a case.

    Attributes:
        cross: (K, n) of sample and mask.
        masks: (n, n) of two masks.
        samples: (K, K) of two samples.
    """

    cross: np.ndarray
    masks: np.ndarray
    samples: np.ndarray

    def ged(self, *, unbiased: bool = False) -> float:
        """The generalised energy distance of these distances, see :func:`ged`."""
        return 2 * self.cross.mean() - self.masks.mean() - self.diversity(unbiased=unbiased)

    def diversity(self, *, unbiased: bool = False) -> float:
        """Mean distance of two samples; `unbiased`: of two different ones."""
        count = len(self.samples)
        if not unbiased:
            return float(self.samples.mean())
        if count < 2:
            raise ValueError("unbiased: expected at least two samples, received one")
        return float((self.samples.sum() - np.trace(self.samples)) / (count * (count - 1)))

    def first(self, count: int) -> SetDistances:
        """The same of the first `count` samples: a sweep over K needs one prediction."""
        if not 1 <= count <= len(self.samples):
            raise ValueError(f"count: expected 1 to {len(self.samples)} samples, received {count}")
        return SetDistances(self.cross[:count], self.masks, self.samples[:count, :count])


def set_distances(samples: object, masks: object, empty: Empty = "one") -> SetDistances:
    """``1 - IoU`` of all pairs of samples and masks of one case.

    Args:
        samples: (K, *S) probabilities or 0/1, array or tensor; a sample is where its probability is above 0.5,
            strictly, compared in float32.
        masks: (n, *S) of 0 and 1, one per rater.
        empty: IoU of two empty masks: "one" (nothing was to be found and nothing was: distance 0) or "zero" (distance
            1, of a mask with itself too). Default "one": under "zero" empty samples count as diverse, which pays back
            exactly 1 of the distance that they earn.

    Raises:
        ValueError: shapes that do not fit, masks that are not 0 and 1, samples outside [0, 1], an unknown `empty`.
    """
    if empty not in ("one", "zero"):
        raise ValueError(f"empty: expected 'one' or 'zero', received {empty!r}")
    probabilities, drawn = _case(samples, masks)
    count = len(probabilities)
    shared, area = _shared(_binary(probabilities), drawn)
    union = area[:, None] + area[None, :] - shared
    iou = np.divide(shared, union, out=np.full(shared.shape, float(empty == "one")), where=union > 0)
    distance = 1 - iou
    return SetDistances(distance[:count, count:], distance[count:, count:], distance[:count, :count])


def ged(samples: object, masks: object, empty: Empty = "one", unbiased: bool = False) -> float:
    """Generalised energy distance (squared) between samples and raters: lower is better.

    ``2 E d(sample, mask) - E d(mask, mask) - E d(sample, sample)`` with d = 1 - IoU over all ordered pairs, a mask or
    sample with itself included. The last term counts a sample against itself and so shrinks with K; use `unbiased` to
    compare different K.

    Args:
        samples, masks, empty: as for :func:`set_distances`.
        unbiased: leave the pairs of a sample with itself out; its expectation does not depend on K. Default False, the
            published form.

    Returns:
        A value in [0, 2]; an unbiased one may be a little below 0.

    Raises:
        ValueError: as :func:`set_distances`; one sample with `unbiased`.

    Source: Szekely and Rizzo 2013; Kohl et al., NeurIPS 2018 (their D^2_GED).
    """
    return float(set_distances(samples, masks, empty).ged(unbiased=unbiased))


def dice_matrix(samples: object, masks: object) -> np.ndarray:
    """(n, K) Dice of each mask and each sample; 1 where both are empty. Arguments as for :func:`set_distances`."""
    probabilities, drawn = _case(samples, masks)
    count = len(probabilities)
    shared, area = _shared(_binary(probabilities), drawn)
    total = area[count:, None] + area[None, :count]
    return np.divide(2 * shared[count:, :count], total, out=np.ones((len(drawn), count)), where=total > 0)


def dice_soft(samples: object, masks: object, thresholds: Sequence[float] = THRESHOLDS) -> float:
    """Mean over thresholds of the Dice of the mean sample and the mean mask, both above the threshold, strictly.

    Probabilities are averaged, not thresholded samples. A prediction of 0.9 where all raters agree loses the last
    threshold: the score pays for saturation.

    Args:
        samples, masks: as for :func:`set_distances`.
        thresholds: in (0, 1). Default the five of Ji et al., CVPR 2021.
    """
    probabilities, drawn = _case(samples, masks)
    predicted, rated = probabilities.mean(0, dtype=np.float64), drawn.mean(0, dtype=np.float64)
    scores = []
    for threshold in thresholds:
        p, r = predicted > threshold, rated > threshold
        size = np.count_nonzero(p) + np.count_nonzero(r)
        scores.append(2 * np.count_nonzero(p & r) / size if size else 1.0)
    return float(np.mean(scores))


def dice_max(samples: object, masks: object, over: Literal["masks", "samples"] = "masks") -> float:
    """Mean of the best Dice: of each mask with its best sample, or of each sample with its best mask.

    Args:
        samples, masks: as for :func:`set_distances`.
        over: what the mean runs over. "masks" (default): is every rater met by some sample? It never falls with more
            samples. "samples": is every sample like some rater?
    """
    if over not in ("masks", "samples"):
        raise ValueError(f"over: expected 'masks' or 'samples', received {over!r}")
    return float(dice_matrix(samples, masks).max(axis=1 if over == "masks" else 0).mean())


def dice_match(samples: object, masks: object) -> float:
    """Mean Dice over masks under the best assignment of a sample of its own to each.

    Raises:
        ValueError: fewer samples than masks; and as :func:`set_distances`.
    """
    from scipy.optimize import linear_sum_assignment

    matrix = dice_matrix(samples, masks)
    if matrix.shape[1] < matrix.shape[0]:
        raise ValueError(
            f"samples: expected at least one per mask, {matrix.shape[0]}, received {matrix.shape[1]}; draw more samples"
        )
    return float(matrix[linear_sum_assignment(matrix, maximize=True)].mean())


def dice_personal(samples: object, masks: object) -> float:
    """Mean Dice of each rater's mask and the sample of the same place: personal predictions, one per rater.

    Raises:
        ValueError: not as many samples as masks; and as :func:`set_distances`.
    """
    matrix = dice_matrix(samples, masks)
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"samples: expected one per mask, {matrix.shape[0]}, received {matrix.shape[1]}")
    return float(np.diag(matrix).mean())


def _case(samples: object, masks: object) -> tuple[np.ndarray, np.ndarray]:
    """Samples (K, V), float32 or float64, and masks (n, V) boolean of one case."""
    probabilities, drawn = (
        np.asarray(array.detach().cpu() if hasattr(array, "detach") else array) for array in (samples, masks)
    )
    if probabilities.ndim < 2 or drawn.ndim < 2 or probabilities.shape[1:] != drawn.shape[1:] or not drawn.size:
        raise ValueError(
            "expected samples (K, *S) and masks (n, *S) of one shape S with at least one voxel, received "
            f"{probabilities.shape} and {drawn.shape}"
        )
    if not len(probabilities):
        raise ValueError("samples: expected at least one, received none")
    mask = drawn == 1
    if not np.array_equal(mask, drawn != 0):
        raise ValueError(f"masks: expected 0 and 1, received {drawn.dtype} with other values; compare with a label")
    kind = np.float64 if probabilities.dtype == np.float64 else np.float32
    probabilities = probabilities.astype(kind, copy=False).reshape(len(probabilities), -1)
    if not (probabilities.min() >= 0 and probabilities.max() <= 1):
        raise ValueError(
            f"samples: expected probabilities in [0, 1], received values from {probabilities.min():g} to "
            f"{probabilities.max():g}; apply a sigmoid to logits"
        )
    return probabilities, mask.reshape(len(mask), -1)


def _binary(probabilities: np.ndarray) -> np.ndarray:
    return probabilities.astype(np.float32, copy=False) > np.float32(0.5)


def _shared(samples: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Voxels that every two rows of samples (K, V) and masks (n, V) share, (K + n, K + n), and those of each row.

    Both are whole numbers in float64.
    """
    rows = np.concatenate([samples, masks])
    ones = rows.astype(np.float32 if rows.shape[1] < _EXACT else np.float64)
    shared = (ones @ ones.T).astype(np.float64)
    return shared, np.diag(shared).copy()
