"""Neighbour-aware calibration: logits held near the label shares of their neighbourhood."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from spectralcal.losses._base import SegmentationLoss, cross_entropy
from spectralcal.losses._neighbourhood import BORDERS, class_shares
from spectralcal.losses._validation import choice, non_negative


class NACLLoss(SegmentationLoss):
    """Cross-entropy plus weight * mean over voxels and classes of |t_c - z_c| (Murugesan et al., 2023).

    t_c is the share of class c in the 3-voxel-wide window, z the raw logits.

    Args:
        weight: of the penalty; default 0.1, the authors'.
        border: labels outside the image are "background" (the authors' code, default), no class ("zero"), or those of
            the outermost voxels ("replicate").

    Raises:
        ValueError: a negative `weight` or an unknown `border`.
    """

    def __init__(self, weight: float = 0.1, border: Literal["background", "zero", "replicate"] = "background") -> None:
        super().__init__()
        self.weight = non_negative("weight", weight)
        choice("border", border, BORDERS)
        self.border = border

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        shares = class_shares(target, logits.shape[1], logits.dtype, self.border)
        return {
            "ce": cross_entropy(logits, target),
            "neighbour": self.weight * (shares - logits).abs().mean(),
        }


LOSS = NACLLoss
LABEL = "NACL"
PAPER = None
REFERENCE = "Murugesan et al., Trust your neighbours: penalty-based constraints for model calibration, MICCAI 2023"
