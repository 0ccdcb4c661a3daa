"""Scoring of all test cases of a cell. Memory is bounded by one case, not by the data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from spectralcal.engine.predict import Transform, predict_probabilities, unchanged
from spectralcal.metrics import PROTOCOLS, REGIONS, CalibrationHistogram
from spectralcal.metrics.distance_bands import band_edges
from spectralcal.preparation.resample import to_original_grid
from spectralcal.scoring.score import calibration_rows, score_case
from spectralcal.scoring.spectra import case_spectra

if TYPE_CHECKING:
    from spectralcal.data.manifest import PreparedCase
    from spectralcal.study.config import EvaluationConfig, InferenceConfig


#: case and patient of a score that belongs to all test voxels together
POOL = "pooled"


@dataclass
class CellScores:
    """Everything that the evaluation of a cell leaves.

    Attributes:
        rows: tidy scores with case and patient; protocols that pool all voxels give rows of the case "pooled".
        calibration: arrays of calibration.npz: ``<region>/pooled/<array>``, a whole histogram over all cases (the fine
            cells of every case would be large); ``<region>/cases/{count,confidence,accuracy}`` (N, 1 + C, bins), the
            top label first, then each class; ``distance/{count,confidence,hits}`` (N, bands, bins), sums of the top
            label in bands of distance to the boundary, whose signed ends are ``distance/edges_mm``; ``cases`` (N,).
        spectra: arrays of spectra.npz: ``frequency``, ``cases`` and, with cases on the first axis, the spectra.
    """

    rows: list[dict[str, Any]]
    calibration: dict[str, np.ndarray]
    spectra: dict[str, np.ndarray]


def evaluate_cases(
    model: nn.Module,
    cases: Sequence[PreparedCase],
    classes: Sequence[str],
    patch: Sequence[int],
    inference: InferenceConfig,
    evaluation: EvaluationConfig,
    *,
    device: torch.device,
    precision: str,
    transform: Transform = unchanged,
    nested: Mapping[str, Sequence[int]] | None = None,
    advance: Callable[[str], None] = lambda case: None,
) -> CellScores:
    """Predict and score every case on its original grid.

    Args:
        model: trained network.
        cases: prepared test cases.
        classes: names of the foreground classes.
        patch: window size in voxels.
        inference: sliding-window settings.
        evaluation: settings of the scores.
        device: where to run.
        precision: "bf16" or "fp32".
        transform: applied to the logits; a post-hoc step goes here.
        nested: name -> labels of regions that are scored beside the classes.
        advance: called with the name of each finished case.
    """
    model = model.to(device).eval()
    rows: list[dict[str, Any]] = []
    histograms: dict[str, list[CalibrationHistogram]] = {region: [] for region in REGIONS}
    spectra: list[dict[str, np.ndarray]] = []
    bands: list[dict[str, np.ndarray]] = []
    for case in cases:
        probabilities = predict_probabilities(
            model, case.image(), patch, inference, device=device, precision=precision, transform=transform
        )
        posterior = case.posterior()
        scores = score_case(
            to_original_grid(probabilities, case.crop, case.original_shape).numpy(),
            np.asarray(case.reference()),
            case.original_spacing_mm,
            classes,
            evaluation,
            None if posterior is None else np.asarray(posterior),
            nested,
        )
        rows += [{"case": case.id, "patient": case.patient, **row} for row in scores.rows]
        for region, histogram in scores.histograms.items():
            histograms[region].append(histogram)
        bands.append(scores.bands)
        spectra.append(
            case_spectra(
                model, case, patch, evaluation.spectral_bands, device=device, precision=precision, transform=transform
            )
        )
        advance(case.id)
    pools = {region: _pool(items) for region, items in histograms.items()}
    for name, protocol in PROTOCOLS.items():
        if protocol.aggregation == "pooled":
            rows += [{"case": POOL, "patient": POOL, **row} for row in calibration_rows(pools, name)]
    arrays: dict[str, np.ndarray] = {"cases": np.array([case.id for case in cases])}
    calibration = dict(arrays)
    for region, items in histograms.items():
        calibration |= {f"{region}/pooled/{key}": value for key, value in pools[region].arrays().items()}
        calibration |= {f"{region}/cases/{key}": value for key, value in _case_bins(items).items()}
    calibration |= {f"distance/{key}": value for key, value in _stacked_all(bands).items()}
    calibration["distance/edges_mm"] = band_edges()
    return CellScores(rows, calibration, {**arrays, **_stacked(spectra)})


def _pool(items: Sequence[CalibrationHistogram]) -> CalibrationHistogram:
    """All voxels of the cases in one histogram."""
    pooled = CalibrationHistogram(items[0].num_classes, items[0].bins)
    for item in items:
        pooled.merge(item)
    return pooled


def _case_bins(items: Sequence[CalibrationHistogram]) -> dict[str, np.ndarray]:
    """``count``, ``confidence`` and ``accuracy`` (N, 1 + C, bins): the top label first, then each class."""
    rows = [[item.reliability(label) for label in (None, *range(item.num_classes))] for item in items]
    return {
        name: np.array([[getattr(diagram, name) for diagram in case] for case in rows])
        for name in ("count", "confidence", "accuracy")
    }


def _stacked_all(entries: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays of several cases, cases on the first axis."""
    return {key: np.stack([entry[key] for entry in entries]) for key in entries[0]}


def _stacked(spectra: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {**_stacked_all(spectra), "frequency": spectra[0]["frequency"]}
