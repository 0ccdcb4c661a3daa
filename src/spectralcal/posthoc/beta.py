"""Beta calibration, one class against the rest."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from spectralcal.posthoc._newton import minimize
from spectralcal.posthoc._one_vs_rest import OneVsRest, log_odds
from spectralcal.posthoc._step import by_class, limit_reached
from spectralcal.posthoc._voxels import chunks


class BetaCalibration(OneVsRest):
    """log-odds a log p - b log(1 - p) + c of each class, a and b at least zero, divided by the classes' sum.

    The right map if the probabilities of voxels of a class, and of all others, follow beta distributions. The three
    numbers of a class are fitted to whether a voxel is of that class, by likelihood; a factor that would be negative
    is zero instead, as the source has it.

    Source: Kull et al., "Beta calibration", AISTATS 2017.

    Args:
        largest: upper bound of a and b.
        largest_intercept: c lies within this of zero; 10 multiplies the odds by 22,000. A class that no validation
            voxel has would send it to minus infinity.
    """

    state = ("a", "b", "c")

    def __init__(self, largest: float = 100.0, largest_intercept: float = 10.0) -> None:
        super().__init__()
        self.largest, self.largest_intercept = largest, largest_intercept

    def estimate(self, logits: Tensor, labels: Tensor) -> None:
        """Fit a, b and c of each class to logits (N, C) and labels (N,)."""
        classes = logits.shape[1]

        def objective(chosen: Tensor) -> tuple[float, Tensor, Tensor]:
            coefficients = chosen.reshape(classes, 3)
            value, slope, hessian = 0.0, torch.zeros(classes, 3).double(), torch.zeros(classes, 3, classes, 3).double()
            for part, target in chunks(logits, labels):
                odds = log_odds(part)
                for c in range(classes):
                    x = torch.stack(
                        [F.logsigmoid(odds[:, c]), -F.logsigmoid(-odds[:, c]), torch.ones(len(part)).double()], 1
                    )
                    fitted, is_class = x @ coefficients[c], target == c
                    value -= float(F.logsigmoid(torch.where(is_class, fitted, -fitted)).sum()) / len(labels)
                    p = fitted.sigmoid()
                    slope[c] += (p - is_class.double()) @ x / len(labels)
                    hessian[c, :, c] += (x * (p * (1 - p))[:, None]).T @ x / len(labels)
            return value, slope.flatten(), hessian.reshape(3 * classes, 3 * classes)

        start = torch.tensor([1.0, 1.0, 0.0]).double().repeat(classes)
        lower = torch.tensor([0.0, 0.0, -self.largest_intercept]).double().repeat(classes)
        upper = torch.tensor([self.largest, self.largest, self.largest_intercept]).double().repeat(classes)
        fitted = minimize(objective, start, lower, upper).reshape(classes, 3)
        for column, name in enumerate(self.state):
            setattr(self, name, fitted[:, column].tolist())
            bounds = lower[column].item(), upper[column].item()
            self.limits += limit_reached(name, fitted[:, column], *bounds)

    def calibrated(self, odds: Tensor) -> Tensor:
        """a log p - b log(1 - p) + c of log-odds (B, C, *spatial)."""
        a, b, c = (by_class(values, odds) for values in (self.a, self.b, self.c))
        return a * F.logsigmoid(odds) - b * F.logsigmoid(-odds) + c


POST_HOC = BetaCalibration
NUMERICS = 1  # see spectralcal.study.numerics
