"""How sure a network is, where it is right and where it is wrong, and readings of the paper's two calibration errors.

The printed MCE is 1.84 to 1.96 times the printed ECE in all sixteen cells of Table 4, as the larger of two numbers is
to their mean. No binned error of all pixels has that ratio; two numbers per image do, whichever two they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spectralcal.metrics import CalibrationHistogram
from spectralcal.scoring.contract import POOLED, Prediction, Scored, ScoredCase, Scorer, row

#: probability from which a pixel counts as sure
SURE = 0.95


class Confidence(Scorer):
    """Of each case, over all voxels and classes together:

    * protocol "paper": ``confidence`` (mean of the largest probability), ``confidence_right``, ``confidence_wrong``
      (the same where the prediction is right and wrong), ``sure`` (share of voxels above 0.95);
    * ``ECE`` and ``MCE`` as mean and maximum of two numbers: "two_classes", the mean missing probability 1 - p of the
      true class over reference foreground and over background; "two_bins", the share of wrong voxels where foreground
      and where background is predicted;
    * "positive": ECE and MCE of the probability of foreground against foreground, 15 bins from 0 to 1.
    """

    def case(self, prediction: Prediction, case: ScoredCase) -> Scored:
        """Rows; a mean over no voxel is undefined."""
        probabilities, reference, label = prediction.probabilities, case.reference, prediction.label
        top, right = probabilities.max(0), label == reference
        foreground, predicted = reference != 0, label != 0
        own = np.take_along_axis(probabilities, reference[None].astype(np.int64), 0)[0]
        rows = [
            _row("confidence", "paper", _mean(top)),
            _row("confidence_right", "paper", _mean(top[right])),
            _row("confidence_wrong", "paper", _mean(top[~right])),
            _row("sure", "paper", _mean(top > SURE)),
            *_two("two_classes", _mean(1 - own[foreground]), _mean(1 - own[~foreground])),
            *_two("two_bins", _mean(~right[predicted]), _mean(~right[~predicted])),
        ]
        histogram = CalibrationHistogram(2)
        share = 1 - probabilities[0]
        histogram.update(np.stack([1 - share, share])[None], foreground[None].astype(np.int64))
        bins = histogram.reliability(1)
        filled = bins.count > 0
        gaps = np.abs(bins.confidence[filled] - bins.accuracy[filled])
        weights = bins.count[filled] / bins.count.sum()
        return Scored([*rows, _row("ECE", "positive", float(gaps @ weights)), _row("MCE", "positive", gaps.max())])


def _two(protocol: str, first: float, second: float) -> list[dict[str, Any]]:
    """Mean and maximum of two numbers, of one alone where the other is a mean over nothing."""
    known = [value for value in (first, second) if np.isfinite(value)]
    return [_row("ECE", protocol, float(np.mean(known))), _row("MCE", protocol, max(known))]


def _mean(values: np.ndarray) -> float:
    return float(values.mean(dtype=np.float64)) if values.size else float("nan")


def _row(metric: str, protocol: str, value: float) -> dict[str, Any]:
    return row(POOLED, metric, protocol, value, "ok" if np.isfinite(value) else "undefined")


SCORER = Confidence
