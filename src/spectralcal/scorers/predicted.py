"""Calibration where the prediction chooses the voxels: its foreground, its boundary, and bands of distance to that.

Beyond the usual set: a study lists it in `evaluation.scorers`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spectralcal.metrics import CalibrationHistogram
from spectralcal.metrics.distance_bands import band_edges, band_sums, boundary_distance, signed_bands
from spectralcal.metrics.regions import BOUNDARY_MM
from spectralcal.scorers.calibration import Calibration, case_bins, protocol_rows
from spectralcal.scoring.contract import Prediction, Scored, ScoredCase

PREFIX = "predicted_distance"


class Predicted(Calibration):
    """Histograms of the regions that the prediction chooses, and their protocols, as
    :class:`~spectralcal.scorers.calibration.Calibration`.

    Arrays besides: ``predicted_distance/{count,confidence,hits}`` (N, bands, bins), and the signed ends of the bands,
    ``predicted_distance/edges_mm``.
    """

    def case(self, prediction: Prediction, case: ScoredCase) -> Scored:
        """Rows of the protocols that score by case; histograms; bands."""
        label, shape = prediction.label, case.reference.shape
        distance = boundary_distance(label, case.spacing_mm)
        near = np.zeros(shape, bool) if distance is None else distance.within(BOUNDARY_MM, shape)
        histograms = {}
        for region, mask in (("predicted_foreground", label != 0), ("predicted_boundary", near)):
            histogram = CalibrationHistogram(len(case.classes) + 1)
            histogram.update(prediction.probabilities[None], case.reference[None], mask=mask[None])
            histograms[region] = histogram
        bands = band_sums(prediction.probabilities, label, case.reference, signed_bands(label, distance))
        arrays = {f"{region}/cases/{key}": value for region, histogram in histograms.items()
                  for key, value in case_bins(histogram).items()}  # fmt: skip
        arrays |= {f"{PREFIX}/{key}": value for key, value in bands.items()}
        return Scored(protocol_rows(histograms, "case"), arrays, histograms)

    def pool(self, parts: Mapping[str, CalibrationHistogram], arrays: Mapping[str, np.ndarray]) -> Scored:
        """The arrays of all cases, the pooled histograms and the ends of the bands."""
        scored = super().pool(parts, arrays)
        bands = {key: value for key, value in arrays.items() if key.startswith(f"{PREFIX}/")}
        return Scored(scored.rows, {**scored.arrays, **bands, f"{PREFIX}/edges_mm": band_edges()})


SCORER = Predicted
NUMERICS = 1  # see spectralcal.study.numerics
