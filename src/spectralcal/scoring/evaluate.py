"""Scoring of all test cases of a cell. Memory is that of one case, and some 20 kB of numbers for each that is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from spectralcal.engine.predict import Transform, predict_probabilities, unchanged
from spectralcal.metrics import PROTOCOLS, CalibrationHistogram
from spectralcal.metrics.distance_bands import band_edges
from spectralcal.preparation.resample import to_original_grid
from spectralcal.scoring.gather import CaseArrays, ScoreRows
from spectralcal.scoring.score import SCORED, calibration_rows, score_case
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

    rows: Sequence[dict[str, Any]]
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
    rows = ScoreRows()
    pools: dict[str, CalibrationHistogram] = {}
    bins = {region: CaseArrays(len(cases)) for region in SCORED}
    bands, spectra = CaseArrays(len(cases)), CaseArrays(len(cases))
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
        rows.add(case.id, case.patient, scores.rows)
        # The fine cells of a case are some megabytes: they go into the pool at once, in the order of the cases.
        for region, histogram in scores.histograms.items():
            if region not in pools:
                pools[region] = CalibrationHistogram(histogram.num_classes, histogram.bins)
            pools[region].merge(histogram)
            bins[region].append(_case_bins(histogram))
        bands.append(scores.bands)
        spectra.append(
            case_spectra(
                model, case, patch, evaluation.spectral_bands, device=device, precision=precision, transform=transform
            )
        )
        advance(case.id)
    for name, protocol in PROTOCOLS.items():
        if protocol.aggregation == "pooled":
            rows.add(POOL, POOL, calibration_rows(pools, name))
    arrays: dict[str, np.ndarray] = {"cases": np.array([case.id for case in cases])}
    calibration = dict(arrays)
    for region, pool in pools.items():
        calibration |= {f"{region}/pooled/{key}": value for key, value in pool.arrays().items()}
        calibration |= {f"{region}/cases/{key}": value for key, value in bins[region].arrays.items()}
    calibration |= {f"distance/{key}": value for key, value in bands.arrays.items()}
    calibration["distance/edges_mm"] = band_edges()
    frequency = spectra.arrays["frequency"][0]  # the same of every case
    return CellScores(rows, calibration, {**arrays, **spectra.arrays, "frequency": frequency})


def _case_bins(histogram: CalibrationHistogram) -> dict[str, np.ndarray]:
    """``count``, ``confidence`` and ``accuracy`` (1 + C, bins) of a case: the top label first, then each class."""
    diagrams = [histogram.reliability(label) for label in (None, *range(histogram.num_classes))]
    return {name: np.array([getattr(one, name) for one in diagrams]) for name in ("count", "confidence", "accuracy")}
