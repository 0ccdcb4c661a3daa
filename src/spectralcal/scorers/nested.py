"""Overlap and surface distances of regions that unite classes, such as the whole tumour."""

from __future__ import annotations

from typing import Any

import numpy as np

from spectralcal.metrics import dice, surface_distances
from spectralcal.scorers.segmentation import segmentation_rows
from spectralcal.scoring.contract import Prediction, Scored, ScoredCase, Scorer

#: protocol of these scores: beside the classes, never averaged with them
NESTED = "nested"


class Nested(Scorer):
    """What :class:`~spectralcal.scorers.segmentation.Segmentation` says of classes, of each region that the data set's
    challenge scores; nothing where there is none."""

    def case(self, prediction: Prediction, case: ScoredCase) -> Scored:
        """Rows of the protocol "nested"."""
        rows: list[dict[str, Any]] = []
        for name, united in case.nested.items():
            masks = np.isin(prediction.label, united), np.isin(case.reference, united)
            distances = surface_distances(*masks, case.spacing_mm)
            rows += segmentation_rows(name, dice(*masks), distances, case.settings, NESTED)
        return Scored(rows)


SCORER = Nested
