"""Class-wise temperature scaling: one number per class; it may move a boundary, so Dice is scored again too."""

from __future__ import annotations

from torch import Tensor

from spectralcal.posthoc._scaling import LARGEST, SMALLEST, fit_factors
from spectralcal.posthoc._step import PostHocStep, by_class, limit_reached


class ClasswiseTemperatureScaling(PostHocStep):
    """softmax(z_c / T_c), T_c from 1e-6 to 1e6, fitted to the validation voxels by their likelihood.

    Vector scaling without a bias, on the logits as they are. Divided logits depend on the value that is common to all
    logits of a voxel, which no probability shows and which a loss on maps of logits can move at will: do not compare
    losses of that kind through this step. :mod:`spectralcal.posthoc.vector` works on log-probabilities and ignores the
    common value.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """

    state = ("temperatures",)
    translation_invariant = False

    def estimate(self, logits: Tensor, labels: Tensor) -> None:
        """Fit T_c to logits (N, C) and labels (N,)."""
        temperatures = 1 / fit_factors(logits, labels, logits.shape[1])
        self.temperatures = temperatures.tolist()
        self.limits = limit_reached("temperature", temperatures, 1 / LARGEST, 1 / SMALLEST)

    def transform(self, logits: Tensor) -> Tensor:
        """Logits (B, C, *spatial), each class divided by its T_c."""
        return logits / by_class(self.temperatures, logits)


POST_HOC = ClasswiseTemperatureScaling
NUMERICS = 1  # see spectralcal.study.numerics
