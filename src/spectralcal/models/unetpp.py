"""UNet++: a U-Net whose skip connections are U-Nets themselves. The layers are MONAI's ``BasicUNetPlusPlus``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spectralcal.models.padding import DivisiblePadding, check_channels

LEVELS = 5


class UNetPlusPlus(DivisiblePadding):
    """UNet++ of configurable widths, in 2-D or 3-D.

    Args:
        in_channels: image channels.
        num_classes: classes including background.
        spatial_dims: 2 or 3.
        channels: width of the five levels, full resolution first, even below the first. The default is the study's
            U-Net's, so that the two differ in their skip connections alone.
        deep_supervision: in train mode, return the logits of the four nested networks, deepest (the one that counts)
            first, all (B, num_classes, *spatial). Off by default, so that every architecture trains on one output.

    Raises:
        ValueError: other than five widths, odd or non-positive widths, or impossible channel counts.

    Source: Zhou et al., IEEE Transactions on Medical Imaging 2020.
    """

    divisor = 2 ** (LEVELS - 1)
    smallest = 2**LEVELS

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        spatial_dims: int = 3,
        channels: tuple[int, ...] = (32, 64, 128, 256, 320),
        deep_supervision: bool = False,
    ) -> None:
        super().__init__()
        check_channels(in_channels, num_classes, spatial_dims)
        if len(channels) != LEVELS or min(channels) < 1 or any(width % 2 for width in channels[1:]):
            raise ValueError(
                f"channels needs {LEVELS} positive widths, even below the first level, got {tuple(channels)}"
            )
        from monai.networks.nets import BasicUNetPlusPlus  # seconds to import: only where a network is built

        self.deep_supervision = deep_supervision
        self.body = BasicUNetPlusPlus(
            spatial_dims=spatial_dims,
            in_channels=in_channels,
            out_channels=num_classes,
            features=(*channels, channels[0]),
            deep_supervision=deep_supervision,
            # Instance normalisation follows and would take a constant away again.
            bias=False,
        )
        for depth in range(1, LEVELS):
            getattr(self.body, f"conv_{depth}_0").max_pooling = BlockMaximum(spatial_dims)
            if depth < LEVELS - 1 and not deep_supervision:
                # Its output would be thrown away: weights that never learn.
                delattr(self.body, f"final_conv_0_{depth}")

    def network(self, x: Tensor) -> Tensor | list[Tensor]:
        """Logits (B, num_classes, *spatial) of divisible sizes; a list in train mode with deep supervision."""
        # Node by node: the body's own forward always computes every head, and torch.compile cannot trace its joins.
        rows: list[list[Tensor]] = []  # rows[level][column]
        for depth in range(LEVELS):
            x = getattr(self.body, f"conv_{depth}_0")(x)
            rows.append([x])
            for column in range(1, depth + 1):
                level = depth - column
                join = getattr(self.body, f"upcat_{level}_{column}")
                upsampled = join.upsample(rows[level + 1][column - 1])
                rows[level].append(join.convs(torch.cat([*rows[level], upsampled], dim=1)))
        columns = range(LEVELS - 1, 0, -1) if self.training and self.deep_supervision else [LEVELS - 1]
        logits = [getattr(self.body, f"final_conv_0_{column}")(rows[0][column]) for column in columns]
        return logits if len(logits) > 1 else logits[0]


class BlockMaximum(nn.Module):
    """Maximum over blocks of 2 voxels per axis: (B, C, *spatial) -> (B, C, *spatial / 2), for even sizes.

    PyTorch's 3-D max pooling has no deterministic backward pass on CUDA; this has one.
    """

    def __init__(self, spatial_dims: int) -> None:
        super().__init__()
        self.spatial_dims = spatial_dims

    def forward(self, x: Tensor) -> Tensor:
        for axis in range(2, 2 + self.spatial_dims):
            even, odd = x.unflatten(axis, (-1, 2)).unbind(axis + 1)
            x = even.maximum(odd)
        return x


MODEL = UNetPlusPlus
NUMERICS = 1  # see spectralcal.study.numerics
LABEL = "UNet++"
