"""The layers of U-Net and nnU-Net: any number of levels, a kernel and a stride each, instance normalisation.

Names of the weights, their initial values and every output are those of MONAI's ``DynUNet``, with which published cells
were trained; a test compares them bit by bit. It is written here because importing MONAI takes longer than importing
torch, and the workflow starts a process for each cell.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from spectralcal.models.padding import per_axis

#: slope of the leaky ReLU below zero, of which the initial weights take account
SLOPE = 0.01

#: one number for all axes, or one per axis
PerAxis = int | Sequence[int]


class DynamicUNet(nn.Module):
    """U-Net of `len(widths)` levels, full resolution first; sizes must be divisible by the product of the strides.

    Args:
        in_channels, num_classes, spatial_dims: as for every architecture.
        kernels, strides: of each level, one number for all axes or one per axis. Odd kernels.
        widths: channels of each level.
        residual: levels on the way down add their input to their output, through a convolution of one voxel.
        coarse_heads: levels below full resolution, from the finest, that have logits of their own.

    Source: Isensee et al., Nature Methods 2021; Futrega et al., BrainLes 2021 (residual).
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        spatial_dims: int,
        kernels: Sequence[PerAxis],
        strides: Sequence[PerAxis],
        widths: Sequence[int],
        *,
        residual: bool = False,
        coarse_heads: int = 0,
    ) -> None:
        super().__init__()
        block = ResidualBlock if residual else PlainBlock
        channels = [in_channels, *widths]
        down = [
            block(spatial_dims, before, after, kernel, stride)
            for before, after, kernel, stride in zip(channels, widths, kernels, strides, strict=False)
        ]
        self.input_block = down[0]
        self.downsamples = nn.ModuleList(down[1:-1])
        self.bottleneck = down[-1]
        self.upsamples = nn.ModuleList(
            UpBlock(spatial_dims, widths[level], widths[level - 1], kernels[level], strides[level])
            for level in reversed(range(1, len(widths)))
        )
        self.output_block = Head(spatial_dims, widths[0], num_classes)
        torch.rand(1)  # MONAI's draws one here, and the initial weights come after it
        if coarse_heads:
            self.deep_supervision_heads = nn.ModuleList(
                Head(spatial_dims, widths[1 + level], num_classes) for level in range(coarse_heads)
            )
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, *spatial) to logits (B, num_classes, *spatial)."""
        x, skips = self._down(x)
        for up in self.upsamples:
            x = up(x, skips.pop())  # what is no longer needed is let go
        return self.output_block(x)

    def levels(self, x: Tensor) -> list[Tensor]:
        """Feature maps on the way up, coarsest first: one for each level but the deepest."""
        x, skips = self._down(x)
        features = []
        for up in self.upsamples:
            x = up(x, skips.pop())
            features.append(x)
        return features

    def _down(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The deepest feature map, and those of the levels above it, full resolution first."""
        skips = [self.input_block(x)]
        for down in self.downsamples:
            skips.append(down(skips[-1]))
        return self.bottleneck(skips[-1]), skips


class PlainBlock(nn.Module):
    """Two convolutions, each with normalisation and leaky ReLU; the first has the stride."""

    def __init__(self, spatial_dims: int, before: int, after: int, kernel: PerAxis, stride: PerAxis) -> None:
        super().__init__()
        self.conv1 = _convolution(spatial_dims, before, after, kernel, stride)
        self.conv2 = _convolution(spatial_dims, after, after, kernel, 1)
        self.lrelu = nn.LeakyReLU(SLOPE, inplace=True)
        self.norm1 = _normalisation(spatial_dims, after)
        self.norm2 = _normalisation(spatial_dims, after)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, before, *spatial) to (B, after, *strided)."""
        x = self.lrelu(self.norm1(self.conv1(x)))
        return self.lrelu(self.norm2(self.conv2(x)))


class ResidualBlock(PlainBlock):
    """As :class:`PlainBlock`, with the input added before the last leaky ReLU."""

    def __init__(self, spatial_dims: int, before: int, after: int, kernel: PerAxis, stride: PerAxis) -> None:
        super().__init__(spatial_dims, before, after, kernel, stride)
        self.reshapes = before != after or set(per_axis(stride, spatial_dims)) != {1}
        if self.reshapes:
            self.conv3 = _convolution(spatial_dims, before, after, 1, stride)
            self.norm3 = _normalisation(spatial_dims, after)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, before, *spatial) to (B, after, *strided)."""
        y = self.norm2(self.conv2(self.lrelu(self.norm1(self.conv1(x)))))
        y += self.norm3(self.conv3(x)) if self.reshapes else x
        return self.lrelu(y)


class UpBlock(nn.Module):
    """A transposed convolution that undoes a level's stride, then a block on its output beside the skip connection."""

    def __init__(self, spatial_dims: int, before: int, after: int, kernel: PerAxis, stride: PerAxis) -> None:
        super().__init__()
        self.transp_conv = _convolution(spatial_dims, before, after, stride, stride, transposed=True)
        self.conv_block = PlainBlock(spatial_dims, 2 * after, after, kernel, 1)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Map (B, before, *coarse) and (B, after, *fine) to (B, after, *fine)."""
        return self.conv_block(torch.cat((self.transp_conv(x), skip), dim=1))


class Head(nn.Module):
    """Logits of every voxel from its features."""

    def __init__(self, spatial_dims: int, width: int, num_classes: int) -> None:
        super().__init__()
        self.conv = _convolution(spatial_dims, width, num_classes, 1, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, *spatial) to (B, num_classes, *spatial)."""
        return self.conv(x)


def _convolution(
    spatial_dims: int, before: int, after: int, kernel: PerAxis, stride: PerAxis, *,
    transposed: bool = False, bias: bool = False,
) -> nn.Sequential:  # fmt: skip
    """A convolution that keeps sizes but for its stride; one level deep, as names of published weights are."""
    kernel, stride = per_axis(kernel, spatial_dims), per_axis(stride, spatial_dims)
    if transposed:
        kind, padding = (nn.ConvTranspose2d, nn.ConvTranspose3d)[spatial_dims - 2], (0,) * spatial_dims
    else:
        kind, padding = (nn.Conv2d, nn.Conv3d)[spatial_dims - 2], tuple(size // 2 for size in kernel)
    return nn.Sequential(OrderedDict(conv=kind(before, after, kernel, stride, padding, bias=bias)))


def _normalisation(spatial_dims: int, width: int) -> nn.Module:
    return (nn.InstanceNorm2d, nn.InstanceNorm3d)[spatial_dims - 2](width, affine=True)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        nn.init.kaiming_normal_(module.weight, a=SLOPE)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
