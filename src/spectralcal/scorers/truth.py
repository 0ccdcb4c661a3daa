"""Distance of the prediction to the true probabilities, where they are known."""

from __future__ import annotations

import numpy as np

from spectralcal.metrics import distance_to_posterior, excess_brier
from spectralcal.scoring.contract import POOLED, Prediction, Scored, ScoredCase, Scorer, row


class Truth(Scorer):
    """Distance to the posterior and excess Brier score, in all voxels and near the reference's boundary."""

    needs = frozenset({"probabilities", "posterior"})

    def case(self, prediction: Prediction, case: ScoredCase) -> Scored:
        """Rows of the protocols "truth" and "truth-boundary"."""
        exact = np.asarray(case.posterior, dtype=np.float64)
        exact = exact / exact.sum(0, keepdims=True)
        measures = {"distance_to_posterior": distance_to_posterior, "excess_brier": excess_brier}
        return Scored([
            row(POOLED, name, protocol, measure(prediction.probabilities, exact, mask))
            for protocol, mask in (("truth", None), ("truth-boundary", case.boundary_band))
            for name, measure in measures.items()
        ])  # fmt: skip


SCORER = Truth
