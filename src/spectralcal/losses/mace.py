"""Average calibration error as a loss (mL1-ACE)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from spectralcal.losses._base import SegmentationLoss, cross_entropy, one_hot
from spectralcal.losses._validation import at_least, checked_logits, checked_target, choice, non_negative


class AverageCalibrationErrorLoss(torch.nn.Module):
    """Marginal L1 average calibration error (Barfoot et al., 2024).

    Per image and class the probabilities are put into equal bins (lo, hi] of [0, 1], zero in the first; the error is
    the mean over non-empty bins of |mean probability - frequency of the class|, each bin counting the same; the loss is
    its mean over images and classes.

    Args:
        bins: number of bins; default 20, the authors'.
        binning: "hard" (default): the gradient reaches a probability through its bin's mean; "soft": a probability is
            shared linearly between the two nearest bin centres, so that moving it between bins has a gradient too. A
            soft bin that holds less than one voxel counts with that share of its error.
        include_background: count class 0; default True, as the authors do in training.
        ignore_empty_classes: leave a class that the image's labels do not hold out of the mean; default True.

    Raises:
        ValueError: `bins` below 1 or an unknown `binning`.
    """

    def __init__(
        self,
        bins: int = 20,
        binning: Literal["hard", "soft"] = "hard",
        include_background: bool = True,
        ignore_empty_classes: bool = True,
    ) -> None:
        super().__init__()
        self.bins = at_least("bins", bins, 1)
        choice("binning", binning, ("hard", "soft"))
        self.binning = binning
        self.include_background = include_background
        self.ignore_empty_classes = ignore_empty_classes

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss as a scalar from 0 to 1; arguments and errors as :meth:`SegmentationLoss.forward`."""
        logits = checked_logits(logits)
        target = checked_target(target, logits)
        with torch.autocast(logits.device.type, enabled=False):
            first = 0 if self.include_background else 1
            probabilities = logits.softmax(1)[:, first:].flatten(2).contiguous()  # (B, C, V)
            labels = one_hot(target, logits.shape[1], logits.dtype)[:, first:].flatten(2)
            measure = _hard_error if self.binning == "hard" else _soft_error
            error = measure(probabilities, labels, self.bins)  # (B, C)
            counted = labels.amax(2) if self.ignore_empty_classes else torch.ones_like(error)
            return (error * counted).sum() / counted.sum().clamp_min(1)


def _hard_error(probabilities: Tensor, labels: Tensor, bins: int) -> Tensor:
    """Mean |bin gap| over non-empty bins, (B, C, V) -> (B, C)."""
    gap = probabilities - labels
    with torch.no_grad():
        edges = torch.linspace(0, 1, bins + 1, dtype=gap.dtype, device=gap.device)[1:-1]
        index = torch.bucketize(probabilities, edges)
        count = _bin_sums(index, None, bins)
        sign = _bin_sums(index, gap.detach(), bins).sign()
        # Each voxel's share of its bin's |gap|: the sum over voxels is the error, its derivative the error's.
        weight = sign / count.clamp_min(1) / (count > 0).sum(2, keepdim=True)
        weight = weight.to(gap.dtype).gather(2, index)
    return (weight * gap).sum(2)


def _soft_error(probabilities: Tensor, labels: Tensor, bins: int) -> Tensor:
    """As :func:`_hard_error` with linear shares in the two nearest bins."""
    position = (probabilities * bins - 0.5).clamp(0, bins - 1)
    below = position.detach().floor().clamp_max(max(bins - 2, 0))
    upper_share = (position - below).double()
    index = below.long()
    gap = (probabilities - labels).double()
    mass = torch.zeros(*gap.shape[:2], bins + 1, dtype=torch.float64, device=gap.device)
    lower_share = 1 - upper_share
    count = mass.scatter_add(2, index, lower_share).scatter_add(2, index + 1, upper_share)
    total = mass.scatter_add(2, index, lower_share * gap).scatter_add(2, index + 1, upper_share * gap)
    used = (count.detach() > 0).sum(2)
    return ((total.abs() / count.clamp_min(1)).sum(2) / used).to(probabilities.dtype)


def _bin_sums(index: Tensor, values: Tensor | None, bins: int) -> Tensor:
    """Number of entries, or sum of `values`, in each bin: (B, C, V) -> (B, C, bins) float64.

    Double precision, since float32 cannot count beyond 2^24 and loses digits long before.
    """
    batch, classes, _ = index.shape
    if index.device.type == "cpu":
        flat = [
            torch.bincount(index[b, c], None if values is None else values[b, c].double(), minlength=bins)
            for b in range(batch)
            for c in range(classes)
        ]
        return torch.stack(flat).double().reshape(batch, classes, bins)
    source = torch.ones_like(index, dtype=torch.float64) if values is None else values.double()
    return torch.zeros(batch, classes, bins, dtype=torch.float64, device=index.device).scatter_add_(2, index, source)


class AverageCalibrationErrorCELoss(SegmentationLoss):
    """Cross-entropy plus `weight` times :class:`AverageCalibrationErrorLoss`.

    Args:
        weight: of the calibration term; default 1.0, the authors' equal weights without their Dice term, so that the
            base is the one of every other method here.
        options: of :class:`AverageCalibrationErrorLoss`.

    Raises:
        ValueError: a negative `weight`, or a bad option.
    """

    def __init__(self, weight: float = 1.0, **options: object) -> None:
        super().__init__()
        self.weight = non_negative("weight", weight)
        self.error = AverageCalibrationErrorLoss(**options)

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {"ce": cross_entropy(logits, target), "ace": self.weight * self.error(logits, target)}


LOSS = AverageCalibrationErrorCELoss
LABEL = "mL1-ACE"
PAPER = None
REFERENCE = "Barfoot et al., Average calibration error: a differentiable loss for image segmentation, MICCAI 2024"
