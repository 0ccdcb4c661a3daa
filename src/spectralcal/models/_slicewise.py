"""Base of two-dimensional networks that take volumes too, slice by slice."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from spectralcal.models.padding import DivisiblePadding


class Slicewise(DivisiblePadding):
    """A network of pictures; the slices of a volume go through it as samples of its batch.

    Slices share weights. Batch normalisation averages over all slices of a batch in training, and over nothing in
    evaluation, where each slice is on its own. A constructor calls :meth:`of_planes`.
    """

    def of_planes(self, spatial_dims: int, axis: int, divisor: int, smallest: int) -> None:
        """Say which images there are.

        Args:
            spatial_dims: 2 for pictures, 3 for volumes.
            axis: the spatial axis across slices.
            divisor, smallest: of a slice's two sides.

        Raises:
            ValueError: the axis does not exist.
        """
        if not -spatial_dims <= axis < spatial_dims:
            raise ValueError(f"axis must name one of {spatial_dims} spatial axes, got {axis}")
        self.axis = axis % 3 if spatial_dims == 3 else None
        self.divisor, self.smallest = (
            size if self.axis is None else tuple(1 if a == self.axis else size for a in range(3))
            for size in (divisor, smallest)
        )  # fmt: skip
        self._plane = divisor, smallest

    def padded_sizes(self, sizes: Sequence[int]) -> list[int]:
        """The sizes that the network sees for an input of `sizes`, of a volume or of one slice."""
        if len(sizes) == 3:
            return super().padded_sizes(sizes)
        divisor, smallest = self._plane
        return [max(smallest, -(-size // divisor) * divisor) for size in sizes]

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C_in, *spatial) to logits (B, num_classes, *spatial)."""
        if self.axis is None:
            return super().forward(x)
        slices = x.movedim(2 + self.axis, 1)  # (B, S, C_in, H, W)
        logits = super().forward(slices.flatten(0, 1))
        return logits.unflatten(0, slices.shape[:2]).movedim(1, 2 + self.axis)


def in_plane(values: Sequence[int], spatial_dims: int, axis: int) -> tuple[int, ...]:
    """Those of one number per axis that belong to a slice's two axes."""
    return tuple(value for a, value in enumerate(values) if spatial_dims == 2 or a != axis % 3)
