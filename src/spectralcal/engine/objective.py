"""What a training minimises: from a batch to named scalars. Other ways to train subclass :class:`Objective`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spectralcal.engine.heads import auxiliary_terms, full_resolution
from spectralcal.losses import SegmentationLoss, as_segmentation_loss

#: images (B, C_in, *patch) -> logits (B, C, *patch), or a list of them, full resolution first; autocast is applied
Network = Callable[[Tensor], Tensor | Sequence[Tensor]]


@dataclass(frozen=True)
class Batch:
    """What a step sees.

    Attributes:
        images: (B, C_in, *patch) float32, augmented.
        target: (B, *patch) integer labels.
        names: the case of each sample.
        raters: (B, R, *patch) labels of all raters of a case, where it has several; `target` is one of them.
    """

    images: Tensor
    target: Tensor
    names: tuple[str, ...]
    raters: Tensor | None = None


@dataclass(frozen=True)
class Step:
    """What a step gives.

    Attributes:
        terms: differentiable scalars that add up to what is minimised, by name.
        logits: (B, C, *patch) float32, where the norms of the terms' gradients are taken.
    """

    terms: dict[str, Tensor]
    logits: Tensor


class NotFinite(ValueError):
    """The network's output is not finite: the run diverged."""


class Objective(nn.Module):
    """A loss of the network's logits, and cross-entropy of its coarser outputs if it has any.

    A subclass that needs more (several optimisers' worth of terms, latent variables, networks that see masks) overrides
    :meth:`step`. State that must survive a resume belongs in buffers or parameters of this module.

    Args:
        loss: a :class:`~spectralcal.losses.SegmentationLoss`, or any callable of logits and labels.
    """

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss: SegmentationLoss = as_segmentation_loss(loss)

    def step(self, network: Network, batch: Batch) -> Step:
        """The terms of one step.

        Raises:
            NotFinite: the loss refuses logits that are NaN or infinite.
        """
        output = network(batch.images)
        logits = full_resolution(output).float()
        try:
            terms = self.loss.terms(logits, batch.target)
        except ValueError as error:
            if torch.isfinite(logits).all():
                raise
            raise NotFinite("the network's output is not finite") from error
        return Step(terms | auxiliary_terms(output, batch.target), logits)

    def end_of_epoch(self, network: Network, batches: Callable[[], Iterator[Batch]]) -> None:
        """After each epoch, without gradients and with the network in evaluation mode.

        Args:
            network: as in :meth:`step`.
            batches: opens a pass over patches of the validation cases.
        """
        if self.loss.learns_from_validation:
            self.loss.end_of_epoch((full_resolution(network(b.images)).float(), b.target) for b in batches())

    def monitor(self, wanted: bool) -> None:
        """Whether the next step is logged, so that diagnostics that cost time are computed."""
        self.loss.monitoring = wanted

    @property
    def diagnostics(self) -> dict[str, Tensor]:
        """Scalars that the last step says of itself, for the history."""
        return self.loss.diagnostics

    @property
    def limits(self) -> list[str]:
        """One line for each bound that training reached."""
        return self.loss.limits_reached
