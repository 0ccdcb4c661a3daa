"""TransUNet: convolutions down to 1/16, a vision transformer on what is left, and a cascade of upsampling with skips.

The published network is two-dimensional; here the same design takes two or three axes. Upsampling is by transposed
convolution and the positional embedding is resized by matrix products: both have a deterministic backward pass on CUDA,
which linear interpolation has not.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spectralcal.models.padding import DivisiblePadding, check_axes, check_channels, check_transformer

#: halvings before the transformer
STAGES = 4


class TransUNet(DivisiblePadding):
    """TransUNet of configurable stem and transformer, in 2-D or 3-D.

    Args:
        in_channels: image channels.
        num_classes: classes including background.
        spatial_dims: 2 or 3.
        channels: widths of the stem at 1/2, 1/4, 1/8 and 1/16 of the resolution. The default is the study's U-Net's
            from the first level on; the published ResNet-50 does not fit in 3-D.
        blocks: residual blocks at each of 1/4, 1/8 and 1/16.
        width: features of a token; default that of ViT-Base, as published.
        depth: transformer blocks; ViT-Base has 12.
        heads: attention heads; ViT-Base has 12.
        mlp_ratio: hidden features of a block's MLP, as a multiple of `width`.
        dropout: in the embedding and the MLPs; default none, as in the study's other networks.
        patch: training patch in voxels per axis, which sets the grid of the positional embedding; it is interpolated
            for other sizes. Default 96 per axis, the paper's patch.

    Raises:
        ValueError: other than four stem widths, heads that do not divide the width, non-positive sizes, a dropout
            outside [0, 1), a patch of the wrong length, or impossible channel counts.

    Source: Chen et al., arXiv 2102.04306; Chen et al., Medical Image Analysis 2024 (3-D).
    """

    divisor = 2**STAGES
    smallest = 2 * 2**STAGES

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        spatial_dims: int = 3,
        channels: tuple[int, ...] = (32, 64, 128, 256),
        blocks: int = 2,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        mlp_ratio: int = 4,
        dropout: float = 0.0,
        patch: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        check_channels(in_channels, num_classes, spatial_dims)
        if len(channels) != STAGES or min(channels) < 2:
            raise ValueError(f"channels needs {STAGES} widths of at least 2, got {tuple(channels)}")
        check_transformer(width, heads, blocks=blocks, depth=depth, mlp_ratio=mlp_ratio)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {dropout}")
        patch = (96,) * spatial_dims if patch is None else tuple(patch)
        check_axes("patch", patch, spatial_dims)

        d = spatial_dims
        self.stem = nn.ModuleList([convolution(d, in_channels, channels[0], stride=2)])
        for before, after in itertools.pairwise(channels):
            stage = [ResidualBlock(d, before, after, stride=2)]
            stage += [ResidualBlock(d, after, after) for _ in range(blocks - 1)]
            self.stem.append(nn.Sequential(*stage))
        self.transformer = Transformer(
            channels[-1], [-(-p // self.divisor) for p in patch], width, depth, heads, mlp_ratio, dropout
        )
        self.project = convolution(d, width, channels[-1])
        self.decoder = nn.ModuleList()
        for below, skip in zip(channels[:0:-1], channels[-2::-1], strict=True):
            self.decoder.append(Upsampling(d, below, skip, skip))
        self.decoder.append(Upsampling(d, channels[0], 0, channels[0] // 2))
        self.head = _layer("Conv", d)(channels[0] // 2, num_classes, kernel_size=3, padding=1)

    def network(self, x: Tensor) -> Tensor:
        """Logits (B, num_classes, *spatial) of divisible sizes."""
        features: list[Tensor] = []
        for stage in self.stem:
            x = stage(x)
            features.append(x)
        x = self.project(self.transformer(features.pop()))  # (B, channels[-1], *spatial / 16)
        for up in self.decoder:
            x = up(x, features.pop() if features else None)
        return self.head(x)


class Transformer(nn.Module):
    """A vision transformer on the voxels of a map: (B, C, *grid) -> (B, width, *grid)."""

    def __init__(
        self, channels: int, grid: Sequence[int], width: int, depth: int, heads: int, mlp_ratio: int, dropout: float
    ) -> None:
        super().__init__()
        self.embed = nn.Linear(channels, width)
        self.position = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, *grid, width), std=0.02))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*[TransformerBlock(width, heads, mlp_ratio * width, dropout) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        grid = x.shape[2:]
        tokens = self.embed(x.movedim(1, -1)) + resize_position(self.position, grid)  # (B, *grid, width)
        tokens = self.norm(self.blocks(self.dropout(tokens.flatten(1, -2))))
        return tokens.unflatten(1, grid).movedim(-1, 1)


class TransformerBlock(nn.Module):
    """Self-attention and an MLP, each on normalised tokens and added to them: (B, N, width) -> (B, N, width)."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, width),
            nn.Dropout(dropout),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(self.attention_norm(x)).unflatten(-1, (3, self.heads, -1))  # (B, N, 3, heads, width / heads)
        query, key, value = qkv.transpose(1, 3).unbind(2)  # each (B, heads, N, width / heads)
        attended = F.scaled_dot_product_attention(query, key, value)
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.mlp(x)


class ResidualBlock(nn.Module):
    """Two convolutions and a shortcut, which is a convolution where the shape changes."""

    def __init__(self, spatial_dims: int, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.first = convolution(spatial_dims, before, after, stride=stride)
        self.second = convolution(spatial_dims, after, after, activation=False)
        same = before == after and stride == 1
        self.shortcut = (
            nn.Identity() if same else convolution(spatial_dims, before, after, 1, stride=stride, activation=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.second(self.first(x)) + self.shortcut(x), 0.01)


class Upsampling(nn.Module):
    """Twice the resolution, the skip beside it where there is one, and two convolutions."""

    def __init__(self, spatial_dims: int, below: int, skip: int, after: int) -> None:
        super().__init__()
        self.up = _layer("ConvTranspose", spatial_dims)(below, after, kernel_size=2, stride=2, bias=False)
        self.convolutions = nn.Sequential(
            convolution(spatial_dims, after + skip, after), convolution(spatial_dims, after, after)
        )

    def forward(self, x: Tensor, skip: Tensor | None) -> Tensor:
        x = self.up(x)
        return self.convolutions(x if skip is None else torch.cat([x, skip], dim=1))


def convolution(
    spatial_dims: int, before: int, after: int, kernel: int = 3, *, stride: int = 1, activation: bool = True
) -> nn.Sequential:
    """Convolution, instance normalisation and leaky ReLU, nnU-Net's sequence."""
    layers = [
        _layer("Conv", spatial_dims)(before, after, kernel, stride=stride, padding=kernel // 2, bias=False),
        _layer("InstanceNorm", spatial_dims)(after, affine=True),
    ]
    return nn.Sequential(*layers, *([nn.LeakyReLU(0.01, inplace=True)] if activation else []))


def resize_position(position: Tensor, grid: Sequence[int]) -> Tensor:
    """A positional embedding (1, *old_grid, width) on another grid, by linear interpolation between voxel centres.

    Returns:
        (1, *grid, width); `position` itself where the grid is its own.
    """
    device = position.device
    with torch.autocast(device.type, enabled=False):
        for axis, (old, new) in enumerate(zip(position.shape[1:-1], grid, strict=True), start=1):
            if old == new:
                continue
            centres = ((torch.arange(new, device=device) + 0.5) * (old / new) - 0.5).clamp(0, old - 1)
            weights = (1 - (centres[:, None] - torch.arange(old, device=device)).abs()).clamp_min(0)  # (new, old)
            position = torch.tensordot(position, weights, dims=([axis], [1])).movedim(-1, axis)
    return position


def _layer(kind: str, spatial_dims: int) -> type[nn.Module]:
    return getattr(nn, f"{kind}{spatial_dims}d")


MODEL = TransUNet
NUMERICS = 1  # see spectralcal.study.numerics
LABEL = "TransUNet"
