"""Temperature scaling: one number for the whole network, which changes no prediction, only how sure it is."""

from __future__ import annotations

from torch import Tensor

from spectralcal.posthoc._scaling import fit_factors


class TemperatureScaling:
    """softmax(logits / T), T fitted to the validation voxels by their likelihood.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """

    def __init__(self) -> None:
        self.temperature = 1.0

    def fit(self, logits: Tensor, labels: Tensor) -> None:
        """Fit T to logits (N, C) and labels (N,)."""
        self.temperature = 1 / float(fit_factors(logits, labels, 1))

    def __call__(self, logits: Tensor) -> Tensor:
        """Logits (B, C, *spatial) divided by T."""
        return logits / self.temperature

    def parameters(self) -> dict[str, float]:
        """The fitted temperature."""
        return {"temperature": self.temperature}


POST_HOC = TemperatureScaling
NUMERICS = 1  # see spectralcal.study.numerics
