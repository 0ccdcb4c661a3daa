"""Resampling between grids that share their physical extent: outer edges stay where they are, voxel sizes change.

With n voxels on either grid, the centre of output voxel i lies at input index ``(i + 0.5) * n_in / n_out - 0.5``
(the half-pixel convention, `align_corners=False`). Beyond the outermost centres the edge value continues.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

#: voxels of an axis before and after resampling may differ by this factor at most: no two scanners do
MOST_CHANGE = 100
#: voxels of a prepared channel: 8 GiB
MOST_VOXELS = 1 << 31
_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


class NoGridError(ValueError):
    """A grid that cannot be meant.

    Attributes:
        remedy: what to do.
    """

    remedy = "correct the header or preparation.spacing, or leave out the case"


def resampled_shape(
    shape: tuple[int, ...], spacing_mm: tuple[float, ...], new_spacing_mm: tuple[float | None, ...]
) -> tuple[int, ...]:
    """Number of voxels that covers the same extent at a new spacing: ``max(1, round(n * spacing / new))`` per axis, and
    as many as before along an axis whose new spacing is None, or that has one voxel: one plane has nothing between it
    and the next, and more of them would be copies.

    Raises:
        NoGridError: a size that no image has, so that one of the spacings must be wrong.
    """
    resampled = tuple(
        size if new is None or size == 1 else max(1, int(np.floor(size * old / new + 0.5)))
        for size, old, new in zip(shape, spacing_mm, new_spacing_mm, strict=True)
    )
    changes = [max(new / old, old / new) for old, new in zip(shape, resampled, strict=True)]
    if max(changes) > MOST_CHANGE or (math.prod(resampled) > MOST_VOXELS and math.prod(resampled) > math.prod(shape)):
        raise NoGridError(
            f"{_sizes(shape)} voxels of ({_listed(spacing_mm)}) would become {_sizes(resampled)} of "
            f"({_listed(new_spacing_mm)}): one of the spacings cannot be right"
        )
    return resampled


def resampled_spacing(
    shape: tuple[int, ...], spacing_mm: tuple[float, ...], new_shape: tuple[int, ...]
) -> tuple[float, ...]:
    """The exact spacing, mm, of `new_shape` voxels over the same extent: rounding to whole voxels moves it a little."""
    return tuple(size * old / new for size, old, new in zip(shape, spacing_mm, new_shape, strict=True))


def resample_image(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Linear interpolation of `image` (C, *spatial) to (C, *shape), float32; spatial is 2-D or 3-D.

    The grids are parallel, so that axes are interpolated one after the other: plane by plane, which stay in the
    processor's cache, this takes less than half the time of a trilinear kernel and no memory besides the result.
    """
    if image.shape[1:] == tuple(shape):
        return np.asarray(image, np.float32)
    import torch

    source = torch.from_numpy(np.ascontiguousarray(image, np.float32))
    target = torch.empty((len(source), *shape))
    axes = [_linear(old, new) for old, new in zip(image.shape[1:], shape, strict=True)]
    for channel, resampled in zip(source, target, strict=True):
        if len(shape) == 2:
            resampled.copy_(_resample_plane(channel, *axes))
            continue
        low, high, weight = (values.tolist() for values in axes[0])
        for index, plane in enumerate(resampled):
            mixed = torch.lerp(channel[low[index]], channel[high[index]], weight[index])
            plane.copy_(_resample_plane(mixed, *axes[1:]))
    return target.numpy()


def resample_label(label: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Nearest neighbour of `label` (*spatial), in its own type; half way, the higher index wins."""
    resampled = label
    for axis, size in enumerate(shape):
        old = label.shape[axis]
        if old != size:
            # Integers: a centre that falls on a boundary is decided the same way on every machine.
            index = (2 * np.arange(size) + 1) * old // (2 * size)
            resampled = np.take(resampled, index, axis=axis)
    return np.ascontiguousarray(resampled)


def resample_probabilities(probabilities: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Probabilities (C, *spatial) from the prepared grid back onto the grid of `shape`, on their device.

    Linear weights are positive and sum to 1, so the classes of every voxel still sum to 1. It undoes
    :func:`resample_image`'s change of grid exactly as to position; detail that the coarser of the two grids cannot
    carry is not restored.
    """
    if tuple(probabilities.shape[1:]) == tuple(shape):
        return probabilities
    return _interpolate(probabilities, shape)


def to_original_grid(
    probabilities: torch.Tensor, box: tuple[tuple[int, int], ...], original_shape: tuple[int, ...]
) -> torch.Tensor:
    """Probabilities (C, *spatial) on the prepared grid -> (C, *original_shape); outside the crop box all background.

    Args:
        probabilities: class 0 is background.
        box: (start, stop) of each axis on the original grid, as the manifest's `crop`.
        original_shape: shape of the reference label.
    """
    inside = resample_probabilities(probabilities, tuple(stop - start for start, stop in box))
    if inside.shape[1:] == tuple(original_shape):
        return inside
    full = inside.new_zeros((inside.shape[0], *original_shape))
    full[0] = 1
    full[(slice(None), *(slice(start, stop) for start, stop in box))] = inside
    return full


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _listed(spacing: tuple[float | None, ...]) -> str:
    return ", ".join("-" if value is None else f"{value:g}" for value in spacing)


def _linear(old: int, new: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Lower neighbour, upper neighbour and weight of the upper one, for each of `new` voxels among `old`."""
    import torch

    position = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    low = np.floor(position).astype(np.int64)
    weight = (position - low).astype(np.float32)
    return torch.from_numpy(low), torch.from_numpy(np.minimum(low + 1, old - 1)), torch.from_numpy(weight)


def _resample_plane(plane: torch.Tensor, rows: tuple, columns: tuple) -> torch.Tensor:
    """A plane (H, W) at the rows and columns that :func:`_linear` gave."""
    import torch

    low, high, weight = rows
    if len(low) != plane.shape[0]:
        plane = torch.lerp(plane.index_select(0, low), plane.index_select(0, high), weight[:, None])
    low, high, weight = columns
    if len(low) != plane.shape[1]:
        plane = torch.lerp(plane.index_select(1, low), plane.index_select(1, high), weight)
    return plane


def _interpolate(tensor: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    from torch.nn.functional import interpolate

    mode = _LINEAR[len(shape)]
    return interpolate(tensor[None], size=tuple(shape), mode=mode, align_corners=False)[0]
