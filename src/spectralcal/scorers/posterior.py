"""True calibration error and refinement, where the posterior is known.

Beyond the usual set, whose "truth" has the distance to the posterior and the excess Brier score: a study lists it in
`evaluation.scorers`.
"""

from __future__ import annotations

import numpy as np

from spectralcal.metrics import refinement, true_calibration_error, true_top_label_error
from spectralcal.metrics.distance_bands import boundary_distance
from spectralcal.metrics.regions import BOUNDARY_MM
from spectralcal.scoring.contract import POOLED, Prediction, Scored, ScoredCase, Scorer, row

MEASURES = {"true_ECE": true_top_label_error, "true_SCE": true_calibration_error, "refinement": refinement}


class Posterior(Scorer):
    """Errors with q in place of labels, in all voxels and near the predicted boundary."""

    needs = frozenset({"probabilities", "posterior"})

    def case(self, prediction: Prediction, case: ScoredCase) -> Scored:
        """Rows of the protocols "truth" and "truth-predicted-boundary"."""
        exact = np.asarray(case.posterior, dtype=np.float64)
        exact = exact / exact.sum(0, keepdims=True)
        distance, shape = boundary_distance(prediction.label, case.spacing_mm), case.reference.shape
        near = np.zeros(shape, bool) if distance is None else distance.within(BOUNDARY_MM, shape)
        rows = []
        for protocol, mask in (("truth", None), ("truth-predicted-boundary", near)):
            for name, measure in MEASURES.items():
                value = measure(prediction.probabilities, exact, mask)
                rows.append(row(POOLED, name, protocol, value, "ok" if np.isfinite(value) else "undefined"))
        return Scored(rows)


SCORER = Posterior
NUMERICS = 1  # see spectralcal.study.numerics
