"""Intensities of one volume brought to a common scale."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

Normalization = Literal["zscore", "minmax", "none"]

#: voxels of an image at a time: in float64 what the allocator keeps and the processor's nearest cache nearly holds
_ROWS_OF = 1 << 13


class FlatImage(ValueError):
    """An image in which nothing differs from anything.

    Attributes:
        channel: index of the channel that the message is about; None: it is about all.
        remedy: what to do.
    """

    def __init__(self, message: str, channel: int | None = None, remedy: str = "leave out the case"):
        super().__init__(message)
        self.channel, self.remedy = channel, remedy


def normalize(
    image: np.ndarray,
    modality: str | Sequence[str],
    method: Normalization = "zscore",
    ct_clip: tuple[float, float] = (-1000.0, 400.0),
) -> np.ndarray:
    """Normalise each channel of one volume by its own voxels.

    The paper states both a Z-score (its appendix: CT clipped to [-1000, 400] first, MR over non-zero voxels) and a
    range of [0, 1] (its main text). The Z-score is the default, because the appendix is the more detailed of the two.
    A Z-score followed by scaling to [0, 1] is the same as ``"minmax"`` alone.

    For MR, mean and standard deviation are those of the non-zero voxels but *every* voxel is transformed: the map
    stays increasing, so that a dark voxel inside the body that happens to be 0 is not painted with the mean. In a photo
    black is a colour, and every pixel counts. So does every voxel of a channel whose non-zero voxels are all equal,
    such as a mask.

    A channel of one single value among others (a sequence that was not acquired, stored as zeros) becomes 0.

    Args:
        image: (C, *spatial).
        modality: of all channels, or of each. ``"ct"`` clips first and uses every voxel, ``"photo"`` uses every pixel,
            ``"stored"`` leaves a channel as it is; others use the non-zero voxels.
        method: ``"zscore"``, ``"minmax"`` (to [0, 1]) or ``"none"``, which only clips CT.
        ct_clip: lowest and highest CT number kept, HU.

    Returns:
        (C, *spatial) float32.

    Raises:
        FlatImage: every channel has one single value, or one of CT has within `ct_clip`.
        ValueError: an unknown method, an empty clip range, or another number of modalities than of channels.
    """
    if method not in ("zscore", "minmax", "none"):
        raise ValueError(f"expected normalisation 'zscore', 'minmax' or 'none', got '{method}'")
    kinds = (modality,) * len(image) if isinstance(modality, str) else tuple(modality)
    if len(kinds) != len(image):
        raise ValueError(f"expected the modality of each of {len(image)} channels, got {', '.join(kinds)}")
    if "ct" in kinds and not ct_clip[0] < ct_clip[1]:
        raise ValueError(f"expected ct_clip with low < high, got ({ct_clip[0]:g}, {ct_clip[1]:g})")
    scaled = np.empty(image.shape, np.float32)
    flat = 0
    for index, (channel, kind) in enumerate(zip(image, kinds, strict=True)):
        clip = tuple(ct_clip) if kind == "ct" else None
        how = "none" if kind == "stored" else method
        shift, scale = _statistics(channel, clip, how, every=kind in ("ct", "photo"))
        flat += how == "none" and channel.min() == channel.max()
        if not scale > 0:
            refuse_flat_ct(channel, index, clip)
            scaled[index] = 0
            flat += 1
            continue
        for slab, target in zip(_slabs(channel, clip), _parts(scaled[index]), strict=True):
            # Subtracted first, so that large offsets do not cost digits.
            target[...] = (slab - shift) / scale
    if flat == len(image):
        raise FlatImage(_flat(image))
    return scaled


def flat_channels(image: np.ndarray, modality: Sequence[str], ct_clip: tuple[float, float]) -> tuple[int, ...]:
    """Channels of one single value, which :func:`normalize` sets to 0.

    Args:
        image: (C, *spatial), as it would be normalised.
        modality: of each channel.
        ct_clip: lowest and highest CT number kept, HU.

    Raises:
        FlatImage: as :func:`normalize`.
    """
    for index, (channel, kind) in enumerate(zip(image, modality, strict=True)):
        if kind == "ct":
            refuse_flat_ct(channel, index, ct_clip)
    flat = tuple(index for index, channel in enumerate(image) if channel.min() == channel.max())
    if len(flat) == len(image):
        raise FlatImage(_flat(image))
    return flat


def refuse_flat_ct(channel: np.ndarray, index: int, clip: tuple[float, float] | None) -> None:
    """Refuse CT whose voxels differ, but not within the range that is kept: they are not in HU, or the range is not."""
    if clip is None:
        return
    low, high = float(channel.min()), float(channel.max())
    if low < high and (high <= clip[0] or low >= clip[1]):
        raise FlatImage(
            f"channel {index} is constant within ct_clip ({clip[0]:g} to {clip[1]:g}): its values are {low:g} to "
            f"{high:g}, which may not be HU",
            index,
            "correct its values, its modality or preparation.ct_clip, or leave out the case",
        )


def _flat(image: np.ndarray) -> str:
    values = ", ".join(f"{float(channel.flat[0]):g}" for channel in image)
    channels = "channel 0 is" if len(image) == 1 else f"all {len(image)} channels are"
    return f"{channels} constant ({values} everywhere): nothing to normalise"


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
    mean, deviation = _moments(channel, clip, every)
    if not deviation > 0 and not every:
        mean, deviation = _moments(channel, clip, every=True)
    return mean, deviation


def _moments(channel: np.ndarray, clip: tuple[float, float] | None, every: bool) -> tuple[float, float]:
    """Mean and standard deviation of the voxels that count; zeros where none does."""
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
