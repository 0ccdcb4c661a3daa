"""One level of the two-dimensional Haar transform, and back: four bands of half the size, orthonormal."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def haar(field: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The four bands of (B, C, H, W), each (B, C, ceil(H / 2), ceil(W / 2)): half a signed sum of each 2 x 2 block.

    An odd side is continued by reflection, so that energy is kept exactly on even sides only.

    Args:
        field: (B, C, H, W) floating point, sides of at least 2.

    Returns:
        By sign, since half of the literature swaps the names of the middle two: the sum of the block (LL), top minus
        bottom, left minus right, and the diagonal (main diagonal minus the other).

    Raises:
        ValueError: not a floating-point tensor of four axes with sides of at least 2.

    Source: Haar 1910; PyWavelets' ``dwt2(x, "haar")`` gives the same, in the order cA, (cH, cV, cD).
    """
    if not isinstance(field, Tensor) or not field.is_floating_point() or field.ndim != 4 or min(field.shape[2:]) < 2:
        received = (field.dtype, tuple(field.shape)) if isinstance(field, Tensor) else type(field).__name__
        raise ValueError(f"field: expected floating point (B, C, H, W) with sides >= 2, received {received}")
    odd = [side % 2 for side in field.shape[2:]]
    if any(odd):
        field = F.pad(field, (0, odd[1], 0, odd[0]), mode="reflect")
    above, below = field[..., 0::2, :], field[..., 1::2, :]
    a, b, c, d = above[..., 0::2], above[..., 1::2], below[..., 0::2], below[..., 1::2]
    return (a + b + c + d) / 2, (a + b - c - d) / 2, (a - b + c - d) / 2, (a - b - c + d) / 2


def inverse_haar(bands: Sequence[Tensor], size: Sequence[int] | None = None) -> Tensor:
    """The field (B, C, H, W) whose bands :func:`haar` gave.

    Args:
        bands: four tensors (B, C, h, w), in the order of :func:`haar`.
        size: H and W where a side is odd; default twice the bands' sides.

    Raises:
        ValueError: not four bands of one shape, or a size that does not belong to them.
    """
    if len(bands) != 4 or len({tuple(band.shape) for band in bands}) != 1 or bands[0].ndim != 4:
        raise ValueError(f"bands: expected four (B, C, h, w) of one shape, received {[tuple(b.shape) for b in bands]}")
    height, width = 2 * bands[0].shape[2], 2 * bands[0].shape[3]
    size = (height, width) if size is None else tuple(size)
    if len(size) != 2 or size[0] not in (height - 1, height) or size[1] not in (width - 1, width):
        raise ValueError(f"size: expected ({height} or {height - 1}, {width} or {width - 1}), received {size}")
    total, rows, columns, diagonal = bands
    field = total.new_empty((*total.shape[:2], height, width))
    field[..., 0::2, 0::2] = (total + rows + columns + diagonal) / 2
    field[..., 0::2, 1::2] = (total + rows - columns - diagonal) / 2
    field[..., 1::2, 0::2] = (total - rows + columns - diagonal) / 2
    field[..., 1::2, 1::2] = (total - rows - columns + diagonal) / 2
    return field[..., : size[0], : size[1]]
