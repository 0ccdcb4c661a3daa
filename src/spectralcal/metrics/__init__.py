"""Metrics of segmentations and of their probabilities: pure functions of arrays, without torch at import."""

from spectralcal.metrics.calibration import CalibrationHistogram, OverUnder, Reliability
from spectralcal.metrics.confidence import confidence_gaps
from spectralcal.metrics.floor import ExpectedBins, expected_bins
from spectralcal.metrics.overlap import dice, status
from spectralcal.metrics.protocols import PROTOCOLS, Protocol, score, score_cases
from spectralcal.metrics.regions import REGIONS, boundary_band, region_mask
from spectralcal.metrics.sets import dice_match, dice_max, dice_personal, dice_soft, ged
from spectralcal.metrics.surface import SurfaceDistances, surface_distances, surface_distances_by_label
from spectralcal.metrics.truth import (
    distance_to_posterior,
    excess_brier,
    refinement,
    true_calibration_error,
    true_top_label_error,
)

__all__ = [
    "PROTOCOLS",
    "REGIONS",
    "CalibrationHistogram",
    "ExpectedBins",
    "OverUnder",
    "Protocol",
    "Reliability",
    "SurfaceDistances",
    "boundary_band",
    "confidence_gaps",
    "dice",
    "dice_match",
    "dice_max",
    "dice_personal",
    "dice_soft",
    "distance_to_posterior",
    "excess_brier",
    "expected_bins",
    "ged",
    "refinement",
    "region_mask",
    "score",
    "score_cases",
    "status",
    "surface_distances",
    "surface_distances_by_label",
    "true_calibration_error",
    "true_top_label_error",
]
