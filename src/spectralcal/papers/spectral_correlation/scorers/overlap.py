"""Intersection over union, sensitivity, specificity and accuracy, by image and pooled: columns of Tables 1 and 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from spectralcal.metrics.confusion import ConfusionScores, confusion_scores
from spectralcal.scoring.contract import POOLED, Mergeable, Prediction, Scored, ScoredCase, Scorer, row

#: metric -> share of a confusion matrix
SHARES = {"IOU": "iou", "SE": "sensitivity", "SP": "specificity", "ACC": "accuracy"}
#: protocol of scores of all voxels together: one matrix for each class and cell
POOL = "pooled_confusion"


class Overlap(Scorer):
    """Scores of one confusion matrix per class and case (protocol "paper"), and of one per class for all of them.

    Besides, with every case: ``objects``, connected components of foreground in the reference (corners touch), and
    ``structures``, classes that it has.

    Arrays: ``overlap/counts`` (N, C, 4), true positives, false positives, false negatives, true negatives.
    """

    def case(self, prediction: Prediction, case: ScoredCase) -> Scored:
        """Rows of the protocol "paper"; a share of nothing is absent."""
        rows: list[dict[str, Any]] = []
        counts = np.zeros((len(case.classes), 4), np.int64)
        for index, name in enumerate(case.classes):
            scores = confusion_scores(prediction.label == index + 1, case.reference == index + 1)
            rows += _rows(name, scores, "paper")
            counts[index] = (scores.true_positive, scores.false_positive, scores.false_negative, scores.true_negative)
        present = len(np.setdiff1d(np.unique(case.reference), 0))
        rows += [
            row(POOLED, "objects", "paper", _components(case.reference)),
            row(POOLED, "structures", "paper", present),
        ]
        return Scored(rows, {"counts": counts, "names": np.array(case.classes)})

    def pool(self, parts: Mapping[str, Mergeable], arrays: Mapping[str, np.ndarray]) -> Scored:
        """Rows of the sums over cases, Dice among them."""
        rows = []
        for name, counts in zip(arrays["names"][0], arrays["counts"].sum(0), strict=True):
            scores = ConfusionScores(*map(int, counts))
            rows += [*_rows(str(name), scores, POOL), _row(str(name), "DSC", POOL, scores.dice)]
        return Scored(rows, {"counts": arrays["counts"]})


def _rows(name: str, scores: ConfusionScores, protocol: str) -> list[dict[str, Any]]:
    return [_row(name, metric, protocol, getattr(scores, share)) for metric, share in SHARES.items()]


def _row(name: str, metric: str, protocol: str, value: float) -> dict[str, Any]:
    return row(name, metric, protocol, value, "ok" if np.isfinite(value) else "absent")


def _components(reference: np.ndarray) -> int:
    """Objects of all classes; what touches with another class is another object."""
    from scipy.ndimage import label

    around = np.ones((3,) * reference.ndim)
    return sum(int(label(reference == value, around)[1]) for value in np.setdiff1d(np.unique(reference), 0))


SCORER = Overlap
