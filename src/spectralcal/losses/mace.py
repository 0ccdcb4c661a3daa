"""Average calibration error as a loss (mL1-ACE)."""

from __future__ import annotations

import math
from typing import Literal, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor

from spectralcal.losses._base import SegmentationLoss, cross_entropies, one_hot
from spectralcal.losses._gradient import through_softmax, with_gradient
from spectralcal.losses._validation import at_least, choice, non_negative
from spectralcal.losses.targets import Common, Inputs, taken_from
from spectralcal.spectral.blocks import blocks

#: partial sums of a histogram on a CPU
LANES = 8


class AverageCalibrationErrorLoss(SegmentationLoss):
    """Marginal L1 average calibration error (Barfoot et al., 2024).

    Per image and class the probabilities are put into equal bins (lo, hi] of [0, 1], zero in the first; the error is
    the mean over non-empty bins of |mean probability - frequency of the class|, each bin counting the same; the loss is
    its mean over images and classes. Weights weigh the sums of a bin. With soft labels the frequency of a class is
    their mean, and a class is absent where they are 0 throughout.

    Args:
        bins: number of bins; default 20, the authors'.
        binning: "hard" (default): the gradient reaches a probability through its bin's mean; "soft": a probability is
            shared linearly between the two nearest bin centres, so that moving it between bins has a gradient too. A
            soft bin with a mass of less than one voxel counts with that share of its error.
        include_background: count class 0; default True, as the authors do in training.
        ignore_empty_classes: leave classes that are absent from the image's labels out of the mean; default True.
        common: ignore_index, multilabel, reduction; see :class:`SegmentationLoss`.

    Raises:
        ValueError: `bins` below 1 or an unknown `binning`.
    """

    def __init__(
        self,
        bins: int = 20,
        binning: Literal["hard", "soft"] = "hard",
        include_background: bool = True,
        ignore_empty_classes: bool = True,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(**common)
        self.bins = at_least("bins", bins, 1)
        choice("binning", binning, ("hard", "soft"))
        self.binning = binning
        self.include_background = include_background
        self.ignore_empty_classes = ignore_empty_classes

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {"ace": self.measure(logits, target, logits.detach().log_softmax(1))}

    def _values(self, inputs: Inputs) -> dict[str, Tensor]:
        return {"ace": self.measures(inputs)}

    def measures(self, inputs: Inputs) -> Tensor:
        """The loss of each image (B,), whose mean is :meth:`measure` where there are labels and no weights."""
        p, y = inputs.logits.softmax(1).flatten(2), inputs.shares().flatten(2)
        weight = p.new_ones(1, 1, 1)
        if inputs.weight is not None:
            weight = inputs.weight.flatten(1).unsqueeze(1)
            # In units of the mean weight of an image: a bin's mass is then one in voxels.
            weight = weight * (weight > 0).sum(2, keepdim=True) / weight.sum(2, keepdim=True).clamp_min(1e-30)
        present = (weight * y).amax(2) > 0 if self.ignore_empty_classes else (weight > 0).any(2).expand(p.shape[:2])
        counted = present.to(p.dtype)
        if not self.include_background:
            counted = counted.clone()
            counted[:, 0] = 0
        error = (_weighted_error if self.binning == "hard" else _soft_error)(p, y, self.bins, weight)
        return (error * counted).sum(1) * len(p) / counted.sum().clamp_min(1)

    def measure(self, logits: Tensor, target: Tensor, log_probabilities: Tensor) -> Tensor:
        """The scalar from 0 to 1 for checked arguments with autocast off; the log-softmax of the logits is given."""
        labels = one_hot(target, logits.shape[1], torch.uint8).flatten(2)
        counted = labels.amax(2) if self.ignore_empty_classes else labels.new_ones(labels.shape[:2])
        if not self.include_background:
            counted[:, 0] = 0
        share = counted.to(logits.dtype) / counted.sum().clamp_min(1)  # (B, C)
        if self.binning == "hard":
            log_p = log_probabilities.detach().flatten(2)
            return with_gradient(logits, lambda _, wanted: _hard_error(log_p, labels, share, self.bins, wanted))
        error = _soft_error(logits.softmax(1).flatten(2), labels.to(logits.dtype), self.bins)
        return (error * share).sum()


def _hard_error(log_p: Tensor, labels: Tensor, share: Tensor, bins: int, wanted: bool) -> tuple[Tensor, Tensor | None]:
    """Mean |bin gap| over non-empty bins, weighted by `share` (B, C), and its gradient by the logits.

    log_p is the log-softmax of the logits, labels are one-hot, both (B, C, V).
    """
    probabilities = torch.empty_like(log_p)
    index = torch.empty(log_p.shape, dtype=_index_type(bins), device=log_p.device)
    count, total = torch.zeros(2, *share.shape, bins, dtype=torch.float64, device=log_p.device).unbind()
    for here in blocks(log_p):
        part, bin_of = torch.exp(log_p[here], out=probabilities[here]), index[here]
        # Bins are (lo, hi]. The tally's row 0, of zeros, belongs to the first; so does a NaN, 0 or negative as int.
        bin_of.copy_((part * bins).ceil_().clamp_max_(bins).int().clamp_min_(0))
        counts, gaps = _bin_sums(bin_of, part - labels[here].to(part.dtype), bins)
        count[here[0]] += counts
        total[here[0]] += gaps
    weight = share.unsqueeze(2) / count.clamp_min(1) / (count > 0).sum(2, keepdim=True)
    value = (weight * total.abs()).sum().to(log_p.dtype)
    if not wanted:
        return value, None
    # The slope of the error by each probability of a bin.
    table = (weight * total.sign()).to(log_p.dtype)
    table = torch.cat([table[..., :1], table], dim=2).flatten()
    offset = torch.arange(share.numel(), dtype=torch.int32, device=log_p.device).reshape(*share.shape, 1) * (bins + 1)
    for here in blocks(log_p):
        row = index[here].int().add_(offset[here[0]])
        through_softmax(probabilities[here], table.index_select(0, row.flatten()).reshape(row.shape))
    return value, probabilities


def _weighted_error(probabilities: Tensor, labels: Tensor, bins: int, weight: Tensor) -> Tensor:
    """(B, C) errors of :func:`_hard_error`, of probabilities and soft labels (B, C, V) with weights (B, 1, V)."""
    index = (probabilities.detach() * bins).ceil_().nan_to_num_(1).clamp_(1, bins).long() - 1
    empty = torch.zeros(*probabilities.shape[:2], bins, dtype=torch.float64, device=probabilities.device)
    weight = weight.double().expand(probabilities.shape)
    count = empty.scatter_add(2, index, weight)
    total = empty.scatter_add(2, index, weight * (probabilities - labels).double())
    used = count > 0
    gap = total.abs() / torch.where(used, count, 1.0)
    return (gap.sum(2) / used.sum(2).clamp_min(1)).to(probabilities.dtype)


def _soft_error(probabilities: Tensor, labels: Tensor, bins: int, weight: Tensor | None = None) -> Tensor:
    """As :func:`_hard_error` with linear shares in the two nearest bins, and as :func:`_weighted_error` if weighted."""
    position = (probabilities * bins - 0.5).clamp(0, bins - 1)
    below = position.detach().floor().clamp_max(max(bins - 2, 0))
    upper_share = (position - below).double()
    lower_share = 1 - upper_share
    if weight is not None:
        upper_share, lower_share = upper_share * weight, lower_share * weight
    index = below.long()
    gap = (probabilities - labels).double()
    mass = torch.zeros(*gap.shape[:2], bins + 1, dtype=torch.float64, device=gap.device)
    count = mass.scatter_add(2, index, lower_share).scatter_add(2, index + 1, upper_share)
    total = mass.scatter_add(2, index, lower_share * gap).scatter_add(2, index + 1, upper_share * gap)
    used = (count.detach() > 0).sum(2)
    if weight is not None:
        used = used.clamp_min(1)
    return ((total.abs() / count.clamp_min(1)).sum(2) / used).to(probabilities.dtype)


def _index_type(bins: int) -> torch.dtype:
    """The smallest type that can represent an index of :func:`_bin_sums` in every lane."""
    return torch.uint8 if LANES * (bins + 1) <= 256 else torch.int32


def _bin_sums(index: Tensor, values: Tensor, bins: int) -> tuple[Tensor, Tensor]:
    """Entries and sums of `values` for each index 0..bins, 0 taken as 1: (B, C, V) -> (B, C, bins) twice, float64.

    Values are from -1 to 1, as p - y is.

    Double precision, since float32 cannot count beyond 2^24 and loses digits long before.
    """
    if index.device.type != "cpu":
        return _masked_bin_sums(index, values, bins)
    # Neighbours tend to fall into one bin, and each addition there would wait for the last: they take turns in lanes.
    lane = torch.arange(LANES, dtype=index.dtype).mul_(bins + 1).repeat(-(-index.shape[2] // LANES))
    rows, entries = (index + lane[: index.shape[2]]).flatten(0, 1), values.flatten(0, 1).double()
    # One pass for both: each entry carries a power of two on top, more than twice what the values of a lane can sum to.
    unit = 2.0 ** math.ceil(math.log2(4 * (index.shape[2] / LANES + 1)))
    entries += unit
    tallies = [
        torch.bincount(row, entry, minlength=LANES * (bins + 1)) for row, entry in zip(rows, entries, strict=True)
    ]
    both = torch.stack(tallies).reshape(*index.shape[:2], LANES, bins + 1)
    number = (both / unit).round()
    sums = torch.stack([number, both - unit * number]).sum(3)
    sums[..., 1] += sums[..., 0]
    return sums[0, ..., 1:], sums[1, ..., 1:]


def _masked_bin_sums(index: Tensor, values: Tensor, bins: int) -> tuple[Tensor, Tensor]:
    """The same without a histogram, which on CUDA waits for the device or adds in no fixed order."""
    zero = values.new_zeros(())
    count, total = values.new_zeros(2, *index.shape[:2], bins, dtype=torch.float64).unbind()
    for b in range(bins):
        inside = (index == b + 1) | (index == 0) if b == 0 else index == b + 1
        count[..., b] = inside.sum(2)
        total[..., b] = torch.where(inside, values, zero).sum(2, dtype=torch.float64)
    return count, total


class AverageCalibrationErrorCELoss(SegmentationLoss):
    """Cross-entropy plus `weight` times :class:`AverageCalibrationErrorLoss`.

    Args:
        weight: of the calibration term; default 1.0, the authors' equal weights without their Dice term, so that the
            base is the one of every other method here.
        options: of :class:`AverageCalibrationErrorLoss`, those of :class:`SegmentationLoss` included.

    Raises:
        ValueError: a negative `weight`, or a bad option.
    """

    def __init__(self, weight: float = 1.0, **options: object) -> None:
        super().__init__(**taken_from(options))
        self.weight = non_negative("weight", weight)
        self.error = AverageCalibrationErrorLoss(**options)

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        log_p = logits.log_softmax(1)
        return {"ce": F.nll_loss(log_p, target), "ace": self.weight * self.error.measure(logits, target, log_p)}

    def _values(self, inputs: Inputs) -> dict[str, Tensor]:
        return {"ce": cross_entropies(inputs), "ace": self.weight * self.error.measures(inputs)}


LOSS = AverageCalibrationErrorCELoss
NUMERICS = 1  # see spectralcal.study.numerics
LABEL = "mL1-ACE"
REFERENCE = (
    "Barfoot et al., Average calibration error: a differentiable loss for improved reliability in image segmentation, "
    "MICCAI 2024"
)
