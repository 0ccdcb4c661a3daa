"""Scoring of all test cases of a cell. Memory: one case, and some 20 kB of numbers per finished case."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from spectralcal.engine.predict import Transform, predict_probabilities, unchanged
from spectralcal.preparation.resample import to_original_grid
from spectralcal.scoring.all_cases import POOL, AllCases, CellScores
from spectralcal.scoring.contract import Prediction, ScoredCase
from spectralcal.scoring.load import load_scorers
from spectralcal.scoring.patch import patch_logits
from spectralcal.scoring.samples import sampled
from spectralcal.scoring.score import score_prediction

if TYPE_CHECKING:
    from spectralcal.data.manifest import PreparedCase
    from spectralcal.datasets import DataFacts
    from spectralcal.study.config import EvaluationConfig, InferenceConfig

__all__ = ["POOL", "CellScores", "evaluate_cases", "predicted"]


@torch.inference_mode()
def evaluate_cases(
    model: nn.Module,
    cases: Sequence[PreparedCase],
    facts: DataFacts,
    patch: Sequence[int],
    inference: InferenceConfig,
    evaluation: EvaluationConfig,
    *,
    device: torch.device,
    precision: str,
    transform: Transform = unchanged,
    samples: int = 0,
    advance: Callable[[str], None] = lambda case: None,
) -> CellScores:
    """Predict and score every case on its original grid.

    Args:
        model: trained network.
        cases: prepared test cases.
        facts: of their data set.
        patch: window size in voxels.
        inference: sliding-window settings.
        evaluation: scorers and their settings.
        device: where to run.
        precision: "bf16" or "fp32".
        transform: applied to the logits; a post-hoc step goes here.
        samples: predictions that are drawn of each image; 0: none are.
        advance: called with the name of each finished case.

    Raises:
        ConfigError: as :func:`load_scorers`.
        ResultError: a scorer's results are not what they should be.
    """
    model = model.to(device).eval()
    scorers = load_scorers(evaluation.scorers)
    gathered = AllCases(scorers, len(cases))
    how = {"device": device, "precision": precision, "transform": transform}
    for case in cases:
        if samples:
            prediction = sampled(model, case, patch, inference, samples, **how)
        else:
            prediction = predicted(model, case, patch, inference, **how)
        scores = score_prediction(scorers, prediction, _scored_case(case, facts, evaluation))
        gathered.add(case.id, case.patient, scores)
        advance(case.id)
    return gathered.finished()


def predicted(
    model: nn.Module,
    case: PreparedCase,
    patch: Sequence[int],
    inference: InferenceConfig,
    *,
    device: torch.device,
    precision: str,
    transform: Transform = unchanged,
) -> Prediction:
    """A network's prediction for a case, computed when it is asked for; arguments as for :func:`evaluate_cases`."""

    def probabilities() -> np.ndarray:
        on_prepared = predict_probabilities(
            model, case.image(), patch, inference, device=device, precision=precision, transform=transform
        )
        return to_original_grid(on_prepared, case.crop, case.original_shape).numpy()

    def logits() -> torch.Tensor:
        return transform(patch_logits(model, case, patch, device=device, precision=precision))

    return Prediction(probabilities, logits, case.spacing_mm)


def _scored_case(case: PreparedCase, facts: DataFacts, evaluation: EvaluationConfig) -> ScoredCase:
    posterior = None if (stored := case.posterior()) is None else np.asarray(stored)
    return ScoredCase(np.asarray(case.reference()), tuple(case.original_spacing_mm), facts, evaluation, posterior)
