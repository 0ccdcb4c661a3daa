"""Margin-based label smoothing."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from spectralcal.losses._base import SegmentationLoss, cross_entropy
from spectralcal.losses._validation import choice, non_negative
from spectralcal.spectral.confidence import class_max


class MarginLabelSmoothingLoss(SegmentationLoss):
    """Cross-entropy plus a linear penalty on logit gaps beyond a margin (Liu et al., 2022).

    L = CE + weight * mean over voxels of sum_c or mean_c relu(max_j z_j - z_c - margin). The gap is to the voxel's own
    largest logit, whether or not that is the true class, and the gradient reaches that logit too.

    Args:
        margin: allowed gap; default 5.0, as the paper states for its baselines. The authors' code has 10.
        weight: of the penalty; default 0.1, the authors'.
        class_reduction: "mean" over the classes, the authors' code (default), or "sum", their formula: C times as much.

    Raises:
        ValueError: a negative `margin` or `weight`, or an unknown `class_reduction`.
    """

    def __init__(
        self, margin: float = 5.0, weight: float = 0.1, class_reduction: Literal["mean", "sum"] = "mean"
    ) -> None:
        super().__init__()
        self.margin = non_negative("margin", margin)
        self.weight = non_negative("weight", weight)
        choice("class_reduction", class_reduction, ("mean", "sum"))
        self.class_reduction = class_reduction

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        excess = (class_max(logits).unsqueeze(1) - logits - self.margin).relu()
        penalty = excess.mean()
        if self.class_reduction == "sum":
            penalty = penalty * logits.shape[1]
        self.diagnostics = {"beyond_margin": (excess.detach() > 0).to(logits.dtype).mean()}
        return {"ce": cross_entropy(logits, target), "margin": self.weight * penalty}


LOSS = MarginLabelSmoothingLoss
LABEL = "MbLS"
PAPER = "MbLS"
REFERENCE = "Liu et al., The devil is in the margin, CVPR 2022; Murugesan et al., Medical Image Analysis 2023"
