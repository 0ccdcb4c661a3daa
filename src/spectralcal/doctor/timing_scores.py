"""How long it takes to score a cell's test cases, from one of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from spectralcal.jobs.cell_data import dataset_facts, load_data
from spectralcal.records.costs import Kind
from spectralcal.study.config import StudyConfig
from spectralcal.study.paths import StudyPaths

if TYPE_CHECKING:
    import torch

    from spectralcal.data.manifest import PreparedCase

#: seconds below which a measurement is taken again: the first loads compiled loops
SHORT = 3.0


def scoring_seconds(
    config: StudyConfig, kind: Kind, model: torch.nn.Module, window: float, device: torch.device, precision: str
) -> float | None:
    """Seconds of predicting and scoring all test cases; None as long as the data set is not prepared and split.

    Args:
        config: the study.
        kind: data set and architecture.
        model: the network, on `device`, in evaluation mode; its weights do not matter.
        window: seconds of predicting one window.
        device: where to predict.
        precision: "bf16" or "fp32".
    """
    paths = StudyPaths(config)
    if not paths.manifest(kind[0]).is_file() or not paths.split(kind[0]).is_file():
        return None
    cases, patch = load_data(config, kind[0]).scored, config.training_of(*kind).patch
    by_size = sorted(cases, key=lambda case: np.prod(case.original_shape))
    middle = by_size[len(by_size) // 2]
    voxels = sum(int(np.prod(case.original_shape)) for case in cases)
    by_voxel, by_case = _scores_seconds(config, kind, model, middle, device, precision)
    scores = by_voxel * voxels / np.prod(middle.original_shape) + by_case * len(cases)
    return float(windows_of(cases, patch, config.inference.overlap) * window + scores)


def windows_of(cases: Sequence[PreparedCase], patch: Sequence[int], overlap: float) -> int:
    """Windows of the sliding window over all cases."""
    from spectralcal.engine.predict import window_starts

    counts = (
        [len(window_starts(max(size, window), window, overlap)) for size, window in zip(case.shape, patch, strict=True)]
        for case in cases
    )
    return sum(int(np.prod(count)) for count in counts)


def _scores_seconds(
    config: StudyConfig, kind: Kind, model: torch.nn.Module, case: PreparedCase, device: torch.device, precision: str
) -> tuple[float, float]:
    """Seconds of the scores of a prediction that is nearly right, as a trained network's is: of those that look at the
    whole case, and of those that look at its fixed patch."""
    import torch

    from spectralcal.preparation.resample import to_original_grid
    from spectralcal.scoring.contract import Prediction, ScoredCase
    from spectralcal.scoring.load import load_scorers
    from spectralcal.scoring.patch import patch_logits
    from spectralcal.scoring.score import score_prediction

    facts, patch = dataset_facts(config, kind[0]), config.training_of(*kind).patch
    count = len(facts.classes) + 1
    label = torch.from_numpy(np.array(case.label())).long()
    probabilities = torch.stack([0.9 * (label == value) + 0.1 / count for value in range(count)])
    scorers = load_scorers(config.evaluation.scorers)

    def work(of_patch: bool) -> None:  # its result is on the CPU: nothing is left to wait for
        prediction = Prediction(
            lambda: to_original_grid(probabilities, case.crop, case.original_shape).numpy(),
            lambda: patch_logits(model, case, patch, device=device, precision=precision),
            case.spacing_mm,
        )
        seen = ScoredCase(np.asarray(case.reference()), case.original_spacing_mm, facts, config.evaluation)
        chosen = {name: each for name, each in scorers.items() if ("patch_logits" in each.needs) == of_patch}
        score_prediction(chosen, prediction, seen)

    return _typical_seconds(lambda: work(False)), _typical_seconds(lambda: work(True))


def _typical_seconds(work: Callable[[], None]) -> float:
    first = _seconds(work)
    return first if first > SHORT else _seconds(work)


def _seconds(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
