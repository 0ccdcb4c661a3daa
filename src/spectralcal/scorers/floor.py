"""What a calibrated network with these probabilities would show in regions that labels choose.

Beyond the usual set: a study lists it in `evaluation.scorers`. Rows stand under the protocol of the region that they
are the floor of: ``ECE_floor``, ``SCE_floor`` and ``signed_gap_floor``.
"""

from __future__ import annotations

import numpy as np

from spectralcal.metrics import expected_bins
from spectralcal.metrics.floor import FLOOR
from spectralcal.scorers.calibration import NAMES
from spectralcal.scoring.contract import POOLED, Prediction, Scored, ScoredCase, Scorer, row

#: protocol -> its region; "crac-legacy" averages classes that are present, so its SCE has no floor here
PROTOCOLS = {"union": "union", "crac-legacy": "reference"}
WITHOUT = {("crac-legacy", "sce")}


class Floor(Scorer):
    """Expected errors under labels that are drawn from the probabilities (:mod:`spectralcal.metrics.floor`)."""

    def case(self, prediction: Prediction, case: ScoredCase) -> Scored:
        """Rows alone."""
        rows = []
        for protocol, region in PROTOCOLS.items():
            for metric, value in expected_bins(prediction.probabilities, region).scores().items():
                if (protocol, metric) not in WITHOUT:
                    status = "ok" if np.isfinite(value) else "undefined"
                    rows.append(row(POOLED, NAMES[metric] + FLOOR, protocol, value, status))
        return Scored(rows)


SCORER = Floor
NUMERICS = 1  # see spectralcal.study.numerics
