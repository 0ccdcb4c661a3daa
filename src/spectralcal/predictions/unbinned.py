"""Measures without bins of the stored histograms: smooth ECE, KS, isotonic, proper scores in parts, ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spectralcal.base.errors import ConfigError, choices
from spectralcal.metrics import CalibrationHistogram

COLUMNS = ("region", "group", "measure", "name", "unit", "value")
#: regions whose voxels are counted, in the order of pages
REGIONS = {
    "all": "all voxels",
    "predicted_foreground": "predicted foreground",
    "predicted_boundary": "near a predicted boundary",
    "union": "reference or predicted foreground",
    "reference": "reference foreground",
    "boundary": "near a boundary of the reference",
}
#: shown unless others are asked for: in these a calibrated network has an error of 0
USUAL = ("all", "predicted_foreground")


def chosen_regions(names: Sequence[str]) -> tuple[str, ...]:
    """The regions that were asked for, each once; the usual ones if none was.

    Raises:
        ConfigError: there is no such region.
    """
    for name in names:
        if name not in REGIONS:
            raise ConfigError(f"--region: expected {choices(REGIONS)}, found '{name}'")
    return tuple(dict.fromkeys(names)) or USUAL


def pooled(arrays: Mapping[str, np.ndarray], region: str) -> CalibrationHistogram:
    """The histogram of all cases' voxels in a region, from the arrays of calibration.npz."""
    prefix = f"{region}/pooled/"
    return CalibrationHistogram.from_arrays(
        {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    )


def measured(
    arrays: Mapping[str, np.ndarray], regions: Sequence[str], patients: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Rows with the keys :data:`COLUMNS`, of all cases' voxels in one pool; a region without voxels has none.

    Args:
        arrays: of calibration.npz.
        regions: keys of :data:`REGIONS`.
        patients: case -> patient.
    """
    from spectralcal.report.measures import MEASURES, measures, patient_bins

    rows = []
    for region in regions:
        histogram = pooled(arrays, region)
        if not histogram.count:
            continue
        cases = {key: arrays[f"{region}/cases/{key}"] for key in ("count", "confidence", "accuracy")}
        values = measures(histogram, patient_bins({**cases, "cases": arrays["cases"]}, patients))
        rows += [
            {"region": region, "group": group, "measure": one.name, "name": one.heading, "unit": one.unit,
             "value": values[one.name] * one.scale}
            for group, listed in MEASURES.items() for one in listed
        ]  # fmt: skip
    return rows
