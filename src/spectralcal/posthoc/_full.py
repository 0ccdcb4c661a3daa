"""A full matrix and intercepts on features of the logits, with prices for what mixes classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from spectralcal.posthoc._affine import apply_affine, fit_affine
from spectralcal.posthoc._step import PostHocStep, limit_reached

#: bound of every coefficient; labels that logits separate perfectly would send the diagonal, which is free, to infinity
LARGEST = 100.0


class FullMatrixScaling(PostHocStep):
    """softmax(W x + b), fitted by likelihood with off-diagonal and intercept regularisation (ODIR).

    The penalty is `off_diagonal` times the mean square of the weights off W's diagonal, and `intercept` times the mean
    square of b; W's diagonal is free. It is zero for the identity.
    """

    #: x (B, C, *spatial) of logits (B, C, *spatial)
    features: ClassVar[Callable[[Tensor], Tensor]]
    state = ("weights", "intercepts")

    def __init__(self, off_diagonal: float = 1e-3, intercept: float = 1e-3) -> None:
        super().__init__()
        if off_diagonal < 0 or intercept < 0:
            raise ValueError(f"expected penalties of at least 0, got {off_diagonal} and {intercept}")
        self.off_diagonal, self.intercept = off_diagonal, intercept

    def estimate(self, logits: Tensor, labels: Tensor) -> None:
        """Fit W and b to logits (N, C) and labels (N,)."""
        classes = logits.shape[1]
        penalty = torch.full((classes, classes + 1), self.off_diagonal / max(classes * (classes - 1), 1)).double()
        penalty.fill_diagonal_(0.0)
        penalty[:, -1] = self.intercept / classes
        upper = torch.full_like(penalty, LARGEST)
        fitted = fit_affine(logits, labels, type(self).features, upper > 0, -upper, upper, penalty)
        self.weights, self.intercepts = fitted[:, :-1].tolist(), fitted[:, -1].tolist()
        self.limits = limit_reached("weight", fitted[:, :-1], -LARGEST, LARGEST)
        self.limits += limit_reached("intercept", fitted[:, -1], -LARGEST, LARGEST)

    def transform(self, logits: Tensor) -> Tensor:
        """W x + b of logits (B, C, *spatial)."""
        return apply_affine(type(self).features(logits), self.weights, self.intercepts)
