"""One case by every method: what the figures with images show. The case is chosen by a rule, not by eye."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spectralcal.base.errors import ResultError
from spectralcal.scoring.probe import Probe, Probed, median_case

#: the share of doubt is taken within this many voxels of the true boundary
NEAR = 2


class Maps(Probe):
    """Prediction and confidence of the case with the baseline's median Dice, by every trained method."""

    def measure(self, probed: Probed) -> dict[str, np.ndarray]:
        """All on the prepared grid: ``case``, ``rule``, ``spacing_mm``, ``image`` (*S), ``reference`` (*S), ``methods``
        (M,), ``prediction`` (M, *S) and ``confidence`` (M, *S).

        Raises:
            ResultError: nothing is trained.
        """
        if not probed.cells:
            raise ResultError(f"maps: no trained cell of {probed}; train one first")
        loss = probed.cell_of(probed.baseline).method.loss
        plain = next((cell for cell in probed.cells if cell.method.loss == loss), probed.cells[0])
        chosen = median_case(probed.scores(plain))
        case = next(case for case in probed.cases if case.id == chosen)
        predictions, confidences = [], []
        for cell in probed.cells:
            confidence, prediction = probed.predictor(cell)(case.image()).max(0)
            predictions.append(prediction.numpy().astype(np.uint8))
            confidences.append(confidence.numpy().astype(np.float32))
        return {
            "case": np.array(case.id),
            "rule": np.array(f"the test case with the median Dice of {plain.key.method}"),
            "spacing_mm": np.array(case.spacing_mm, dtype=np.float64),
            "image": np.asarray(case.image()[0], dtype=np.float32),
            "reference": np.asarray(case.label()),
            "methods": np.array([cell.key.method for cell in probed.cells]),
            "prediction": np.stack(predictions),
            "confidence": np.stack(confidences),
        }

    def numbers(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """``case``, ``methods`` and ``doubt_near_boundary`` (M,): the share of 1 - confidence that lies within `NEAR`
        voxels of the reference's boundary; 0 for a network without doubt."""
        from spectralcal.metrics.regions import boundary_band

        reference = arrays["reference"]
        band = boundary_band(reference, reference, np.ones(reference.ndim), NEAR)  # unit spacing: in voxels
        shares = []
        for confidence in arrays["confidence"]:
            doubt = 1.0 - confidence.astype(float)
            shares.append(float(doubt[band].sum() / doubt.sum()) if doubt.sum() > 0 else 0.0)
        return {"case": arrays["case"], "methods": arrays["methods"], "doubt_near_boundary": np.array(shares)}


PROBE = Maps
NUMERICS = 1  # see spectralcal.study.numerics
