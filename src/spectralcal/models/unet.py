"""U-Net at full resolution: the network of the paper's main tables.

The paper cites the 2-D U-Net while its patches are 3-D, and prints no widths (docs/ambiguities.md, T7). This one has
nnU-Net's form: two 3x3x3 convolutions with instance normalisation and leaky ReLU per level, no stride at the first
level, strided convolutions down, transposed convolutions up.
"""

from __future__ import annotations

from torch import Tensor

from spectralcal.models.dynamic_unet import DynamicUNet
from spectralcal.models.padding import DivisiblePadding, check_channels


class UNet(DivisiblePadding):
    """U-Net of configurable widths, in 2-D or 3-D.

    Args:
        in_channels: image channels.
        num_classes: classes including background.
        spatial_dims: 2 or 3.
        channels: width of each level, full resolution first. The default is nnU-Net's; (8, 16, 32, 64) is a small
            network that learns on a CPU.

    Raises:
        ValueError: fewer than three levels, non-positive widths, or impossible channel counts.

    Source: Ronneberger et al., MICCAI 2015; Isensee et al., Nature Methods 2021.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        spatial_dims: int = 3,
        channels: tuple[int, ...] = (32, 64, 128, 256, 320),
    ) -> None:
        super().__init__()
        check_channels(in_channels, num_classes, spatial_dims)
        if len(channels) < 3 or min(channels) < 1:
            raise ValueError(f"channels needs at least three positive widths, got {tuple(channels)}")
        strides = [1] + [2] * (len(channels) - 1)
        self.divisor = 2 ** (len(channels) - 1)
        self.smallest = 2 * self.divisor
        self.body = DynamicUNet(in_channels, num_classes, spatial_dims, [3] * len(channels), strides, channels)

    def network(self, x: Tensor) -> Tensor:
        """Logits (B, num_classes, *spatial) of divisible sizes."""
        return self.body(x)


MODEL = UNet
NUMERICS = 1  # see spectralcal.study.numerics
LABEL = "U-Net"
