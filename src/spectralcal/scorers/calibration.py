"""Calibration of the voxels of each region, under the named protocols."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from spectralcal.metrics import PROTOCOLS, CalibrationHistogram, region_mask, score
from spectralcal.scoring.contract import POOLED, Prediction, Scored, ScoredCase, Scorer, row

#: regions that every cell is scored in
SCORED = ("all", "reference", "union", "boundary")
#: protocol metric -> its name in result tables
NAMES = {"ece": "ECE", "sce": "SCE", "sce_foreground": "SCE_foreground", "tace": "TACE", "mce": "MCE",
         "signed_gap": "signed_gap", "brier": "Brier", "nll": "NLL"}  # fmt: skip


class Calibration(Scorer):
    """Histograms of confidence and accuracy by region: scores of each case, and of all voxels for pooled protocols.

    Arrays: ``<region>/pooled/<array>``, a full histogram over all cases, and ``<region>/cases/{count,confidence,
    accuracy}`` (N, 1 + C, bins), the top label first, then each class.
    """

    file, prefix = "calibration", ""

    def case(self, prediction: Prediction, case: ScoredCase) -> Scored:
        """Rows of the protocols that score by case; histograms of all regions."""
        histograms = {}
        for region in SCORED:
            histogram = CalibrationHistogram(len(case.classes) + 1)
            # With a batch axis there is no doubt which axis holds the classes, however many slices there are.
            histogram.update(
                prediction.probabilities[None], case.reference[None], mask=_mask(region, prediction, case)[None]
            )
            histograms[region] = histogram
        rows = protocol_rows(histograms, "case")
        arrays = {f"{region}/cases/{key}": value for region, histogram in histograms.items()
                  for key, value in case_bins(histogram).items()}  # fmt: skip
        return Scored(rows, arrays, histograms)

    def pool(self, parts: Mapping[str, CalibrationHistogram], arrays: Mapping[str, np.ndarray]) -> Scored:
        """Rows of the protocols that pool all voxels."""
        stored = {}
        for region, histogram in parts.items():
            stored |= {f"{region}/pooled/{key}": value for key, value in histogram.arrays().items()}
            stored |= {key: value for key, value in arrays.items() if key.startswith(f"{region}/cases/")}
        return Scored(protocol_rows(parts, "pooled"), stored)


def calibration_rows(histograms: Mapping[str, CalibrationHistogram], protocol: str) -> list[dict[str, Any]]:
    """Rows of one case, or of one pool, under a protocol; `undefined` where its region has no voxel."""
    return [
        row(POOLED, NAMES[metric], protocol, value, "ok" if np.isfinite(value) else "undefined")
        for metric, value in score(histograms, protocol).items()
    ]


def protocol_rows(histograms: Mapping[str, CalibrationHistogram], aggregation: str) -> list[dict[str, Any]]:
    """Rows of every protocol whose region is counted."""
    names = [
        name
        for name, protocol in PROTOCOLS.items()
        if protocol.aggregation == aggregation and protocol.region in histograms
    ]
    return [each for name in names for each in calibration_rows(histograms, name)]


def _mask(region: str, prediction: Prediction, case: ScoredCase) -> np.ndarray:
    """(*spatial) voxels of a region."""
    if region == "boundary":
        return case.boundary_band
    return region_mask(region, case.reference, prediction.label, case.spacing_mm)


def case_bins(histogram: CalibrationHistogram) -> dict[str, np.ndarray]:
    """``count``, ``confidence`` and ``accuracy`` (1 + C, bins) of a case: the top label first, then each class."""
    diagrams = [histogram.reliability(label) for label in (None, *range(histogram.num_classes))]
    return {name: np.array([getattr(one, name) for one in diagrams]) for name in ("count", "confidence", "accuracy")}


SCORER = Calibration
