"""Intensities of one volume brought to a common scale."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

Normalization = Literal["zscore", "minmax", "none"]


def normalize(
    image: np.ndarray,
    modality: str,
    method: Normalization = "zscore",
    ct_clip: tuple[float, float] = (-1000.0, 400.0),
) -> np.ndarray:
    """Normalise each channel of one volume by its own voxels.

    The paper states both a Z-score (its appendix: CT clipped to [-1000, 400] first, MR over non-zero voxels) and a
    range of [0, 1] (its main text). The Z-score is the default, because the appendix is the more detailed of the two.
    A Z-score followed by scaling to [0, 1] is the same as ``"minmax"`` alone.

    For MR, mean and standard deviation are those of the non-zero voxels but *every* voxel is transformed: the map
    stays increasing, so that a dark voxel inside the body that happens to be 0 is not painted with the mean. In a photo
    black is a colour, and every pixel counts.

    Args:
        image: (C, *spatial).
        modality: ``"ct"`` clips first and uses every voxel, ``"photo"`` uses every pixel; others use the non-zero
            voxels.
        method: ``"zscore"``, ``"minmax"`` (to [0, 1]) or ``"none"``, which only clips CT.
        ct_clip: lowest and highest CT number kept, HU.

    Returns:
        (C, *spatial) float32.

    Raises:
        ValueError: an unknown method, an empty clip range, or a channel of one single value.
    """
    if method not in ("zscore", "minmax", "none"):
        raise ValueError(f"expected normalisation 'zscore', 'minmax' or 'none', got '{method}'")
    clip = tuple(ct_clip) if modality == "ct" else None
    if clip is not None and not clip[0] < clip[1]:
        raise ValueError(f"expected ct_clip with low < high, got ({clip[0]:g}, {clip[1]:g})")
    scaled = np.empty(image.shape, np.float32)
    for index, channel in enumerate(image):
        shift, scale = _statistics(channel, clip, method, every=modality in ("ct", "photo"))
        if not scale > 0:
            raise ValueError(f"channel {index} is constant ({shift:g} everywhere): nothing to normalise")
        for slab, target in zip(_slabs(channel, clip), scaled[index], strict=True):
            # Subtracted first, so that large offsets do not cost digits.
            target[...] = (slab - shift) / scale
    return scaled


def _slabs(channel: np.ndarray, clip: tuple[float, float] | None) -> Iterator[np.ndarray]:
    """The channel along its first axis, clipped, float64: in whole, a large CT would take several gigabytes."""
    for slab in channel:
        slab = slab.astype(np.float64)
        yield slab if clip is None else np.clip(slab, *clip)


def _statistics(channel: np.ndarray, clip: tuple[float, float] | None, method: str, every: bool) -> tuple[float, float]:
    """What is subtracted from a channel and what it is then divided by."""
    if method == "none":
        return 0.0, 1.0
    if method == "minmax":
        low = min(float(slab.min()) for slab in _slabs(channel, clip))
        return low, max(float(slab.max()) for slab in _slabs(channel, clip)) - low
    count, mean = 0, 0.0
    for voxels in _counted(channel, clip, every):
        count += voxels.size
        mean += float(voxels.sum())
    if count == 0:
        return 0.0, 0.0
    mean /= count
    variance = sum(float(np.square(voxels - mean).sum()) for voxels in _counted(channel, clip, every)) / count
    return mean, float(np.sqrt(variance))


def _counted(channel: np.ndarray, clip: tuple[float, float] | None, every: bool) -> Iterator[np.ndarray]:
    """The voxels that mean and standard deviation are of: every one, or the non-zero ones."""
    for slab in _slabs(channel, clip):
        yield slab if every else slab[slab != 0]
