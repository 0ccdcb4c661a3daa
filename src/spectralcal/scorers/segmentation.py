"""Overlap and surface distances of each class."""

from __future__ import annotations

from typing import Any

from spectralcal.metrics import SurfaceDistances, dice, surface_distances_by_label
from spectralcal.scoring.contract import Prediction, Scored, ScoredCase, Scorer, row


class Segmentation(Scorer):
    """Dice, HD95, ASD, ASSD, HD and NSD per class, with what a missing structure means in their status."""

    def case(self, prediction: Prediction, case: ScoredCase) -> Scored:
        """Rows of the protocol "paper"."""
        labels = range(1, len(case.classes) + 1)
        distances = surface_distances_by_label(prediction.label, case.reference, labels, case.spacing_mm)
        rows: list[dict[str, Any]] = []
        for label, name in zip(labels, case.classes, strict=True):
            overlap = dice(prediction.label == label, case.reference == label)
            rows += segmentation_rows(name, overlap, distances[label], case.settings.nsd_tolerance_mm, "paper")
        return Scored(rows)


def segmentation_rows(
    name: str, overlap: float, distances: SurfaceDistances, tolerance_mm: float, protocol: str
) -> list[dict[str, Any]]:
    """Rows of one structure; `tolerance_mm` is that of the normalised surface Dice."""
    values = {
        "DSC": overlap,
        "HD95": distances.hd95,
        "ASD": distances.asd,
        "ASSD": distances.assd,
        "HD": distances.hd,
        "NSD": distances.nsd(tolerance_mm),
    }
    return [row(name, metric, protocol, value, distances.status) for metric, value in values.items()]


SCORER = Segmentation
