"""Architectures of the study, each in its own file, behind one function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spectralcal.base import registry

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build_model"]


def build_model(name: str, in_channels: int, num_classes: int, *, spatial_dims: int = 3, **options: Any) -> nn.Module:
    """Build a registered architecture.

    Args:
        name: file name in ``spectralcal/models``, for example ``"unet"``.
        in_channels: image channels C_in.
        num_classes: classes including background.
        spatial_dims: 2 or 3.
        **options: the architecture's own options; see its class.

    Returns:
        A module that maps (B, C_in, *spatial) to logits (B, num_classes, *spatial).

    Raises:
        ConfigError: unknown architecture.
        ValueError: options that the architecture cannot take.
    """
    return registry.load("models", name)(in_channels, num_classes, spatial_dims=spatial_dims, **options)
