"""A U-Net with a ResNet encoder and a transformer on its deepest map: TransUNet as some later papers describe it.

The published TransUNet (:mod:`spectralcal.models.transunet_r50`) puts a vision transformer between a shortened ResNet
and a decoder of its own. Papers that speak of "a U-Net with a transformer bottleneck of eight heads" mean another
network; width and depth are not printed there and are options here.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from spectralcal.models._slicewise import in_plane
from spectralcal.models.padding import check_axes, check_transformer
from spectralcal.models.transunet import Transformer
from spectralcal.models.unet_resnet import UNetResNet

#: side of a picture for which positions are learnt where no patch is given, in pixels
SIDE = 224


class TransUNetResNet(UNetResNet):
    """U-Net with a ResNet encoder whose deepest map goes through a transformer, two-dimensional; volumes by slices.

    Args:
        in_channels: image channels.
        num_classes: classes including background.
        spatial_dims: 2; with 3, every slice of a volume is a picture.
        encoder: as in :class:`~spectralcal.models.unet_resnet.UNetResNet`.
        decoder: widths at 1/16, 1/8, 1/4, 1/2 and full resolution.
        width: features of a token; default 512, a quarter of the deepest map's channels.
        depth: transformer blocks; default 4.
        heads: attention heads; default 8, the number that is printed.
        mlp_ratio: hidden features of a block's MLP, as a multiple of `width`.
        patch: training patch in voxels per axis, which sets the grid of the positional embedding; it is interpolated
            for other sizes. Default 224 in the plane.
        weights: file of the encoder's weights; see :class:`~spectralcal.models.unet_resnet.UNetResNet`.
        weights_sha256: digest of that file; needed with `weights`.
        axis: the spatial axis across slices of volumes; default -1, the last.

    Raises:
        ValueError: as :class:`~spectralcal.models.unet_resnet.UNetResNet`; heads that do not divide the width,
            non-positive sizes, a patch of the wrong length.
        ConfigError: a weights file that is missing, of another digest or of another network.

    Source: Chen et al., arXiv 2102.04306, for the idea; Dosovitskiy et al., ICLR 2021, for the blocks.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        spatial_dims: int = 3,
        encoder: Literal["resnet10", "resnet50", "resnet101", "resnet152"] = "resnet50",
        decoder: tuple[int, ...] = (256, 128, 64, 32, 16),
        width: int = 512,
        depth: int = 4,
        heads: int = 8,
        mlp_ratio: int = 4,
        patch: tuple[int, ...] | None = None,
        weights: str | None = None,
        weights_sha256: str | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(
            in_channels,
            num_classes,
            spatial_dims=spatial_dims,
            encoder=encoder,
            decoder=decoder,
            weights=weights,
            weights_sha256=weights_sha256,
            axis=axis,
        )
        check_transformer(width, heads, depth=depth, mlp_ratio=mlp_ratio)
        if patch is not None:
            check_axes("patch", patch, spatial_dims)
        sides = (SIDE, SIDE) if patch is None else in_plane(patch, spatial_dims, axis)
        grid = [size // self._plane[0] for size in self.padded_sizes(sides)]
        self.transformer = Transformer(self.deepest, grid, width, depth, heads, mlp_ratio, dropout=0.0)
        self.project = nn.Conv2d(width, self.deepest, kernel_size=1)

    def at_the_bottom(self, x: Tensor) -> Tensor:
        """The deepest map (B, K, H / 32, W / 32) after the transformer."""
        return self.project(self.transformer(x))


MODEL = TransUNetResNet
LABEL = "TransUNet, bottleneck"
