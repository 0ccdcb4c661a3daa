"""Vector scaling: a factor and an intercept per class."""

from __future__ import annotations

import torch
from torch import Tensor

from spectralcal.posthoc._affine import diagonal, fit_affine, log_probabilities
from spectralcal.posthoc._step import PostHocStep, by_class, limit_reached


class VectorScaling(PostHocStep):
    """softmax(w_c log p_c + b_c), fitted to the validation voxels by their likelihood.

    Applied to log-probabilities, not to logits, for the reason that class-wise temperatures are. With two classes it is
    beta calibration.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.

    Args:
        largest: factors lie from 1/`largest` to `largest`, so that the order of a class's voxels stays.
        largest_intercept: intercepts lie within this of zero; 10 multiplies the odds by 22,000. A class that no
            validation voxel has would send its intercept to minus infinity.
    """

    state = ("weights", "intercepts")

    def __init__(self, largest: float = 100.0, largest_intercept: float = 10.0) -> None:
        super().__init__()
        self.largest, self.largest_intercept = largest, largest_intercept

    def estimate(self, logits: Tensor, labels: Tensor) -> None:
        """Fit w and b to logits (N, C) and labels (N,)."""
        free = diagonal(logits.shape[1], intercept=True)
        upper = torch.full(free.shape, self.largest).double()
        lower = 1 / upper
        upper[:, -1], lower[:, -1] = self.largest_intercept, -self.largest_intercept
        fitted = fit_affine(logits, labels, log_probabilities, free, lower, upper, torch.zeros_like(lower))
        weights, intercepts = fitted.diagonal(), fitted[:, -1]
        self.limits = limit_reached("weight", weights, 1 / self.largest, self.largest)
        self.limits += limit_reached("intercept", intercepts, -self.largest_intercept, self.largest_intercept)
        self.weights = weights.tolist()
        self.intercepts = (intercepts - intercepts.mean()).tolist()  # what all classes share changes no probability

    def transform(self, logits: Tensor) -> Tensor:
        """Scaled and shifted log-probabilities of logits (B, C, *spatial)."""
        return log_probabilities(logits) * by_class(self.weights, logits) + by_class(self.intercepts, logits)


POST_HOC = VectorScaling
NUMERICS = 1  # see spectralcal.study.numerics
