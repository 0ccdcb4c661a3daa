"""The bands of distance of every case as few integers, and back, exactly.

The bands of a case add up to all of its voxels, so one of them follows from the others and the bins of all voxels; if
it does not, its differences are stored.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spectralcal.metrics.cells import MAX_BINS
from spectralcal.metrics.groups import exact_unit
from spectralcal.records.light.exact import in_units, odd_ones, pack_sums, put_back, unpack_sums

_NAMES = ("count", "confidence", "hits")
#: prefixes of the arrays of bands, by distance to the reference's boundary and to the prediction's
PREFIXES = ("distance", "predicted_distance")


def encode_bands(arrays: Mapping[str, np.ndarray], prefix: str = PREFIXES[0]) -> tuple[dict[str, np.ndarray], set[str]]:
    """Code the arrays ``<prefix>/{count,confidence,hits}`` (N, bands, bins).

    Returns:
        The coded arrays, and the names of those that they stand for.
    """
    stored = [arrays.get(f"{prefix}/{name}") for name in _NAMES]
    if any(array is None or array.ndim != 3 or array.shape != stored[0].shape for array in stored):
        return {}, set()
    count, sums, hits = stored
    types = tuple(array.dtype for array in stored)
    if types != (np.int64, np.float64, np.int64) or not (count.shape[1] and 1 <= count.shape[2] <= MAX_BINS):
        return {}, set()
    whole = _whole(arrays, count.shape)
    left = int(np.log2(1.0 + count).sum(axis=(0, 2)).argmax())  # the band whose sums take most bits
    coded = {
        "left": np.array(left),
        "count": _lacking(count, left, whole[0]).transpose(1, 2, 0),
        "wrong": _lacking(count - hits, left, whole[0] - whole[1]).transpose(1, 2, 0),
        "sums": pack_sums(*(np.delete(array, left, axis=1) for array in (count, in_units(sums)))),
    }
    coded |= odd_ones("confidence", sums, _decoded(coded, arrays)["confidence"])
    return coded, {f"{prefix}/{name}" for name in _NAMES}


def decode_bands(
    coded: Mapping[str, np.ndarray], arrays: Mapping[str, np.ndarray], prefix: str = PREFIXES[0]
) -> dict[str, np.ndarray]:
    """The arrays that :func:`encode_bands` coded.

    Args:
        coded: the code.
        arrays: the decoded bins (:func:`spectralcal.records.light.bins.decode_bins`).
        prefix: of the arrays.

    Raises:
        ValueError, KeyError, IndexError: the code is damaged.
    """
    if not coded:
        return {}
    decoded = _decoded(coded, arrays)
    decoded["confidence"] = put_back("confidence", coded, decoded["confidence"])
    return {f"{prefix}/{name}": array for name, array in decoded.items()}


def _decoded(coded: Mapping[str, np.ndarray], arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    left = int(coded["left"])
    count, wrong = (coded[name].transpose(2, 0, 1) for name in ("count", "wrong"))
    whole = _whole(arrays, count.shape)
    count, wrong = _lacking(count, left, whole[0]), _lacking(wrong, left, whole[0] - whole[1])
    units = unpack_sums(coded["sums"], np.delete(count, left, axis=1))
    units = np.insert(units, left, whole[2] - units.sum(axis=1), axis=1)
    return {"count": count, "confidence": units * exact_unit(count.shape[-1]), "hits": count - wrong}


def _lacking(values: np.ndarray, left: int, whole: np.ndarray) -> np.ndarray:
    """(N, bands, bins) with one band replaced by what all bands lack of the whole (N, bins). Its own inverse."""
    completed = values.copy()
    completed[:, left] = whole - values.sum(axis=1)
    return completed


def _whole(arrays: Mapping[str, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """(3, N, bins) voxels, hits and sums in units of the top label in all voxels; 0 where that is not known."""
    pooled = [arrays.get(f"all/cases/{name}") for name in ("count", "accuracy", "confidence")]
    if any(array is None or array.ndim != 3 or array.shape[::2] != shape[::2] for array in pooled):
        return np.zeros((3, shape[0], shape[2]), np.int64)
    count, right, means = (array[:, 0] for array in pooled)
    hits, sums = (np.nan_to_num(mean) * count for mean in (right, means))
    return np.stack([count, np.rint(hits).astype(np.int64), in_units(sums)])
