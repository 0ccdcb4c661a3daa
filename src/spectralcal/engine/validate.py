"""Mean Dice on the validation cases: the only quantity by which weights may be selected (docs/ambiguities.md, T4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from spectralcal.engine.predict import predict_probabilities
from spectralcal.metrics import dice

if TYPE_CHECKING:
    from spectralcal.data.manifest import PreparedCase
    from spectralcal.study.config import InferenceConfig


def mean_dice(
    model: nn.Module,
    cases: Sequence[PreparedCase],
    patch: Sequence[int],
    settings: InferenceConfig,
    *,
    device: torch.device,
    precision: str,
) -> float:
    """Dice on the prepared grid, averaged over foreground classes and then over cases.

    A class that is absent from both reference and prediction is left out (E7). The network's mode is restored.
    """
    training = model.training
    model.eval()
    scores = []
    for case in cases:
        probabilities = predict_probabilities(model, case.image(), patch, settings, device=device, precision=precision)
        prediction, reference = probabilities.argmax(0).numpy(), np.asarray(case.label())
        values = [dice(prediction == c, reference == c) for c in range(1, probabilities.shape[0])]
        if not np.all(np.isnan(values)):
            scores.append(float(np.nanmean(values)))
    model.train(training)
    return float(np.mean(scores)) if scores else 0.0
