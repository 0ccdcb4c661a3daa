"""A 2-D U-Net that is applied to every slice of a volume: for images whose slices lie far apart.

Between the slices of a cardiac cine lie 5 to 10 mm, and a 3-D kernel sees another anatomy there. A wide view of the
slice is worth more: a patch of one slice holds the heart with its surroundings for the price of a small cube.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from spectralcal.models.padding import check_channels
from spectralcal.models.unet import UNet


class SliceUNet(nn.Module):
    """The 2-D :class:`~spectralcal.models.unet.UNet`, slice by slice.

    The slices of a patch go through the network as samples of its batch: they share weights and nothing else, since
    instance normalisation has statistics of each slice alone. A patch of n slices therefore costs n times one slice,
    and a term of the loss that looks at the patch (the spectral one) sees a slab of n slices.

    Args:
        in_channels: image channels.
        num_classes: classes including background.
        spatial_dims: 3; with 2 the images are slices already and this is the U-Net itself.
        channels: width of each level, full resolution first. Default (16, 32, 64, 128), 0.48 M parameters.
        axis: the spatial axis across slices. Default -1, the last: that of cine and CT volumes as they are read.

    Raises:
        ValueError: an axis that does not exist, and as :class:`~spectralcal.models.unet.UNet`.

    Source: Ronneberger et al., MICCAI 2015, whose U-Net is 2-D, as is the one that the paper cites.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        spatial_dims: int = 3,
        channels: tuple[int, ...] = (16, 32, 64, 128),
        axis: int = -1,
    ) -> None:
        super().__init__()
        check_channels(in_channels, num_classes, spatial_dims)
        if not -spatial_dims <= axis < spatial_dims:
            raise ValueError(f"axis must name one of {spatial_dims} spatial axes, got {axis}")
        self.axis = axis % spatial_dims if spatial_dims == 3 else None
        self.body = UNet(in_channels, num_classes, spatial_dims=2, channels=channels)
        self.divisor, self.smallest = (self._with_slices(size) for size in (self.body.divisor, self.body.smallest))

    def _with_slices(self, size: int) -> int | tuple[int, ...]:
        """A size in the plane as one number per axis: any number of slices passes."""
        return size if self.axis is None else tuple(1 if a == self.axis else size for a in range(3))

    def padded_sizes(self, sizes: Sequence[int]) -> list[int]:
        """The sizes that the network sees for an input of `sizes`."""
        if self.axis is None:
            return self.body.padded_sizes(sizes)
        inner = iter(self.body.padded_sizes([size for a, size in enumerate(sizes) if a != self.axis]))
        return [size if a == self.axis else next(inner) for a, size in enumerate(sizes)]

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C_in, *spatial) to logits (B, num_classes, *spatial)."""
        if self.axis is None:
            return self.body(x)
        slices = x.movedim(2 + self.axis, 1)  # (B, S, C_in, H, W)
        logits = self.body(slices.flatten(0, 1))
        return logits.unflatten(0, slices.shape[:2]).movedim(1, 2 + self.axis)


MODEL = SliceUNet
NUMERICS = 1  # see spectralcal.study.numerics
LABEL = "U-Net, slices"
