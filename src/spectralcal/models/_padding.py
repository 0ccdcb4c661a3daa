"""Networks with strides need sizes divisible by them; this pads any other size and crops the output."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DivisiblePadding(nn.Module):
    """Base of networks that halve their input: any spatial size in, the same size out.

    Attributes:
        divisor: sizes that are multiples of it pass without padding.
        smallest: smallest size per axis after padding; below it instance normalisation would see a single voxel.
    """

    divisor: int
    smallest: int

    def network(self, x: Tensor) -> Tensor:
        """The network proper, on divisible sizes."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C_in, *spatial) to logits (B, num_classes, *spatial)."""
        sizes = x.shape[2:]
        targets = [max(self.smallest, -(-size // self.divisor) * self.divisor) for size in sizes]
        if list(sizes) == targets:
            return self.network(x)
        padding: list[int] = []
        for size, target in zip(reversed(sizes), reversed(targets), strict=True):
            padding += [0, target - size]
        # Edge values: zeros would draw an artificial border into normalised images.
        logits = self.network(F.pad(x, padding, mode="replicate"))
        return logits[(..., *(slice(0, size) for size in sizes))]


def check_channels(in_channels: int, num_classes: int, spatial_dims: int) -> None:
    """Raise ValueError unless the three sizes that every architecture takes make sense."""
    if in_channels < 1:
        raise ValueError(f"in_channels must be at least 1, got {in_channels}")
    if num_classes < 2:
        raise ValueError(f"num_classes counts the background and must be at least 2, got {num_classes}")
    if spatial_dims not in (2, 3):
        raise ValueError(f"spatial_dims must be 2 or 3, got {spatial_dims}")


def parameter_count(model: torch.nn.Module) -> int:
    """Trainable parameters of a network."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
