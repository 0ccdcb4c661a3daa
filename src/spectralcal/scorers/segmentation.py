"""Overlap and surface distances of each class."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from spectralcal.metrics import SurfaceDistances, dice, surface_distances_by_label
from spectralcal.scoring.contract import Prediction, Scored, ScoredCase, Scorer, row

if TYPE_CHECKING:
    from spectralcal.study.config import EvaluationConfig


class Segmentation(Scorer):
    """Dice, HD95, ASD, ASSD, HD and NSD per class, with what a missing structure means in their status."""

    def case(self, prediction: Prediction, case: ScoredCase) -> Scored:
        """Rows of the protocol "paper"."""
        labels = range(1, len(case.classes) + 1)
        distances = surface_distances_by_label(prediction.label, case.reference, labels, case.spacing_mm)
        rows: list[dict[str, Any]] = []
        for label, name in zip(labels, case.classes, strict=True):
            overlap = dice(prediction.label == label, case.reference == label)
            rows += segmentation_rows(name, overlap, distances[label], case.settings, "paper")
        return Scored(rows)


def segmentation_rows(
    name: str,
    overlap: float,
    distances: SurfaceDistances,
    settings: EvaluationConfig,
    protocol: str,
    price_spurious: bool | None = None,
) -> list[dict[str, Any]]:
    """Rows of one structure; `price_spurious` None: as the settings say."""
    priced = settings.spurious == "priced" if price_spurious is None else price_spurious
    distances = replace(distances, price_spurious=priced)
    values = {
        "DSC": overlap,
        "HD95": distances.hd95,
        "ASD": distances.asd,
        "ASSD": distances.assd,
        "HD": distances.hd,
        "NSD": distances.nsd(settings.nsd_tolerance_mm),
    }
    return [row(name, metric, protocol, value, distances.status) for metric, value in values.items()]


SCORER = Segmentation
