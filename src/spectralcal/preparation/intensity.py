"""Intensities of one volume brought to a common scale."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Literal

import numpy as np

Normalization = Literal["zscore", "minmax", "none"]

#: voxels of an image at a time: in float64 what the allocator keeps and the processor's nearest cache nearly holds
_ROWS_OF = 1 << 13


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
        for slab, target in zip(_slabs(channel, clip), _parts(scaled[index]), strict=True):
            # Subtracted first, so that large offsets do not cost digits.
            target[...] = (slab - shift) / scale
    return scaled


def _parts(channel: np.ndarray) -> Iterator[np.ndarray]:
    """Views of a channel along its first axis: slabs of a volume, some rows of an image."""
    if channel.ndim > 2:
        yield from channel
        return
    step = max(1, _ROWS_OF // channel.shape[1])
    for start in range(0, len(channel), step):
        yield channel[start : start + step]


def _slabs(channel: np.ndarray, clip: tuple[float, float] | None) -> Iterator[np.ndarray]:
    """The parts of a channel, clipped, float64: all at once, a large CT would take several gigabytes."""
    for slab in _parts(channel):
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
    for voxels, total in _sums(channel, clip, every):
        count += voxels
        mean += total
    if count == 0:
        return 0.0, 0.0
    mean /= count
    variance = sum(total for _, total in _sums(channel, clip, every, mean)) / count
    return mean, float(np.sqrt(variance))


def _sums(
    channel: np.ndarray, clip: tuple[float, float] | None, every: bool, mean: float | None = None
) -> Iterator[tuple[int, float]]:
    """Number and sum of the voxels that count, or of their squared distances from `mean`: of each slab of a volume, of
    each row of an image. Either every voxel counts, or the non-zero ones do."""
    for slab in _slabs(channel, clip):
        kept = slab if every else slab[slab != 0]
        values = kept if mean is None else np.square(kept - mean)
        if channel.ndim > 2:
            yield kept.size, float(values.sum())
            continue
        # Row by row like slab by slab, so that an image has the same bits as the volume of one plane that it could be.
        values = np.ascontiguousarray(values).reshape(-1)
        if values.size == slab.size:
            rows = slab.shape[-1]
            yield from ((rows, total) for total in values.reshape(-1, rows).sum(axis=1).tolist())
            continue
        rows = np.count_nonzero(slab, axis=-1).ravel().tolist()
        for size, end in zip(rows, itertools.accumulate(rows), strict=True):
            yield size, float(values[end - size : end].sum())
