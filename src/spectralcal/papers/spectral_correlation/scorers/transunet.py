"""Dice and HD95 under the convention of TransUNet's evaluation, which the paper's numbers seem to follow."""

from __future__ import annotations

from spectralcal.metrics import dice, surface_distances_by_label
from spectralcal.scoring.contract import Prediction, Scored, ScoredCase, Scorer, row

PROTOCOL = "transunet"


class TransUNetConvention(Scorer):
    """Dice, and HD95 in voxels over both directions together, protocol "transunet".

    A predicted structure that the reference lacks has Dice 1 and distance 0; an empty prediction, of a structure that
    is there or not, Dice 0 and distance 0. A missed structure therefore lowers the mean distance, and an absent one
    costs Dice unless it is predicted. For comparison with printed numbers alone.

    Source: evaluation code of Chen et al., arXiv 2102.04306.
    """

    def case(self, prediction: Prediction, case: ScoredCase) -> Scored:
        """Rows of every class; each has a value."""
        labels = range(1, len(case.classes) + 1)
        unit = (1.0,) * case.reference.ndim
        distances = surface_distances_by_label(prediction.label, case.reference, labels, unit)
        rows = []
        for label, name in zip(labels, case.classes, strict=True):
            predicted, reference = prediction.label == label, case.reference == label
            if predicted.any() and reference.any():
                values = dice(predicted, reference), distances[label].hd95_pooled
            else:
                values = float(predicted.any()), 0.0
            rows += [row(name, metric, PROTOCOL, value) for metric, value in zip(("DSC", "HD95"), values, strict=True)]
        return Scored(rows)


SCORER = TransUNetConvention
