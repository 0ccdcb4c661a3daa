"""Scores of one mask against another from their four counts, for an image or pooled over many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spectralcal.metrics.overlap import mask_pair


@dataclass(frozen=True)
class ConfusionScores:
    """Counts of voxels and the shares made of them, each in [0, 1].

    A share of nothing is nan, so that it stays out of ``np.nanmean`` over images: sensitivity without a voxel in the
    reference, specificity where the reference fills the image, precision without a predicted voxel, Dice and IoU where
    both masks are empty. A missed or spurious structure has Dice and IoU 0. The sum of two is that of all their voxels
    together (``sum(scores, start=ConfusionScores())``): scores of pooled counts, in which large structures weigh more
    and empty images are no exception.

    Attributes:
        true_positive, false_positive, false_negative, true_negative: voxels.
    """

    true_positive: int = 0
    false_positive: int = 0
    false_negative: int = 0
    true_negative: int = 0

    def __add__(self, other: ConfusionScores) -> ConfusionScores:
        return ConfusionScores(
            self.true_positive + other.true_positive,
            self.false_positive + other.false_positive,
            self.false_negative + other.false_negative,
            self.true_negative + other.true_negative,
        )

    @property
    def iou(self) -> float:
        """Intersection over union, TP / (TP + FP + FN): the Jaccard index."""
        return _share(self.true_positive, self.true_positive + self.false_positive + self.false_negative)

    @property
    def dice(self) -> float:
        """2 TP / (2 TP + FP + FN), equal to :func:`spectralcal.metrics.dice`."""
        return _share(2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative)

    @property
    def sensitivity(self) -> float:
        """TP / (TP + FN), the recall."""
        return _share(self.true_positive, self.true_positive + self.false_negative)

    @property
    def specificity(self) -> float:
        """TN / (TN + FP). Grows with the field of view around a structure."""
        return _share(self.true_negative, self.true_negative + self.false_positive)

    @property
    def accuracy(self) -> float:
        """(TP + TN) / all voxels."""
        voxels = self.true_positive + self.false_positive + self.false_negative + self.true_negative
        return _share(self.true_positive + self.true_negative, voxels)

    @property
    def precision(self) -> float:
        """TP / (TP + FP), the positive predictive value."""
        return _share(self.true_positive, self.true_positive + self.false_positive)


def confusion_scores(prediction: object, reference: object) -> ConfusionScores:
    """Counts and scores of a predicted mask against a reference.

    Args:
        prediction, reference: masks of one shape, of any rank: booleans, or numbers that are all 0 or 1; arrays or
            tensors.

    Raises:
        ValueError: shapes differ, there is no voxel, or a mask holds more than 0 and 1.
    """
    p, r = mask_pair(prediction, reference)
    both, predicted, present = (int(np.count_nonzero(mask)) for mask in (p & r, p, r))
    return ConfusionScores(both, predicted - both, present - both, p.size - predicted - present + both)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
