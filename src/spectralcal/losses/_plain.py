"""Anybody's loss in the shape that the training loop expects."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from spectralcal.losses._base import SegmentationLoss


class PlainLoss(SegmentationLoss):
    """A loss that is no :class:`SegmentationLoss`, as one with the single term "loss".

    Args:
        loss: called with logits (B, C, *spatial) float32 and labels (B, *spatial) int64; returns a scalar. Parameters
            and buffers of a module are part of the checkpoint.

    Raises:
        TypeError: when called, if `loss` returns something else than a scalar tensor.
    """

    def __init__(self, loss: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.loss = loss

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        value = self.loss(logits, target)
        if not isinstance(value, Tensor) or value.ndim != 0:
            result = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise TypeError(
                f"{type(self.loss).__name__}: expected a scalar tensor from loss(logits, target), got {result}"
            )
        return {"loss": value}


def as_segmentation_loss(loss: Callable[[Tensor, Tensor], Tensor]) -> SegmentationLoss:
    """`loss` itself if it is a :class:`SegmentationLoss`, else wrapped in :class:`PlainLoss`."""
    return loss if isinstance(loss, SegmentationLoss) else PlainLoss(loss)
