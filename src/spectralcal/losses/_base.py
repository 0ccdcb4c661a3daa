"""The shape that every training loss here has: named terms that add up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.modules.loss import _Loss

from spectralcal.losses._validation import choice
from spectralcal.losses.targets import Inputs, Reduction, as_inputs, one_hot, reduced

__all__ = ["SegmentationLoss", "cross_entropies", "cross_entropy", "one_hot"]


class SegmentationLoss(_Loss):
    """A complete training objective, the sum of its :meth:`terms`.

    A subclass writes :meth:`_terms`, which receives checked logits and labels in full precision with autocast off: that
    is all a loss needs. One that also writes :meth:`_values` takes weights, ignored voxels, soft labels and every
    reduction. A loss that learns from the batches that it sees (history, multipliers) does so only in training mode,
    and where gradients are recorded.

    Args:
        ignore_index: label of voxels that do not count; default None, every label must be a class.
        multilabel: channels are separate yes-or-no questions; default False, classes that exclude each other.
        reduction: "mean" (default), "sum" or "none", see :func:`spectralcal.losses.targets.reduced`.

    Attributes:
        diagnostics: detached scalars of the last forward pass, on the device of the logits, for the log.
        monitoring: set it to False in steps that are not logged, to skip diagnostics that cost time.
    """

    #: whether :meth:`end_of_epoch` wants the network's logits on validation batches
    learns_from_validation: ClassVar[bool] = False

    def __init__(
        self, *, ignore_index: int | None = None, multilabel: bool = False, reduction: Reduction = "mean"
    ) -> None:
        choice("reduction", reduction, ("none", "mean", "sum"))
        if ignore_index is not None and (isinstance(ignore_index, bool) or not isinstance(ignore_index, int)):
            raise ValueError(f"ignore_index: expected an integer label or None, received {ignore_index!r}")
        super().__init__(reduction=reduction)
        self.ignore_index, self.multilabel = ignore_index, multilabel
        self.diagnostics: dict[str, Tensor] = {}
        self.monitoring = True

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """The loss, differentiable once with respect to the logits: a scalar, or (B, *spatial) for reduction "none".

        Args:
            logits: (B, C, H, W) or (B, C, D, H, W) floating point, of any sides; (B, 1, ...) of a binary task.
            target: (B, *spatial) or (B, 1, *spatial) labels 0..C-1 of any type with whole values; (B, C, *spatial)
                one-hot or, where the loss is defined for them, soft labels. See :mod:`spectralcal.losses.targets`.
            weight: (B, *spatial) or (B, 1, *spatial), a mask of the voxels that count or weights >= 0; default None,
                every voxel counts once.

        Raises:
            ValueError: wrong shapes or types; on the CPU also labels out of range. NaN logits give a NaN loss.
        """
        terms = torch.stack(list(self.terms(logits, target, weight).values()))
        return terms.sum(0) if self.reduction == "none" else terms.sum()

    def terms(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> dict[str, Tensor]:
        """The differentiable, already weighted terms that add up to the loss: the base term first.

        Arguments and errors as :meth:`forward`.
        """
        inputs = as_inputs(logits, target, weight, self.ignore_index, self.multilabel)
        with torch.autocast(logits.device.type, enabled=False):
            if inputs.plain and self.reduction == "mean":
                return self._terms(inputs.logits, inputs.labels)
            return {name: reduced(value, inputs, self.reduction) for name, value in self._values(inputs).items()}

    @property
    def limits_reached(self) -> list[str]:
        """One line for each bound that training reached: a multiplier that could not grow further, a window that never
        became full. Those of its parts; a loss with bounds of its own adds to them. They may wait for the device."""
        parts = (child.limits_reached for child in self.children() if isinstance(child, SegmentationLoss))
        return [line for lines in parts for line in lines]

    def end_of_epoch(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Learn from a pass over (logits, target) of validation cases; called where `learns_from_validation`."""

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Scalars from logits (B, C, *spatial) and labels (B, *spatial) int64, where every voxel counts once."""
        raise NotImplementedError(f"{type(self).__name__} defines no _terms(logits, target)")

    def _values(self, inputs: Inputs) -> dict[str, Tensor]:
        """The terms before reduction: (B, *spatial) for each voxel, (B,) for each sample or () for the batch.

        Their mean is the term of :meth:`_terms` where there are labels and no weights.
        """
        raise ValueError(
            f"{type(self).__name__}: expected a label for every voxel, no weight and reduction='mean', which is what "
            "it is defined for; a loss of your own takes the others once it defines _values(inputs)"
        )


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Mean over voxels of -log softmax(logits)[target]: (B, C, *spatial), (B, *spatial) -> scalar."""
    return F.cross_entropy(logits, target)


def cross_entropies(inputs: Inputs) -> Tensor:
    """-log softmax(logits)[label] of each voxel, or its mean under soft labels: (B, *spatial)."""
    if inputs.soft is None:
        return F.cross_entropy(inputs.logits, inputs.labels, reduction="none")
    return -(inputs.soft * inputs.logits.log_softmax(1)).sum(1)
