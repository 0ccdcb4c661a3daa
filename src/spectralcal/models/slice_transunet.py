"""A 2-D TransUNet that is applied to every slice of a volume, as :mod:`spectralcal.models.slice_unet` is a U-Net."""

from __future__ import annotations

from spectralcal.models._slicewise import Slicewise, in_plane
from spectralcal.models.padding import check_axes, check_channels
from spectralcal.models.transunet import TransUNet


class SliceTransUNet(Slicewise, TransUNet):
    """The 2-D :class:`~spectralcal.models.transunet.TransUNet`, slice by slice: slices share weights and nothing else.

    Args:
        in_channels: image channels.
        num_classes: classes including background.
        spatial_dims: 3; with 2 the images are slices already and this is the TransUNet itself.
        channels: widths of the stem at 1/2, 1/4, 1/8 and 1/16 of the resolution. Default (16, 32, 64, 96), which with
            the other defaults has 0.94 M parameters and trains on CPUs.
        blocks: residual blocks at each of 1/4, 1/8 and 1/16; default 1.
        width: features of a token; default 96.
        depth: transformer blocks; default 4.
        heads: attention heads; default 8.
        mlp_ratio: hidden features of a block's MLP, as a multiple of `width`; default 4.
        dropout: in the embedding and the MLPs; default none.
        patch: training patch in voxels per axis, which sets the grid of the positional embedding; it is interpolated
            for other sizes. Default 128 in the plane.
        axis: the spatial axis across slices. Default -1, the last: that of cine and CT volumes as they are read.

    Raises:
        ValueError: an axis that does not exist, and as :class:`~spectralcal.models.transunet.TransUNet`.

    Source: Chen et al., arXiv 2102.04306, whose network is 2-D.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        spatial_dims: int = 3,
        channels: tuple[int, ...] = (16, 32, 64, 96),
        blocks: int = 1,
        width: int = 96,
        depth: int = 4,
        heads: int = 8,
        mlp_ratio: int = 4,
        dropout: float = 0.0,
        patch: tuple[int, ...] | None = None,
        axis: int = -1,
    ) -> None:
        check_channels(in_channels, num_classes, spatial_dims)
        if patch is not None:
            check_axes("patch", patch, spatial_dims)
        sides = (128, 128) if patch is None else in_plane(patch, spatial_dims, axis)
        super().__init__(
            in_channels,
            num_classes,
            spatial_dims=2,
            channels=channels,
            blocks=blocks,
            width=width,
            depth=depth,
            heads=heads,
            mlp_ratio=mlp_ratio,
            dropout=dropout,
            patch=tuple(sides),
        )
        self.of_planes(spatial_dims, axis, TransUNet.divisor, TransUNet.smallest)


MODEL = SliceTransUNet
LABEL = "TransUNet, slices"
