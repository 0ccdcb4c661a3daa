"""Temperature scaling: one number for the whole network, which changes no prediction, only how sure it is."""

from __future__ import annotations

import torch
from torch import Tensor

from spectralcal.posthoc._scaling import LARGEST, SMALLEST, fit_factor
from spectralcal.posthoc._step import PostHocStep, limit_reached


class TemperatureScaling(PostHocStep):
    """softmax(logits / T), T from 1e-6 to 1e6, fitted to the validation voxels by their likelihood.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """

    preserves_argmax = True
    state = ("temperature",)

    def __init__(self) -> None:
        super().__init__()
        self.temperature = 1.0

    def estimate(self, logits: Tensor, labels: Tensor) -> None:
        """Fit T to logits (N, C) and labels (N,)."""
        factor = fit_factor(logits, labels)
        self.temperature = 1 / factor
        self.limits = limit_reached("temperature", torch.tensor(1 / factor), 1 / LARGEST, 1 / SMALLEST)

    def transform(self, logits: Tensor) -> Tensor:
        """Logits (B, C, *spatial) divided by T."""
        return logits / self.temperature


POST_HOC = TemperatureScaling
NUMERICS = 1  # see spectralcal.study.numerics
