"""A deep ensemble: several trained networks that predict as one (Lakshminarayanan, Pritzel and Blundell 2017)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Ensemble(nn.Module):
    """Networks whose class probabilities are averaged.

    It gives the logarithm of the mean probability, whose softmax is that mean: post-hoc steps, prediction and scores
    treat it as the logits of one network. Members run one after another, so that a window takes the memory of one of
    them and of two outputs; the weights of all lie on the device.

    Args:
        members: networks for the same channels and classes.

    Raises:
        ValueError: no networks.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        if not members:
            raise ValueError("expected networks, received none")
        self.members = nn.ModuleList(members)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, *spatial) -> (B, classes, *spatial) float32, logarithms of mean probabilities."""
        # Logarithms throughout: a class at 1e-50 in every member must not become minus infinity.
        total: Tensor | None = None
        for member in self.members:
            one = torch.log_softmax(member(x).float(), dim=1)
            total = one if total is None else torch.logaddexp(total, one)
        return total - math.log(len(self.members))
