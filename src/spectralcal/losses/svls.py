"""Spatially varying label smoothing."""

from __future__ import annotations

import math
from typing import Unpack

import torch
from torch import Tensor

from spectralcal.losses._base import SegmentationLoss, one_hot
from spectralcal.losses._gradient import with_gradient
from spectralcal.losses._neighbourhood import filter3
from spectralcal.losses.targets import Common, Inputs
from spectralcal.spectral.blocks import blocks


class SVLSLoss(SegmentationLoss):
    """Cross-entropy with labels smoothed over their neighbours (Islam and Glocker, 2021).

    A Gaussian of 3 voxels a side, normalised, has its centre set to the sum of its neighbours and is normalised again:
    the soft label is half the voxel's own label and half the weighted mean of its 8 (2-D) or 26 (3-D) neighbours, for
    every sigma. Labels outside the image repeat the outermost ones. Away from borders nothing is smoothed. Soft labels
    are smoothed alike; ignored voxels are nobody's neighbours, and a voxel without neighbours keeps its own label.

    Args:
        sigma: of the Gaussian, in voxels; default 2.0, as the paper states for its baseline, where all neighbours weigh
            almost the same. The authors' code has 1.
        common: ignore_index, multilabel, reduction; see :class:`SegmentationLoss`.

    Raises:
        ValueError: `sigma` is not positive.
    """

    def __init__(self, sigma: float = 2.0, **common: Unpack[Common]) -> None:
        super().__init__(**common)
        if not (sigma > 0 and math.isfinite(sigma)):
            raise ValueError(f"sigma: expected a positive number of voxels, received {sigma!r}")
        self.sigma = sigma

    @torch.no_grad()
    def soft_labels(self, target: Tensor, num_classes: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """The smoothed labels: (B, *spatial) integer -> (B, C, *spatial), summing to 1 over the classes."""
        side, centre = self._kernel()
        peak = centre ** (target.ndim - 1)
        soft = one_hot(target, num_classes, dtype)
        # Half the neighbours' mean and half the voxel's own label: both are one linear map of the filtered label.
        for sample in soft.split(1):
            for own in sample.split(1, dim=1):
                filtered = filter3(own, side, centre, "replicate").mul_(0.5 / (1 - peak))
                own.mul_(0.5 - 0.5 * peak / (1 - peak)).add_(filtered)
        return soft

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        def soft_cross_entropy(logits: Tensor, wanted: bool) -> tuple[Tensor, Tensor | None]:
            soft = self.soft_labels(target, logits.shape[1], logits.dtype).flatten(2)
            voxels = target.numel()
            total = logits.new_zeros((), dtype=torch.float64)
            for here in blocks(logits):
                log_probabilities = logits[here].log_softmax(1)
                part = soft[here]
                total -= (part * log_probabilities).sum()
                if wanted:
                    # Soft labels sum to 1: the gradient is p - q, and takes the place of the labels.
                    torch.sub(log_probabilities.exp_(), part, out=part).div_(voxels)
            return (total / voxels).to(logits.dtype), soft if wanted else None

        return {"svls": with_gradient(logits, soft_cross_entropy)}

    def _values(self, inputs: Inputs) -> dict[str, Tensor]:
        return {"svls": -(self._smoothed(inputs) * inputs.logits.log_softmax(1)).sum(1)}

    @torch.no_grad()
    def _smoothed(self, inputs: Inputs) -> Tensor:
        """:meth:`soft_labels` where labels may be soft or unknown."""
        own, counted = inputs.shares(), inputs.counted
        side, centre = self._kernel()
        peak = centre ** (own.ndim - 2)
        known = torch.ones_like(own[:, :1]) if counted is None else counted.unsqueeze(1).to(own.dtype)
        own = own * known
        around, number = (filter3(field, side, centre, "replicate") - peak * field for field in (own, known))
        # Differences of equal numbers leave rounding behind.
        return torch.where(number > 1e-6, (own + around / number.clamp_min(1e-6)) / 2, own)

    def _kernel(self) -> tuple[float, float]:
        """Side and centre of the normalised Gaussian along one axis."""
        side = math.exp(-1 / (2 * self.sigma**2))
        total = 1 + 2 * side
        return side / total, 1 / total


LOSS = SVLSLoss
NUMERICS = 1  # see spectralcal.study.numerics
LABEL = "SVLS"
REFERENCE = "Islam and Glocker, Spatially varying label smoothing, IPMI 2021"
