"""Classes and united regions as BraTS ranks them: a false structure costs what a missed one does.

Beyond the usual set: a study lists it in `evaluation.scorers`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spectralcal.metrics import dice, surface_distances
from spectralcal.scorers.segmentation import segmentation_rows
from spectralcal.scoring.contract import Prediction, Scored, ScoredCase, Scorer

#: protocol of these scores
BRATS = "brats"


class Brats(Scorer):
    """What :class:`~spectralcal.scorers.segmentation.Segmentation` says of classes and
    :class:`~spectralcal.scorers.nested.Nested` of regions, with the image's diagonal for a structure that the
    prediction or the reference lacks. In BraTS 2017 to 2020 that is 373 mm, for an enhancing tumour mostly.

    Under the protocols "paper" and "nested" a false structure has no distance unless `evaluation.spurious` prices it.
    """

    def case(self, prediction: Prediction, case: ScoredCase) -> Scored:
        """Rows of the protocol "brats": of each class, then of each region."""
        regions = {name: (label,) for label, name in enumerate(case.classes, start=1)} | dict(case.nested)
        rows: list[dict[str, Any]] = []
        for name, united in regions.items():
            masks = np.isin(prediction.label, united), np.isin(case.reference, united)
            distances = surface_distances(*masks, case.spacing_mm)
            rows += segmentation_rows(name, dice(*masks), distances, case.settings, BRATS, price_spurious=True)
        return Scored(rows)


SCORER = Brats
NUMERICS = 1  # see spectralcal.study.numerics
