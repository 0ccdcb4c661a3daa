"""Margin-based label smoothing."""

from __future__ import annotations

from typing import Literal, Unpack

import torch
from torch import Tensor

from spectralcal.losses._base import SegmentationLoss, cross_entropies, cross_entropy
from spectralcal.losses._gradient import with_gradient
from spectralcal.losses._validation import choice, non_negative
from spectralcal.losses.targets import Common, Inputs
from spectralcal.spectral.blocks import blocks


class MarginLabelSmoothingLoss(SegmentationLoss):
    """Cross-entropy plus a linear penalty on logit gaps beyond a margin (Liu et al., 2022).

    L = CE + weight * mean over voxels of sum_c or mean_c relu(max_j z_j - z_c - margin). The gap is to the voxel's own
    largest logit, whether or not that is the true class, and the gradient reaches that logit too. Labels, soft ones
    too, are in the cross-entropy alone.

    Args:
        margin: allowed gap; default 5.0, as the paper states for its baselines. The authors' code has 10.
        weight: of the penalty; default 0.1, the authors'.
        class_reduction: "mean" over the classes, the authors' code (default), or "sum", their formula: C times as much.
        common: ignore_index, multilabel, reduction; see :class:`SegmentationLoss`.

    Raises:
        ValueError: a negative `margin` or `weight`, or an unknown `class_reduction`.
    """

    def __init__(
        self,
        margin: float = 5.0,
        weight: float = 0.1,
        class_reduction: Literal["mean", "sum"] = "mean",
        **common: Unpack[Common],
    ) -> None:
        super().__init__(**common)
        self.margin = non_negative("margin", margin)
        self.weight = non_negative("weight", weight)
        choice("class_reduction", class_reduction, ("mean", "sum"))
        self.class_reduction = class_reduction

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        penalty = with_gradient(logits, self._excess)
        if self.class_reduction == "sum":
            penalty = penalty * logits.shape[1]
        return {"ce": cross_entropy(logits, target), "margin": self.weight * penalty}

    def _values(self, inputs: Inputs) -> dict[str, Tensor]:
        logits = inputs.logits
        # One class per voxel takes the gradient of the largest logit, at ties too.
        excess = (logits.max(1, keepdim=True).values - logits - self.margin).clamp_min(0)
        penalty = excess.sum(1) if self.class_reduction == "sum" else excess.mean(1)
        self.diagnostics = {"beyond_margin": (excess.detach() > 0).to(logits.dtype).mean()}
        return {"ce": cross_entropies(inputs), "margin": self.weight * penalty}

    def _excess(self, logits: Tensor, wanted: bool) -> tuple[Tensor, Tensor | None]:
        """Mean excess over the margin of logits (B, C, V), and its gradient."""
        gradient = torch.empty_like(logits) if wanted else None
        total, beyond = logits.new_zeros(2, dtype=torch.float64).unbind()
        for here in blocks(logits):
            largest = logits[here].amax(1, keepdim=True)
            excess = (largest - logits[here]).sub_(self.margin).clamp_min_(0)
            total += excess.sum()
            active = excess.sign_()
            number = active.sum(1, keepdim=True)
            beyond += number.sum()
            if gradient is not None:
                # What leaves the classes beyond the margin goes to the largest, to the first one of equals.
                pull = torch.eq(logits[here], largest, out=gradient[here])
                for part in pull.split(1, 1):
                    number.sub_(part.mul_(number))
                pull.sub_(active).div_(logits.numel())
        self.diagnostics = {"beyond_margin": (beyond / logits.numel()).to(logits.dtype)}
        return (total / logits.numel()).to(logits.dtype), gradient


LOSS = MarginLabelSmoothingLoss
NUMERICS = 1  # see spectralcal.study.numerics
LABEL = "MbLS"
REFERENCE = "Liu et al., The devil is in the margin, CVPR 2022; Murugesan et al., Medical Image Analysis 2023"
