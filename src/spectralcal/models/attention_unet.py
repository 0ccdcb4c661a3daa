"""Attention U-Net: gates weigh the skip connections. The layers are MONAI's ``AttentionUnet``."""

from __future__ import annotations

from torch import Tensor

from spectralcal.models.padding import DivisiblePadding, check_channels


class AttentionUNet(DivisiblePadding):
    """Attention U-Net of configurable widths, in 2-D or 3-D.

    It normalises over the batch, as published: predictions depend on running averages, which are part of the weights.

    Args:
        in_channels: image channels.
        num_classes: classes including background.
        spatial_dims: 2 or 3.
        channels: width of each level, full resolution first. The default is the study's U-Net's, so that the two are
            of a size.
        dropout: share of channels set to zero in training; default none, as in the study's other networks.

    Raises:
        ValueError: fewer than three levels, widths below 2, a dropout outside [0, 1), or impossible channel counts.

    Source: Oktay et al., MIDL 2018.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        spatial_dims: int = 3,
        channels: tuple[int, ...] = (32, 64, 128, 256, 320),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_channels(in_channels, num_classes, spatial_dims)
        if len(channels) < 3 or min(channels) < 2:
            raise ValueError(f"channels needs at least three widths of at least 2, got {tuple(channels)}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {dropout}")
        from monai.networks.nets import AttentionUnet  # seconds to import: only where a network is built

        self.divisor = 2 ** (len(channels) - 1)
        self.smallest = 2 * self.divisor
        self.body = AttentionUnet(
            spatial_dims=spatial_dims,
            in_channels=in_channels,
            out_channels=num_classes,
            channels=tuple(channels),
            strides=(2,) * (len(channels) - 1),
            dropout=dropout,
        )

    def network(self, x: Tensor) -> Tensor:
        """Logits (B, num_classes, *spatial) of divisible sizes."""
        return self.body(x)


MODEL = AttentionUNet
NUMERICS = 1  # see spectralcal.study.numerics
LABEL = "Attention U-Net"
