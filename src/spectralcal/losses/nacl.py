"""Neighbour-aware calibration: logits kept near the label shares of their neighbourhood."""

from __future__ import annotations

from typing import Literal, Unpack

import torch
from torch import Tensor

from spectralcal.losses._base import SegmentationLoss, cross_entropies, cross_entropy
from spectralcal.losses._gradient import with_gradient
from spectralcal.losses._neighbourhood import BORDERS, class_counts, class_shares, window_size
from spectralcal.losses._validation import choice, non_negative
from spectralcal.losses.targets import Common, Inputs
from spectralcal.spectral.blocks import blocks


class NACLLoss(SegmentationLoss):
    """Cross-entropy plus weight * mean over voxels and classes of |t_c - z_c| (Murugesan et al., 2023).

    t_c is the share of class c in the 3-voxel-wide window, z the raw logits. With soft labels t is their mean in the
    window; ignored voxels are left out of it.

    Args:
        weight: of the penalty; default 0.1, the authors'.
        border: labels outside the image are "background" (the authors' code, default), no class ("zero"), or those of
            the outermost voxels ("replicate").
        common: ignore_index, multilabel, reduction; see :class:`SegmentationLoss`.

    Raises:
        ValueError: a negative `weight` or an unknown `border`.
    """

    def __init__(
        self,
        weight: float = 0.1,
        border: Literal["background", "zero", "replicate"] = "background",
        **common: Unpack[Common],
    ) -> None:
        super().__init__(**common)
        self.weight = non_negative("weight", weight)
        choice("border", border, BORDERS)
        self.border = border

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        counts = class_counts(target, logits.shape[1], self.border)
        window, counts = window_size(counts), counts.flatten(2)

        def distance(logits: Tensor, wanted: bool) -> tuple[Tensor, Tensor | None]:
            gradient = torch.empty_like(logits) if wanted else None
            total = logits.new_zeros((), dtype=torch.float64)
            for here in blocks(logits):
                excess = logits[here] - counts[here].to(logits.dtype).div_(window)
                total += excess.abs().sum()
                if gradient is not None:
                    gradient[here] = excess.sign_().div_(logits.numel())
            return (total / logits.numel()).to(logits.dtype), gradient

        return {
            "ce": cross_entropy(logits, target),
            "neighbour": self.weight * with_gradient(logits, distance),
        }

    def _values(self, inputs: Inputs) -> dict[str, Tensor]:
        distance = (class_shares(inputs, self.border) - inputs.logits).abs().mean(1)
        return {"ce": cross_entropies(inputs), "neighbour": self.weight * distance}


LOSS = NACLLoss
NUMERICS = 1  # see spectralcal.study.numerics
LABEL = "NACL"
REFERENCE = "Murugesan et al., Trust your neighbours: penalty-based constraints for model calibration, MICCAI 2023"
