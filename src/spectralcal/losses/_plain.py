"""Anybody's loss in the shape that the training loop expects."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from spectralcal.losses._base import SegmentationLoss
from spectralcal.losses.targets import Inputs


class PlainLoss(SegmentationLoss):
    """A loss that is no :class:`SegmentationLoss`, as one with the single term "loss".

    Args:
        loss: called with logits (B, C, *spatial) float32 and labels (B, *spatial) int64, or soft labels
            (B, C, *spatial) if they are given; returns a scalar. Parameters and buffers of a module are part of the
            checkpoint.
        ignore_index: label of voxels that do not count, which `loss` has to know as well: it finds it in the labels,
            there and where a mask is False. Default None.

    Raises:
        TypeError: when called, if `loss` returns something else than a scalar tensor.
        ValueError: when called with weights.
    """

    def __init__(self, loss: Callable[[Tensor, Tensor], Tensor], ignore_index: int | None = None) -> None:
        super().__init__(ignore_index=ignore_index)
        self.loss = loss

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        value = self.loss(logits, target)
        if not isinstance(value, Tensor) or value.ndim != 0:
            result = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise TypeError(
                f"{type(self.loss).__name__}: expected a scalar tensor from loss(logits, target), got {result}"
            )
        return {"loss": value}

    def _values(self, inputs: Inputs) -> dict[str, Tensor]:
        target = inputs.labels if inputs.soft is None else inputs.soft
        if inputs.weight is not None:
            marked = self.ignore_index is not None and inputs.soft is None
            if not marked or not bool(((inputs.weight == 0) | (inputs.weight == 1)).all()):
                raise ValueError(
                    f"weight: expected none for {type(self.loss).__name__}, which is called with logits and labels "
                    "alone; with ignore_index a mask is passed on in integer labels"
                )
            target = torch.where(inputs.weight > 0, target, self.ignore_index)
        return self._terms(inputs.logits, target)


def as_segmentation_loss(loss: Callable[[Tensor, Tensor], Tensor]) -> SegmentationLoss:
    """`loss` itself if it is a :class:`SegmentationLoss`, else wrapped in :class:`PlainLoss`."""
    return loss if isinstance(loss, SegmentationLoss) else PlainLoss(loss)
