"""Swin UNETR: a Swin transformer as encoder, a convolutional decoder. The layers are MONAI's ``SwinUNETR``."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from spectralcal.models.padding import DivisiblePadding, check_channels

STAGES = 4


class SwinUNETR(DivisiblePadding):
    """Swin UNETR of configurable width and depth, in 2-D or 3-D.

    Five halvings: sizes are padded to multiples of 32, and a single block of 32 per axis is doubled along the last
    axis, because normalisation at the deepest level needs two voxels.

    Args:
        in_channels: image channels.
        num_classes: classes including background.
        spatial_dims: 2 or 3.
        feature_size: width of the first stage, a multiple of 12, doubled at each stage. Default 48, as published.
        depths: transformer blocks of the four stages; every second block of a stage shifts its windows.
        num_heads: attention heads of the four stages; each divides its stage's width.
        window_size: tokens per axis of an attention window; default 7, as published.

    Raises:
        ValueError: a width that is no multiple of 12, other than four stages, heads that do not divide their width, or
            impossible channel counts.

    Source: Hatamizadeh et al., BrainLes 2021.
    """

    divisor = 32
    smallest = 32

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        spatial_dims: int = 3,
        feature_size: int = 48,
        depths: tuple[int, ...] = (2, 2, 2, 2),
        num_heads: tuple[int, ...] = (3, 6, 12, 24),
        window_size: int = 7,
    ) -> None:
        super().__init__()
        check_channels(in_channels, num_classes, spatial_dims)
        if feature_size < 1 or feature_size % 12:
            raise ValueError(f"feature_size must be a positive multiple of 12, got {feature_size}")
        for name, values in (("depths", depths), ("num_heads", num_heads)):
            if len(values) != STAGES or min(values) < 1:
                raise ValueError(f"{name} needs {STAGES} positive numbers, one a stage, got {tuple(values)}")
        widths = [feature_size * 2**stage for stage in range(STAGES)]
        if any(width % heads for width, heads in zip(widths, num_heads, strict=True)):
            raise ValueError(f"num_heads must divide the widths {widths} of the stages, got {tuple(num_heads)}")
        if window_size < 1:
            raise ValueError(f"window_size must be at least 1, got {window_size}")
        from monai.networks.nets import SwinUNETR as Body  # seconds to import: only where a network is built

        self.body = Body(
            spatial_dims=spatial_dims,
            in_channels=in_channels,
            out_channels=num_classes,
            feature_size=feature_size,
            depths=tuple(depths),
            num_heads=tuple(num_heads),
            window_size=window_size,
        )
        # The sizes are right by then; torch.compile cannot trace through this check, which is written in numpy.
        self.body._check_input_size = _accept

    def padded_sizes(self, sizes: Sequence[int]) -> list[int]:
        """The sizes that the network sees for an input of `sizes`."""
        targets = super().padded_sizes(sizes)
        if max(targets) == self.divisor:
            targets[-1] *= 2
        return targets

    def network(self, x: Tensor) -> Tensor:
        """Logits (B, num_classes, *spatial) of divisible sizes."""
        return self.body(x)


def _accept(sizes: Sequence[int]) -> None:
    pass


MODEL = SwinUNETR
NUMERICS = 1  # see spectralcal.study.numerics
LABEL = "SwinUNETR"
