"""Intensities of one volume brought to a common scale."""

from __future__ import annotations

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
    stays increasing, so that a dark voxel inside the body that happens to be 0 is not painted with the mean.

    Args:
        image: (C, *spatial).
        modality: ``"ct"`` clips first and uses every voxel; others use the non-zero voxels.
        method: ``"zscore"``, ``"minmax"`` (to [0, 1]) or ``"none"``, which only clips CT.
        ct_clip: lowest and highest CT number kept, HU.

    Returns:
        (C, *spatial) float32.

    Raises:
        ValueError: an unknown method, an empty clip range, or a channel of one single value.
    """
    if method not in ("zscore", "minmax", "none"):
        raise ValueError(f"expected normalisation 'zscore', 'minmax' or 'none', got '{method}'")
    if modality == "ct":
        low, high = ct_clip
        if not low < high:
            raise ValueError(f"expected ct_clip with low < high, got ({low:g}, {high:g})")
        image = np.clip(image, low, high)
    if method == "none":
        return np.asarray(image, np.float32)
    scaled = np.empty(image.shape, np.float32)
    for index, channel in enumerate(image):
        shift, scale = _statistics(channel, modality, method)
        if not scale > 0:
            raise ValueError(f"channel {index} is constant ({shift:g} everywhere): nothing to normalise")
        # In float64 and in that order, so that large offsets do not cost digits.
        scaled[index] = (channel.astype(np.float64) - shift) / scale
    return scaled


def _statistics(channel: np.ndarray, modality: str, method: str) -> tuple[float, float]:
    """What is subtracted from a channel and what it is then divided by."""
    if method == "minmax":
        return float(channel.min()), float(channel.max()) - float(channel.min())
    voxels = channel.ravel() if modality == "ct" else channel[channel != 0]
    if voxels.size == 0:
        return 0.0, 0.0
    return float(voxels.mean(dtype=np.float64)), float(voxels.std(dtype=np.float64))
