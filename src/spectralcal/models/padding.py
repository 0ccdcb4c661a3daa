"""Networks with strides need sizes divisible by them; this pads any other size and crops the output."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DivisiblePadding(nn.Module):
    """Base of networks that halve their input: any spatial size in, the same size out.

    Attributes:
        divisor: sizes that are multiples of it pass without padding; one number for all axes, or one per axis.
        smallest: smallest size per axis after padding; below it instance normalisation would see a single voxel.
    """

    divisor: int | tuple[int, ...]
    smallest: int | tuple[int, ...]

    def network(self, x: Tensor) -> Tensor | list[Tensor]:
        """The network proper, on divisible sizes: logits, or a list of them with full resolution first."""
        raise NotImplementedError

    def padded_sizes(self, sizes: Sequence[int]) -> list[int]:
        """The sizes that the network sees for an input of `sizes`."""
        divisors, smallest = per_axis(self.divisor, len(sizes)), per_axis(self.smallest, len(sizes))
        return [max(s, -(-size // d) * d) for size, d, s in zip(sizes, divisors, smallest, strict=True)]

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Map (B, C_in, *spatial) to logits (B, num_classes, *spatial).

        Networks with deep supervision give a list in train mode: full resolution first, then outputs of size
        ceil(spatial / stride), whose voxel i lies on voxel i * stride of the input.
        """
        sizes = list(x.shape[2:])
        targets = self.padded_sizes(sizes)
        if sizes == targets:
            return self.network(x)
        padding: list[int] = []
        for size, target in zip(reversed(sizes), reversed(targets), strict=True):
            padding += [0, target - size]
        # Edge values: zeros would draw an artificial border into normalised images.
        output = self.network(F.pad(x, padding, mode="replicate"))
        if isinstance(output, Tensor):
            return _cropped(output, sizes, targets)
        return [_cropped(logits, sizes, targets) for logits in output]


def per_axis(value: int | Sequence[int], spatial_dims: int) -> tuple[int, ...]:
    """One number for all axes, as one number per axis."""
    return (value,) * spatial_dims if isinstance(value, int) else tuple(value)


def check_channels(in_channels: int, num_classes: int, spatial_dims: int) -> None:
    """Raise ValueError unless the three sizes that every architecture takes make sense."""
    if in_channels < 1:
        raise ValueError(f"in_channels must be at least 1, got {in_channels}")
    if num_classes < 2:
        raise ValueError(f"num_classes counts the background and must be at least 2, got {num_classes}")
    if spatial_dims not in (2, 3):
        raise ValueError(f"spatial_dims must be 2 or 3, got {spatial_dims}")


def check_axes(name: str, values: Sequence[float], spatial_dims: int) -> None:
    """Raise ValueError unless an option has one positive number for each spatial axis."""
    if len(values) != spatial_dims or min(values) <= 0:
        raise ValueError(f"{name} needs {spatial_dims} positive numbers, one per axis, got {tuple(values)}")


def check_transformer(width: int, heads: int, **sizes: int) -> None:
    """Raise ValueError unless the heads divide the width of the tokens, and all further sizes are positive."""
    for name, value in {"width": width, "heads": heads, **sizes}.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if width % heads:
        raise ValueError(f"heads must divide width {width}, got {heads}")


def parameter_count(model: torch.nn.Module) -> int:
    """Trainable parameters of a network."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def _cropped(logits: Tensor, sizes: Sequence[int], padded: Sequence[int]) -> Tensor:
    """The part of (B, C, *coarse) that covers the first `sizes` of `padded` voxels."""
    strides = [target // coarse for target, coarse in zip(padded, logits.shape[2:], strict=True)]
    return logits[(..., *(slice(0, -(-size // stride)) for size, stride in zip(sizes, strides, strict=True)))]
