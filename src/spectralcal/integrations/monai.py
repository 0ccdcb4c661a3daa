"""Losses under MONAI's argument names, deep supervision with labels of any type, and calibration errors as metrics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from monai.losses import DeepSupervisionLoss as _DeepSupervisionLoss
from monai.metrics import CumulativeIterationMetric
from torch import Tensor
from torch.nn.modules.loss import _Loss

from spectralcal.losses import SegmentationLoss
from spectralcal.losses.targets import one_hot
from spectralcal.metrics import CalibrationHistogram

#: of :class:`CalibrationMetric`
REDUCTIONS = ("pooled", "case")


class MonaiLoss(_Loss):
    """A loss called as MONAI's are: ``loss(input, target)``, with MONAI's names for what the tensors are.

    ::

        MonaiLoss(SpectralEntropyCELoss(weight=0.01), softmax=True, to_onehot_y=True)

    Args:
        loss: a loss of this package; its ignore_index and reduction stay its own.
        include_background: False leaves channel 0 out: of a multi-label task, input and target lose it; of classes that
            exclude each other, the loss must have an option of this name. Default True.
        to_onehot_y: the target holds labels, not one channel per class. Labels and one-hot targets are told apart
            anyway; in a multi-label task labels (B, 1, *spatial) become a yes in their channel. Default False.
        softmax: the input is logits of classes that exclude each other.
        sigmoid: the input is logits of separate yes-or-no questions, or one channel.

    Raises:
        ValueError: not exactly one of `softmax` and `sigmoid` (these losses take logits, not probabilities), or
            `include_background=False` for a loss that cannot leave a class out.
    """

    def __init__(
        self,
        loss: SegmentationLoss,
        include_background: bool = True,
        to_onehot_y: bool = False,
        softmax: bool = False,
        sigmoid: bool = False,
    ) -> None:
        if softmax == sigmoid:
            raise ValueError(
                f"expected softmax=True or sigmoid=True, received softmax={softmax}, sigmoid={sigmoid}: these losses "
                "take the network's logits and apply the activation themselves"
            )
        super().__init__(reduction=loss.reduction)
        self.loss, self.include_background, self.to_onehot_y, self.sigmoid = (
            loss,
            include_background,
            to_onehot_y,
            sigmoid,
        )
        loss.multilabel = sigmoid
        if not include_background and not sigmoid:
            if not hasattr(loss, "include_background"):
                raise ValueError(
                    f"include_background: expected True for {type(loss).__name__}, whose classes compete for every "
                    "voxel; give background voxels the ignored label instead"
                )
            loss.include_background = False

    def forward(self, input: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """The loss of input (B, C, *spatial) and target (B, 1, *spatial) or (B, C, *spatial).

        Args:
            input: logits.
            target: labels, one-hot or soft labels; in any type.
            mask: (B, 1, *spatial), the voxels that count, as of MONAI's masked losses. Default None, all.
        """
        if self.sigmoid and self.to_onehot_y and input.shape[1] > 1:
            target = self._answers(target, input.shape[1])
        if self.sigmoid and not self.include_background and input.shape[1] > 1:
            input, target = input[:, 1:], target[:, 1:]
        return self.loss(input, target, mask)

    def _answers(self, target: Tensor, channels: int) -> Tensor:
        """Labels (B, 1, *spatial) as (B, C, *spatial) of 0 and 1; the ignored label in every channel."""
        labels = target.as_subclass(Tensor).reshape(len(target), *target.shape[2:]).long()
        ignore = self.loss.ignore_index
        known = torch.ones_like(labels, dtype=torch.bool) if ignore is None else labels != ignore
        answers = one_hot(torch.where(known, labels, 0), channels, torch.int64)
        return answers if ignore is None else torch.where(known.unsqueeze(1), answers, ignore)


class DeepSupervisionLoss(_DeepSupervisionLoss):
    """MONAI's class of this name for labels of every type.

    MONAI shrinks the target to a coarser head by nearest-neighbour interpolation, which PyTorch has for floats and
    uint8 alone: with other integers and booleans it stops. Arguments as MONAI's; targets (B, *spatial) work, too.
    """

    def get_loss(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of one head, with the target at its size."""
        if target.ndim == input.ndim - 1:
            target = target.unsqueeze(1)
        if input.shape[2:] != target.shape[2:]:
            target = shrunk(target, tuple(input.shape[2:]), self.interp_mode)
        return self.loss(input, target)


def shrunk(target: Tensor, size: tuple[int, ...], mode: str = "nearest-exact") -> Tensor:
    """Labels (B, 1 or C, *spatial) of any type at the spatial `size` of a coarser head, in their own type."""
    if target.is_floating_point() or target.dtype == torch.uint8:
        return F.interpolate(target, size=size, mode=mode)
    # Labels are far below 2^24, so single precision holds them.
    return F.interpolate(target.float(), size=size, mode=mode).to(target.dtype)


class CalibrationMetric(CumulativeIterationMetric):
    """A calibration error as a MONAI metric: called on batches, aggregated over all cases and processes.

    ::

        metric = CalibrationMetric(num_classes=4, measure="ece")
        metric(y_pred=logits.softmax(1), y=target)
        metric.aggregate()

    What is kept of a case is the sums of its equal-width bins, (C + 1, bins, 3), so every number of MONAI's buffers and
    gathering works on them and the aggregate is exact.

    Args:
        num_classes: C, the background included; 2 for one sigmoid channel.
        measure: "ece" (default), "mce", "sce" or "ace", see :class:`~spectralcal.metrics.CalibrationHistogram`.
        reduction: "pooled" (default), one value of all voxels together, or "case", the mean of the cases' values, cases
            without a voxel left out.
        bins: equal-width bins; default 15.
        ignore_index: label of voxels that do not count. Default None.

    Raises:
        ValueError: an unknown measure or reduction.
    """

    def __init__(
        self,
        num_classes: int,
        measure: str = "ece",
        reduction: str = "pooled",
        bins: int = 15,
        ignore_index: int | None = None,
    ) -> None:
        super().__init__()
        for name, value, valid in (("measure", measure, tuple(_FROM_BINS)), ("reduction", reduction, REDUCTIONS)):
            if value not in valid:
                raise ValueError(f"{name}: expected one of {', '.join(valid)}, received {value!r}")
        self.num_classes, self.bins, self.ignore_index = num_classes, bins, ignore_index
        self.measure, self.reduction = measure, reduction

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None) -> Tensor:
        """Bins of each case (B, C + 1, bins, 3): voxels, sum of probabilities, hits; the top label is the last row."""
        if y is None:
            raise ValueError("y: expected labels, received none")
        return torch.stack([self._case(*case) for case in zip(y_pred, y, strict=True)])

    def _case(self, probabilities: Tensor, target: Tensor) -> Tensor:
        histogram = CalibrationHistogram(self.num_classes, self.bins)
        histogram.update(
            probabilities.as_subclass(Tensor)[None], target.as_subclass(Tensor)[None], ignore_index=self.ignore_index
        )  # fmt: skip
        rows = []
        for label in (*range(self.num_classes), None):
            diagram = histogram.reliability(label)
            sums = [diagram.count, *(np.nan_to_num(mean) * diagram.count for mean in diagram[3:])]
            rows.append(np.stack(sums, axis=-1))
        return torch.from_numpy(np.stack(rows))

    def aggregate(self) -> Tensor:
        """The measure over what was seen, a float64 scalar; nan without a voxel."""
        bins = self.get_buffer()
        if not isinstance(bins, Tensor):
            raise ValueError("expected at least one batch before aggregate(), received none")
        if self.reduction == "pooled":
            return _FROM_BINS[self.measure](bins.sum(0))
        return torch.stack([_FROM_BINS[self.measure](case) for case in bins]).nanmean()


def _gaps(bins: Tensor) -> Tensor:
    """|sum of probabilities - hits| of bins (..., 3)."""
    return (bins[..., 1] - bins[..., 2]).abs()


def _mean_gap(bins: Tensor) -> Tensor:
    """Mean over rows of the unweighted mean gap of filled bins: rows (C, bins, 3)."""
    count = bins[..., 0]
    return ((_gaps(bins) / count.clamp_min(1)).sum(-1) / (count > 0).sum(-1)).mean()


_FROM_BINS: dict[str, Callable[[Tensor], Tensor]] = {
    "ece": lambda bins: _gaps(bins[-1]).sum() / bins[-1, :, 0].sum(),
    "mce": lambda bins: (_gaps(bins[-1]) / bins[-1, :, 0]).nan_to_num(nan=-1).amax().where(bins[-1].any(), torch.nan),
    "sce": lambda bins: (_gaps(bins[:-1]).sum(-1) / bins[:-1, :, 0].sum(-1)).mean(),
    "ace": lambda bins: _mean_gap(bins[:-1]),
}
