"""Metrics of segmentations and of their probabilities: pure functions of arrays, without torch at import."""

from spectralcal.metrics.calibration import CalibrationHistogram, OverUnder, Reliability
from spectralcal.metrics.confidence import confidence_gaps
from spectralcal.metrics.confusion import ConfusionScores, confusion_scores
from spectralcal.metrics.debiased import Debiased, debiased_ece, debiased_ece_over_cases
from spectralcal.metrics.floor import ExpectedBins, expected_bins
from spectralcal.metrics.isotonic import Corp, Isotonic, corp, isotonic_error, isotonic_fit
from spectralcal.metrics.kolmogorov_smirnov import ks_error, ks_error_bound
from spectralcal.metrics.overlap import dice, status
from spectralcal.metrics.protocols import PROTOCOLS, Protocol, score, score_cases
from spectralcal.metrics.refinement import ScoreSplit, brier_split, nll_split
from spectralcal.metrics.regions import REGIONS, boundary_band, region_mask
from spectralcal.metrics.selective import RiskCoverage, risk_coverage
from spectralcal.metrics.sets import dice_match, dice_max, dice_personal, dice_soft, ged
from spectralcal.metrics.smooth import smooth_ece, smooth_ece_at
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
    "ConfusionScores",
    "Corp",
    "Debiased",
    "ExpectedBins",
    "Isotonic",
    "OverUnder",
    "Protocol",
    "Reliability",
    "RiskCoverage",
    "ScoreSplit",
    "SurfaceDistances",
    "boundary_band",
    "brier_split",
    "confidence_gaps",
    "confusion_scores",
    "corp",
    "debiased_ece",
    "debiased_ece_over_cases",
    "dice",
    "dice_match",
    "dice_max",
    "dice_personal",
    "dice_soft",
    "distance_to_posterior",
    "excess_brier",
    "expected_bins",
    "ged",
    "isotonic_error",
    "isotonic_fit",
    "ks_error",
    "ks_error_bound",
    "nll_split",
    "refinement",
    "region_mask",
    "risk_coverage",
    "score",
    "score_cases",
    "smooth_ece",
    "smooth_ece_at",
    "status",
    "surface_distances",
    "surface_distances_by_label",
    "true_calibration_error",
    "true_top_label_error",
]
