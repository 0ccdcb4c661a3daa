"""The part of a volume that holds something, and the way back to the whole."""

from __future__ import annotations

import numpy as np

#: (start, stop) of each spatial axis
Box = tuple[tuple[int, int], ...]


def nonzero_box(image: np.ndarray) -> Box:
    """The smallest box that holds every voxel where any channel of `image` (C, *spatial) is not 0.

    An image of zeros alone keeps its whole extent.
    """
    occupied = np.any(image != 0, axis=0)
    box = []
    for axis in range(occupied.ndim):
        others = tuple(other for other in range(occupied.ndim) if other != axis)
        indices = np.flatnonzero(occupied.any(axis=others))
        if not indices.size:
            return full_box(occupied.shape)
        box.append((int(indices[0]), int(indices[-1]) + 1))
    return tuple(box)


def full_box(shape: tuple[int, ...]) -> Box:
    """The box that crops nothing."""
    return tuple((0, int(size)) for size in shape)


def crop(array: np.ndarray, box: Box) -> np.ndarray:
    """A view of the last axes of `array` (..., *spatial) within the box."""
    return array[(..., *(slice(start, stop) for start, stop in box))]


def uncrop(array: np.ndarray, box: Box, shape: tuple[int, ...], fill: float = 0) -> np.ndarray:
    """`array` (..., *box sizes) in its place within (..., *shape), `fill` around it.

    Raises:
        ValueError: the array's shape is not the box's.
    """
    sizes = tuple(stop - start for start, stop in box)
    if array.shape[-len(sizes) :] != sizes:
        raise ValueError(f"expected an array of the box's shape {sizes} on its last axes, got {array.shape}")
    whole = np.full((*array.shape[: -len(sizes)], *shape), fill, array.dtype)
    crop(whole, box)[...] = array
    return whole
