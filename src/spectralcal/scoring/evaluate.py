"""Scoring of all test cases of a cell. Memory: one case, and some 20 kB of numbers per finished case."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from spectralcal.base.errors import ResultError
from spectralcal.engine.predict import Transform, predict_probabilities, unchanged
from spectralcal.preparation.resample import to_original_grid
from spectralcal.scoring.contract import Prediction, ScoredCase
from spectralcal.scoring.gather import ScoreRows, ScorerPool
from spectralcal.scoring.load import FILES, load_scorers
from spectralcal.scoring.patch import patch_logits
from spectralcal.scoring.samples import sampled
from spectralcal.scoring.score import checked, score_prediction

if TYPE_CHECKING:
    from spectralcal.data.manifest import PreparedCase
    from spectralcal.datasets import DataFacts
    from spectralcal.study.config import EvaluationConfig, InferenceConfig


#: case and patient of a score that belongs to all test voxels together
POOL = "pooled"


@dataclass
class CellScores:
    """Everything that the evaluation of a cell leaves.

    Attributes:
        rows: tidy scores with case and patient; scores of all voxels together are rows of the case "pooled".
        arrays: file -> its arrays, those of each scorer that names the file (:attr:`Scorer.file`), and ``cases`` (N,).
            Where cases are on the first axis they are in that order.
    """

    rows: Sequence[Mapping[str, Any]]
    arrays: dict[str, dict[str, np.ndarray]]

    @property
    def calibration(self) -> dict[str, np.ndarray]:
        """Arrays of calibration.npz."""
        return self.arrays["calibration"]

    @property
    def spectra(self) -> dict[str, np.ndarray]:
        """Arrays of spectra.npz."""
        return self.arrays["spectra"]


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
    rows = ScoreRows()
    pools = {name: ScorerPool(len(cases)) for name in scorers}
    how = {"device": device, "precision": precision, "transform": transform}
    for case in cases:
        if samples:
            prediction = sampled(model, case, patch, inference, samples, **how)
        else:
            prediction = predicted(model, case, patch, inference, **how)
        scores = score_prediction(scorers, prediction, _scored_case(case, facts, evaluation))
        rows.add(case.id, case.patient, scores.rows)
        # The fine cells of a case are some megabytes: they go into the pool at once, in the order of the cases.
        for name, scored in scores.by_scorer.items():
            pools[name].add(name, scored)
        advance(case.id)
    arrays = {file: {"cases": np.array([case.id for case in cases])} for file in FILES}
    for name, scorer in scorers.items():
        pooled = checked(name, scorer.pool(pools[name].parts, pools[name].arrays()))
        rows.add(POOL, POOL, pooled.rows)
        prefix = f"{name}/" if scorer.prefix is None else scorer.prefix
        for key, value in pooled.arrays.items():
            if prefix + key in arrays[scorer.file]:
                raise ResultError(
                    f"evaluation.scorers: '{name}': {scorer.file}.npz has an array {prefix + key} already"
                )
            arrays[scorer.file][prefix + key] = value
    return CellScores(rows, arrays)


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
