"""nnU-Net's network: a U-Net whose depth, strides and kernels follow from the patch and the voxel spacing.

The rules are nnU-Net's: an axis is halved while at least 4 voxels remain, coarse axes wait until the others have
caught up with their spacing, and a kernel stays flat across an axis that is still much coarser than the finest.
At 96^3 isotropic voxels and without deep supervision this is the U-Net of the main tables: what sets it apart there is
`deep_supervision` (or `residual`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from spectralcal.models.dynamic_unet import DynamicUNet
from spectralcal.models.padding import DivisiblePadding, check_axes, check_channels

#: voxels that an axis keeps at the deepest level
SMALLEST_MAP = 4


class NNUNet(DivisiblePadding):
    """nnU-Net for a patch and a spacing, in 2-D or 3-D.

    Args:
        in_channels: image channels.
        num_classes: classes including background.
        spatial_dims: 2 or 3.
        patch: training patch in voxels per axis, from which the plan is derived; other sizes still pass. Default 96
            per axis, the paper's patch.
        spacing_mm: voxel spacing per axis in mm; default isotropic, as the study resamples. Only ratios count.
        base_channels: width at full resolution, doubled at each level; nnU-Net's 32.
        max_channels: largest width; default nnU-Net's 320 in 3-D and 512 in 2-D.
        residual: residual blocks in place of plain ones.
        deep_supervision: in train mode, return a list: logits at full resolution, then at each coarser level but the
            two deepest, (B, num_classes, *ceil(spatial / stride)). Off by default, so that every architecture trains
            on one output.

    Raises:
        ValueError: a patch too small for three levels, an option of the wrong length, or impossible channel counts.

    Source: Isensee et al., Nature Methods 2021, Methods ("Architecture template", "Configuration of the topology").
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        spatial_dims: int = 3,
        patch: tuple[int, ...] | None = None,
        spacing_mm: tuple[float, ...] | None = None,
        base_channels: int = 32,
        max_channels: int | None = None,
        residual: bool = False,
        deep_supervision: bool = False,
    ) -> None:
        super().__init__()
        check_channels(in_channels, num_classes, spatial_dims)
        patch = (96,) * spatial_dims if patch is None else tuple(patch)
        spacing_mm = (1.0,) * spatial_dims if spacing_mm is None else tuple(spacing_mm)
        check_axes("patch", patch, spatial_dims)
        check_axes("spacing_mm", spacing_mm, spatial_dims)
        if max_channels is None:
            max_channels = 320 if spatial_dims == 3 else 512
        if base_channels < 1 or max_channels < base_channels:
            raise ValueError(
                f"channels must satisfy 1 <= base_channels <= max_channels, got {base_channels} and {max_channels}"
            )
        kernels, strides = plan(patch, spacing_mm)
        if len(strides) < 3:
            raise ValueError(f"patch must allow two halvings to {SMALLEST_MAP} voxels (16 per axis do), got {patch}")
        self.divisor = tuple(math.prod(axis) for axis in zip(*strides, strict=True))
        self.smallest = tuple(2 * d for d in self.divisor)
        self.heads = max(1, len(strides) - 3) if deep_supervision else 0
        self.body = DynamicUNet(
            in_channels,
            num_classes,
            spatial_dims,
            kernels,
            strides,
            [min(base_channels * 2**level, max_channels) for level in range(len(strides))],
            residual=residual,
            coarse_heads=self.heads,
        )

    def network(self, x: Tensor) -> Tensor | list[Tensor]:
        """Logits (B, num_classes, *spatial) of divisible sizes; a list in train mode with deep supervision."""
        if not (self.training and self.heads):
            return self.body(x)
        *coarse, finest = self.body.levels(x)
        heads = zip(self.body.deep_supervision_heads, reversed(coarse), strict=False)
        return [self.body.output_block(finest), *(head(features) for head, features in heads)]


def plan(patch: Sequence[int], spacing_mm: Sequence[float]) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Kernels and strides of each level, full resolution first.

    Args:
        patch: voxels per axis.
        spacing_mm: voxel spacing per axis.

    Returns:
        (kernels, strides), as many of each as the network has levels; the first stride is 1.
    """
    size, spacing = list(patch), list(spacing_mm)
    axes = range(len(size))
    flat = [True] * len(size)
    kernels, strides = [], [(1,) * len(size)]
    while True:
        # An axis that once had a full kernel keeps it.
        flat = [f and step >= 2 * min(spacing) for f, step in zip(flat, spacing, strict=True)]
        kernels.append(tuple(1 if f else 3 for f in flat))
        halved = [a for a in axes if size[a] >= 2 * SMALLEST_MAP]
        halved = [a for a in halved if spacing[a] < 2 * min(spacing[b] for b in halved)]
        # One axis alone is worth a level only while it stays well above the smallest map.
        if not halved or (len(halved) == 1 and size[halved[0]] < 3 * SMALLEST_MAP):
            break
        for a in halved:
            size[a], spacing[a] = -(-size[a] // 2), 2 * spacing[a]
        strides.append(tuple(2 if a in halved else 1 for a in axes))
    kernels[-1] = (3,) * len(size)
    return kernels, strides


MODEL = NNUNet
NUMERICS = 1  # see spectralcal.study.numerics
LABEL = "nnU-Net"
