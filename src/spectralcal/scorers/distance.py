"""Calibration by distance to the reference's boundary."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spectralcal.metrics.distance_bands import band_edges, band_sums, signed_bands
from spectralcal.scoring.contract import Mergeable, Prediction, Scored, ScoredCase, Scorer


class Distance(Scorer):
    """Sums of the top label in bands of distance, inside and outside.

    Arrays: ``count``, ``confidence`` and ``hits`` (N, bands, bins), and the bands' signed ends, ``edges_mm``.
    """

    file = "calibration"

    def case(self, prediction: Prediction, case: ScoredCase) -> Scored:
        """Arrays alone."""
        bands = signed_bands(case.reference, case.boundary_distance)
        return Scored(arrays=band_sums(prediction.probabilities, prediction.label, case.reference, bands))

    def pool(self, parts: Mapping[str, Mergeable], arrays: Mapping[str, np.ndarray]) -> Scored:
        """The arrays of all cases, and the ends of the bands."""
        return Scored(arrays={**arrays, "edges_mm": band_edges()})


SCORER = Distance
