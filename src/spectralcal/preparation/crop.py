"""The part of a volume that is not empty."""

from __future__ import annotations

import numpy as np

#: (start, stop) of each spatial axis
Box = tuple[tuple[int, int], ...]


def nonzero_box(image: np.ndarray) -> Box:
    """The smallest box around all voxels where any channel of `image` (C, *spatial) is not 0.

    An image of zeros keeps its full extent.
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
