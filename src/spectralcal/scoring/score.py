"""Scores of one case on its original grid: overlap, surface distances, calibration, and the truth where it is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spectralcal.metrics import (
    PROTOCOLS,
    CalibrationHistogram,
    SurfaceDistances,
    dice,
    distance_to_posterior,
    excess_brier,
    region_mask,
    score,
    surface_distances,
    surface_distances_by_label,
)
from spectralcal.metrics.distance_bands import band_sums, boundary_distance, signed_bands
from spectralcal.metrics.regions import BOUNDARY_MM

if TYPE_CHECKING:
    from spectralcal.study.config import EvaluationConfig

#: protocol metric -> its name in result tables
NAMES = {"ece": "ECE", "sce": "SCE", "sce_foreground": "SCE_foreground", "tace": "TACE", "mce": "MCE",
         "signed_gap": "signed_gap", "brier": "Brier", "nll": "NLL"}  # fmt: skip
#: regions that every cell is scored in
SCORED = ("all", "reference", "union", "boundary")
#: class name of scores that belong to all classes together
POOLED = "all"
#: protocol of scores of regions that unite labels: beside the classes, never averaged with them
NESTED = "nested"


@dataclass
class CaseScores:
    """Rows of cases.csv (without the cell's own columns), one histogram per region, and the sums of the bands at
    several distances to the boundary (see :func:`spectralcal.metrics.distance_bands.band_sums`)."""

    rows: list[dict[str, Any]]
    histograms: dict[str, CalibrationHistogram]
    bands: dict[str, np.ndarray]


def score_case(
    probabilities: np.ndarray,
    reference: np.ndarray,
    spacing_mm: Sequence[float],
    classes: Sequence[str],
    settings: EvaluationConfig,
    posterior: np.ndarray | None = None,
    nested: Mapping[str, Sequence[int]] | None = None,
) -> CaseScores:
    """All scores of one case.

    Args:
        probabilities: (C, *spatial) float32, sums to one.
        reference: (*spatial) integer labels.
        spacing_mm: voxel size per axis.
        classes: names of the foreground classes 1 ... C-1.
        settings: tolerance of the normalised surface distance.
        posterior: (C, *spatial) true probabilities, where a phantom knows them.
        nested: name -> labels of regions that a data set's challenge scores, such as the whole tumour.

    Returns:
        One row per class and segmentation metric, the same per nested region under the protocol "nested", and one row
        per calibration metric and protocol that scores by case.
    """
    prediction = probabilities.argmax(0).astype(reference.dtype)
    rows: list[dict[str, Any]] = []
    labels = range(1, len(classes) + 1)
    distances = surface_distances_by_label(prediction, reference, labels, tuple(spacing_mm))
    for label, name in zip(labels, classes, strict=True):
        overlap = dice(prediction == label, reference == label)
        rows += _segmentation_rows(name, overlap, distances[label], settings)
    for name, united in (nested or {}).items():
        masks = np.isin(prediction, united), np.isin(reference, united)
        found = surface_distances(*masks, tuple(spacing_mm))
        rows += _segmentation_rows(name, dice(*masks), found, settings, NESTED)
    distance = boundary_distance(reference, spacing_mm)
    # The same voxels as the region's own function, without a second distance transform.
    band = np.zeros(reference.shape, bool) if distance is None else distance.within(BOUNDARY_MM, reference.shape)
    histograms = {}
    for region in SCORED:
        histogram = CalibrationHistogram(len(classes) + 1)
        mask = band if region == "boundary" else region_mask(region, reference, prediction, spacing_mm)
        # With a batch axis there is no doubt which axis holds the classes, however many slices there are.
        histogram.update(probabilities[None], reference[None], mask=mask[None])
        histograms[region] = histogram
    for name, protocol in PROTOCOLS.items():
        if protocol.aggregation == "case" and protocol.region in SCORED:
            rows += calibration_rows(histograms, name)
    if posterior is not None:
        exact = np.asarray(posterior, dtype=np.float64)
        exact = exact / exact.sum(0, keepdims=True)
        for protocol, mask in (("truth", None), ("truth-boundary", band)):
            rows.append(
                _row(POOLED, "distance_to_posterior", protocol, distance_to_posterior(probabilities, exact, mask))
            )
            rows.append(_row(POOLED, "excess_brier", protocol, excess_brier(probabilities, exact, mask)))
    bands = band_sums(probabilities, prediction, reference, signed_bands(reference, distance))
    return CaseScores(rows, histograms, bands)


def calibration_rows(histograms: Mapping[str, CalibrationHistogram], protocol: str) -> list[dict[str, Any]]:
    """Rows of one case, or of one pool, under a protocol; `undefined` where its region has no voxel."""
    return [
        _row(POOLED, NAMES[metric], protocol, value, "ok" if np.isfinite(value) else "undefined")
        for metric, value in score(histograms, protocol).items()
    ]


def _segmentation_rows(
    name: str, overlap: float, distances: SurfaceDistances, settings: EvaluationConfig, protocol: str = "paper"
) -> list[dict[str, Any]]:
    values = {
        "DSC": overlap,
        "HD95": distances.hd95,
        "ASD": distances.asd,
        "ASSD": distances.assd,
        "HD": distances.hd,
        "NSD": distances.nsd(settings.nsd_tolerance_mm),
    }
    return [_row(name, metric, protocol, value, distances.status) for metric, value in values.items()]


def _row(class_name: str, metric: str, protocol: str, value: float, status: str = "ok") -> dict[str, Any]:
    return {"class": class_name, "metric": metric, "protocol": protocol, "value": float(value), "status": status}
