"""Class-wise temperature scaling: one number per class; it may move a boundary, so Dice is scored again too."""

from __future__ import annotations

import torch
from torch import Tensor

from spectralcal.posthoc._affine import diagonal, fit_affine, log_probabilities
from spectralcal.posthoc._scaling import LARGEST, SMALLEST
from spectralcal.posthoc._step import PostHocStep, by_class, limit_reached


class ClasswiseTemperatureScaling(PostHocStep):
    """softmax(log p_c / T_c), T_c from 0.01 to 100, fitted to the validation voxels by their likelihood.

    Vector scaling without a bias, on the network's log-probabilities: divided logits would depend on the value that is
    common to all logits of a voxel, which no probability shows and which a loss on maps of logits can move at will.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """

    state = ("temperatures",)

    def estimate(self, logits: Tensor, labels: Tensor) -> None:
        """Fit T_c to logits (N, C) and labels (N,)."""
        free = diagonal(logits.shape[1], intercept=False)
        lower, upper = torch.full(free.shape, SMALLEST).double(), torch.full(free.shape, LARGEST).double()
        fitted = fit_affine(logits, labels, log_probabilities, free, lower, upper, torch.zeros_like(lower))
        temperatures = 1 / fitted.diagonal()
        self.temperatures = temperatures.tolist()
        self.limits = limit_reached("temperature", temperatures, 1 / LARGEST, 1 / SMALLEST)

    def transform(self, logits: Tensor) -> Tensor:
        """Log-probabilities of logits (B, C, *spatial), each class divided by its T_c."""
        return log_probabilities(logits) / by_class(self.temperatures, logits)


POST_HOC = ClasswiseTemperatureScaling
NUMERICS = 2  # see spectralcal.study.numerics
