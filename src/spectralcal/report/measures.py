"""What a cell's published curve says without bins: calibration, proper scores in their parts, and ranking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from spectralcal.metrics import (
    CalibrationHistogram,
    brier_split,
    debiased_ece_over_cases,
    isotonic_error,
    ks_error,
    nll_split,
    risk_coverage,
    smooth_ece,
)

#: where the risk-coverage curve is read, as is usual
COVERAGE, RISK = 0.8, 0.05


@dataclass(frozen=True)
class Measure:
    """How a number is printed.

    Attributes:
        name: in the frame.
        heading: above its column.
        scale, unit, decimals: from the value to print.
        better: which end is the better one, empty if neither is.
    """

    name: str
    heading: str
    scale: float = 1e3
    unit: str = "×10⁻³"
    decimals: int = 2
    better: Literal["lower", "higher", ""] = "lower"


#: heading of a table -> its columns
MEASURES: dict[str, tuple[Measure, ...]] = {
    "calibration": (
        Measure("ece", "ECE"),
        Measure("smooth_ece", "smooth ECE"),
        Measure("ks", "KS"),
        Measure("isotonic", "isotonic"),
        Measure("hidden", "hidden by bins", 100.0, "%", 0, ""),
        Measure("debiased", "debiased RMS"),
    ),
    "proper scores": (
        Measure("brier", "Brier"),
        Measure("brier_calibration", "Brier calibration"),
        Measure("brier_refinement", "Brier refinement"),
        Measure("log", "log score"),
        Measure("log_calibration", "log calibration"),
        Measure("log_refinement", "log refinement"),
    ),
    "ranking": (
        Measure("error", "error rate"),
        Measure("aurc", "AURC"),
        Measure("augrc", "AUGRC"),
        Measure("risk_at_coverage", f"risk at {COVERAGE:.0%} coverage".replace("%", " %")),
        Measure("coverage_at_risk", f"coverage at {RISK:.0%} risk".replace("%", " %"), 100.0, "%", 1, "higher"),
    ),
}


def measures(histogram: CalibrationHistogram, patients: tuple[np.ndarray, np.ndarray, np.ndarray]) -> dict[str, float]:
    """Every one of :data:`MEASURES`, of the top label.

    Args:
        histogram: the curve of a cell in a region.
        patients: (patients, bins) voxels, sums of confidences and correct voxels, for what chance adds to an error.

    Returns:
        name -> value; ``hidden`` is the share of the isotonic error that the bins of the ECE do not show, nan where the
        isotonic error is 0.
    """
    selective = risk_coverage(histogram)
    ece, isotonic = histogram.ece(), isotonic_error(histogram)
    by_name = {
        "ece": ece,
        "smooth_ece": smooth_ece(histogram),
        "ks": ks_error(histogram),
        "isotonic": isotonic,
        "hidden": 1 - ece / isotonic if isotonic > 0 else float("nan"),
        "debiased": debiased_ece_over_cases(*patients).value,
        "error": selective.risk_at(1.0),
        "aurc": selective.aurc(),
        "augrc": selective.augrc(),
        "risk_at_coverage": selective.risk_at(COVERAGE),
        "coverage_at_risk": selective.coverage_at(RISK),
    }
    for name, split in (("brier", brier_split(histogram)), ("log", nll_split(histogram))):
        by_name |= {name: split.score, f"{name}_calibration": split.calibration, f"{name}_refinement": split.refinement}
    return by_name


def patient_bins(cases: Mapping[str, np.ndarray], patients: Mapping[str, str]) -> tuple[np.ndarray, ...]:
    """(patients, bins) voxels, sums of confidences and correct voxels of the top label.

    Args:
        cases: of :meth:`spectralcal.report.results.Results.case_calibration`.
        patients: case -> patient; a case that is not in it is a patient of its own.
    """
    owners = [patients.get(str(case), str(case)) for case in cases["cases"]]
    place = np.unique(owners, return_inverse=True)[1]
    count = cases["count"][:, 0].astype(float)  # row 0 is the top label
    sums = [np.nan_to_num(cases[name][:, 0]) * count for name in ("confidence", "accuracy")]
    totals = np.zeros((3, place.max(initial=-1) + 1, count.shape[1]))
    for total, values in zip(totals, (count, *sums), strict=True):
        np.add.at(total, place, values)
    return tuple(totals)
