"""Class-wise temperature scaling: one number a class; it may move a boundary, so Dice is scored again too."""

from __future__ import annotations

import torch
from torch import Tensor

from spectralcal.posthoc._scaling import fit_factors


class ClasswiseTemperatureScaling:
    """softmax(logits_c / T_c), fitted to the validation voxels by their likelihood: vector scaling without a bias.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """

    def __init__(self) -> None:
        self.temperatures = [1.0]

    def fit(self, logits: Tensor, labels: Tensor) -> None:
        """Fit T_c to logits (N, C) and labels (N,)."""
        self.temperatures = (1 / fit_factors(logits, labels, logits.shape[1])).tolist()

    def __call__(self, logits: Tensor) -> Tensor:
        """Logits (B, C, *spatial), each class divided by its T_c."""
        shape = (1, -1) + (1,) * (logits.ndim - 2)
        return logits / torch.tensor(self.temperatures, dtype=logits.dtype, device=logits.device).reshape(shape)

    def parameters(self) -> dict[str, list[float]]:
        """The fitted temperatures, background first."""
        return {"temperatures": self.temperatures}


POST_HOC = ClasswiseTemperatureScaling
NUMERICS = 1  # see spectralcal.study.numerics
