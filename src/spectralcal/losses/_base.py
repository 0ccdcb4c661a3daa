"""The shape that every training loss here has: named scalar terms that add up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.modules.loss import _Loss

from spectralcal.losses._validation import checked_logits, checked_target


class SegmentationLoss(_Loss):
    """A complete training objective, the sum of its :meth:`terms`.

    A subclass writes :meth:`_terms`, which receives checked inputs in full precision with autocast off. A loss that
    learns from the batches that it sees (history, multipliers) does so only in training mode.

    Attributes:
        diagnostics: detached scalars of the last forward pass, on the device of the logits, for the log.
        monitoring: set it to False in steps that are not logged, to skip diagnostics that cost time.
    """

    #: whether :meth:`end_of_epoch` wants the network's logits on validation batches
    learns_from_validation: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.diagnostics: dict[str, Tensor] = {}
        self.monitoring = True

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss as a scalar, differentiable once with respect to the logits.

        Args:
            logits: (B, C, H, W) or (B, C, D, H, W) floating point, C >= 2, of any sides.
            target: (B, *spatial) or (B, 1, *spatial) integer labels 0..C-1.

        Raises:
            ValueError: wrong shapes or types; on the CPU also labels out of range. NaN logits give a NaN loss.
        """
        return torch.stack(list(self.terms(logits, target).values())).sum()

    def terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The differentiable, already weighted scalars that add up to the loss: the base term first.

        Arguments and errors as :meth:`forward`.
        """
        logits = checked_logits(logits)
        target = checked_target(target, logits)
        with torch.autocast(logits.device.type, enabled=False):
            return self._terms(logits, target)

    def end_of_epoch(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Learn from a pass over (logits, target) of validation cases; called where `learns_from_validation`."""

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        raise NotImplementedError(f"{type(self).__name__} defines no _terms(logits, target)")


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Mean over voxels of -log softmax(logits)[target]: (B, C, *spatial), (B, *spatial) -> scalar."""
    return F.cross_entropy(logits, target)


def one_hot(target: Tensor, num_classes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Labels (B, *spatial) as indicator channels (B, num_classes, *spatial)."""
    # Compared in the smallest type that can represent the labels: eight times less to read than int64.
    small = torch.uint8 if num_classes <= 256 else torch.int32
    classes = torch.arange(num_classes, dtype=small, device=target.device)
    classes = classes.reshape(-1, *[1] * (target.ndim - 1))
    labels = target.to(small).unsqueeze(1)
    result = torch.empty((target.shape[0], num_classes, *target.shape[1:]), dtype=small, device=target.device)
    return torch.eq(labels, classes, out=result).to(dtype)
