"""Ensemble temperature scaling: a mixture of scaled, plain and uniform probabilities."""

from __future__ import annotations

import torch
from torch import Tensor

from spectralcal.posthoc._newton import minimize
from spectralcal.posthoc._scaling import LARGEST, SMALLEST, fit_factor
from spectralcal.posthoc._step import PostHocStep, limit_reached
from spectralcal.posthoc._voxels import chunks

#: most that the uniform component may take, so that the order of the classes stays
MOST_UNIFORM = 1 - 1e-6


class EnsembleTemperatureScaling(PostHocStep):
    """w_1 softmax(z / T) + w_2 softmax(z) + w_3 / C, with w at least zero and of sum one.

    T is fitted first, then w at that T, both by the likelihood of the validation voxels. Every component keeps the
    order of the classes, and so does the mixture.

    Source: Zhang et al., "Mix-n-Match: Ensemble and Compositional Methods for Uncertainty Calibration in Deep
    Learning", ICML 2020. Their code fits squared errors; likelihood is what all steps here are fitted by.
    """

    preserves_argmax = True
    state = ("temperature", "weights")

    def estimate(self, logits: Tensor, labels: Tensor) -> None:
        """Fit T and w to logits (N, C) and labels (N,)."""
        temperature = 1 / fit_factor(logits, labels)

        def objective(weights: Tensor) -> tuple[float, Tensor, Tensor]:
            # -E log(w . q) + sum(w): its minimum over w >= 0 has a sum of one, which spares the constraint.
            value, slope, hessian = float(weights.sum()), torch.ones(3).double(), torch.zeros(3, 3).double()
            for part, target in chunks(logits, labels):
                probabilities = (each.gather(1, target[:, None]) for each in _components(part, temperature))
                q = torch.cat(list(probabilities), 1)
                mixture = q @ weights
                ratio = q / mixture[:, None]
                value -= float(mixture.log().sum()) / len(labels)
                slope = slope - ratio.sum(0) / len(labels)
                hessian = hessian + ratio.T @ ratio / len(labels)
            return value, slope, hessian

        start, lower, upper = (torch.tensor(each, dtype=torch.float64) for each in ([1 / 3] * 3, [0.0] * 3, [1.0] * 3))
        weights = minimize(objective, start, lower, upper)
        weights = weights / weights.sum()
        self.limits = limit_reached("temperature", torch.tensor(temperature), 1 / LARGEST, 1 / SMALLEST)
        if weights[2] > MOST_UNIFORM:
            self.limits.append("the uniform component is at its limit 1: the logits say nothing about the labels")
            weights = torch.tensor([1 - MOST_UNIFORM, 0.0, MOST_UNIFORM], dtype=torch.float64)
        self.temperature, self.weights = temperature, weights.tolist()

    def transform(self, logits: Tensor) -> Tensor:
        """Logarithm of the mixture's probabilities for logits (B, C, *spatial)."""
        parts = _components(logits, self.temperature)
        mixture = sum(weight * part for weight, part in zip(self.weights, parts, strict=True))
        return mixture.clamp_min(torch.finfo(logits.dtype).tiny).log()


def _components(logits: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """Probabilities of the three components."""
    uniform = torch.full_like(logits, 1 / logits.shape[1])
    return torch.softmax(logits / temperature, 1), torch.softmax(logits, 1), uniform


POST_HOC = EnsembleTemperatureScaling
NUMERICS = 1  # see spectralcal.study.numerics
