"""The floor of a region that labels choose: what a calibrated network with these probabilities would show in it.

A network is calibrated in the strongest sense if each label is drawn from the probabilities p of its voxel. Then the
expected gap is 0 among all voxels, and in every region that is chosen by p. It is not 0 in a region that the label
helps to choose. A voxel that is predicted background enters the union of reference and prediction only if it is a miss:
with probability 1 - p_0, with confidence p_0, and always wrong. So the union's expected sum of confidence - accuracy is

    sum over voxels predicted background of p_0 (1 - p_0),

over an expected number of voxels of (those predicted foreground) + sum over the others of (1 - p_0). In the reference's
foreground a voxel that is predicted as structure k adds - p_0 p_k besides, since it enters with probability 1 - p_0.

A calibration error in such a region means something only relative to its floor, and the difference of two methods only
beside that of their floors. The reference's boundary has none here: where labels have their boundaries depends on how
the labels of neighbours hang together, of which probabilities voxel by voxel say nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from spectralcal.metrics.accumulate import CHUNK, slabs
from spectralcal.metrics.cells import cell_grid

#: suffix of a metric whose value is what a calibrated network with the same probabilities would show
FLOOR = "_floor"
#: regions chosen by labels whose floor follows from the probabilities of single voxels
WITH_FLOOR = ("reference", "union")
FlooredRegion = Literal["reference", "union"]


@dataclass(frozen=True)
class ExpectedBins:
    """Expected histogram of a region under labels that are drawn from the probabilities.

    Errors are those of the expected histogram, which many voxels tend to; a finite number adds the noise of labels to
    every error with an absolute value. Without voxels they are nan.

    Attributes:
        count, confidence, hits: (1 + C, bins) expected voxels, sums of probabilities and hits; the top label first,
            then the probability of each class.
    """

    count: np.ndarray
    confidence: np.ndarray
    hits: np.ndarray

    def signed_gap(self) -> float:
        """Expected confidence - accuracy of the top label: ratio of expected sums."""
        voxels = self.count[0].sum()
        return float((self.confidence[0] - self.hits[0]).sum() / voxels) if voxels else float("nan")

    def ece(self) -> float:
        """Expected calibration error of the top label."""
        return float(self._errors()[0])

    def sce(self) -> float:
        """Static calibration error: mean over classes."""
        return float(self._errors()[1:].mean())

    def scores(self) -> dict[str, float]:
        """``ece``, ``sce`` and ``signed_gap``, named as in :func:`spectralcal.metrics.score`."""
        return {"ece": self.ece(), "sce": self.sce(), "signed_gap": self.signed_gap()}

    def _errors(self) -> np.ndarray:
        voxels = self.count[0].sum()
        gaps = np.abs(self.confidence - self.hits).sum(axis=1)
        return gaps / voxels if voxels else np.full_like(gaps, np.nan)


def expected_bins(probabilities: np.ndarray, region: FlooredRegion, bins: int = 15) -> ExpectedBins:
    """What a calibrated network with these probabilities is expected to show in a region that labels choose.

    Args:
        probabilities: (C, *spatial), in [0, 1], sums to one over classes; class 0 is background.
        region: one of :data:`WITH_FLOOR`.
        bins: equal-width, right-closed bins, those of the calibration histograms.

    Raises:
        ValueError: another region; fewer than two classes; bins outside 1..100.
    """
    if region not in WITH_FLOOR:
        raise ValueError(f"region: expected one of {', '.join(WITH_FLOOR)}, received '{region}'")
    if probabilities.ndim < 2 or len(probabilities) < 2:
        raise ValueError(f"expected probabilities (C, *spatial) of two or more classes, got {probabilities.shape}")
    inner, rows = cell_grid(bins).edges[1:-1], 1 + len(probabilities)
    sums = np.zeros((3, rows, bins))
    for box in slabs(probabilities.shape[1:], CHUNK):
        p = probabilities[(slice(None), *box)].reshape(rows - 1, -1).astype(np.float32)
        p = np.clip(p, 0, 1)
        shown = p.argmax(axis=0) != 0
        exact = p.astype(np.float64)
        labelled = 1 - exact[0]  # probability of a label that is a structure
        enters = np.where(shown, 1.0, labelled) if region == "union" else labelled
        background = np.where(shown, exact[0], 0.0) if region == "union" else np.zeros(enters.shape)
        top = p.max(axis=0)
        # A label equals the top label, or the class, and the voxel is in the region.
        hits = (np.where(shown, top, 0.0), background, *exact[1:])
        for row, (one, hit) in enumerate(zip((top, *p), hits, strict=True)):
            place = np.searchsorted(inner, one, side="left")
            for kind, weights in enumerate((enters, enters * one, hit)):
                sums[kind, row] += np.bincount(place, weights, bins)
    return ExpectedBins(*sums)
