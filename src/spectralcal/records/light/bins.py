"""The equal-width bins of every case as few integers, and back, exactly.

Regions are nested, and where two have the same voxels in a bin, one determines the other. Above one half the
top label's voxels are those of the classes. Neither has to hold: integers are stored as differences from it, and what
would not come back to the bit is listed.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spectralcal.metrics.cells import MAX_BINS, cell_grid
from spectralcal.metrics.groups import exact_unit
from spectralcal.records.light.exact import in_units, odd_ones, pack_sums, put_back, unpack_sums
from spectralcal.records.light.kept import mean_at, place_of, places, regions
from spectralcal.records.light.nested import around, in_order, inside, outside
from spectralcal.records.light.parcel import pack_bits, unpack_bits

_NAMES = ("count", "confidence", "accuracy")
_MEANS = ("confidence", "accuracy")


def encode_bins(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], set[str]]:
    """Code the arrays ``<region>/cases/{count,confidence,accuracy}`` (N, 1 + C, bins) of all regions.

    Returns:
        The coded arrays, and the names of those that they stand for.
    """
    names = in_order([region for region in regions(arrays, "cases") if _complete(arrays, region)])
    shapes = {arrays[f"{region}/cases/count"].shape for region in names}
    if len(shapes) != 1:
        return {}, set()
    stacked = {name: np.stack([arrays[f"{region}/cases/{name}"] for region in names]) for name in _NAMES}
    count, means, accuracy = stacked.values()
    hits = np.rint(np.nan_to_num(accuracy) * count).astype(np.int64)
    top, classes = count[:, :, 0], count[:, :, 1:]
    coded = {
        "regions": np.array(names),
        "count": _differences(count, names),
        "rare": _differences(_rare(count, hits), names),
        "top": _pack_top(top, in_units(np.nan_to_num(means[:, :, 0]) * top), names),
        "classes": _pack_places(classes, place_of(means[:, :, 1:]), names),
    }
    decoded = _decoded(coded)
    for name in _MEANS:
        coded |= odd_ones(name, stacked[name], decoded[name])
    return coded, {f"{region}/cases/{name}" for region in names for name in _NAMES}


def decode_bins(coded: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays that :func:`encode_bins` coded.

    Raises:
        ValueError, KeyError, IndexError: the code is damaged.
    """
    if not coded:
        return {}
    decoded = _decoded(coded)
    decoded |= {name: put_back(name, coded, decoded[name]) for name in _MEANS}
    return {f"{region}/cases/{n}": decoded[n][i] for i, region in enumerate(coded["regions"].tolist()) for n in _NAMES}


def _complete(arrays: Mapping[str, np.ndarray], region: str) -> bool:
    stored = [arrays.get(f"{region}/cases/{name}") for name in _NAMES]
    if any(array is None or array.ndim != 3 or array.shape != stored[0].shape for array in stored):
        return False
    types = tuple(array.dtype for array in stored)
    return types == (np.int64, np.float64, np.float64) and 1 <= stored[0].shape[2] <= MAX_BINS


def _decoded(coded: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    names = coded["regions"].tolist()
    count, rare = (_summed(coded[name], names) for name in ("count", "rare"))
    top, classes = count[:, :, 0], count[:, :, 1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        means = _unpack_top(coded["top"], top, names) * exact_unit(count.shape[-1]) / top
        accuracy = _rare(count, rare) / count
    classes = np.where(classes > 0, mean_at(_unpack_places(coded["classes"], classes, names)), np.nan)
    return {"count": count, "confidence": np.concatenate([means[:, :, None], classes], axis=2), "accuracy": accuracy}


def _upper(bins: int) -> int:
    """The first bin that is wholly above one half."""
    return int(np.searchsorted(cell_grid(bins).edges[:-1], 0.5))


def _rare(count: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """Hits in the lower bins, misses in the upper ones: the smaller numbers. Its own inverse."""
    upper = np.arange(count.shape[-1]) >= _upper(count.shape[-1])
    return np.where(upper, count - hits, hits)


def _differences(values: np.ndarray, names: list[str]) -> np.ndarray:
    """(R, N, rows, bins) as (R, rows, bins, N) differences from the sum of the classes and from the region around."""
    values, upper = values.copy(), _upper(values.shape[-1])
    values[:, :, 0, upper:] -= values[:, :, 1:, upper:].sum(axis=2)
    return outside(values, names).transpose(0, 2, 3, 1)


def _summed(differences: np.ndarray, names: list[str]) -> np.ndarray:
    """Inverse of :func:`_differences`."""
    if differences.ndim != 4 or not 1 <= differences.shape[2] <= MAX_BINS:
        raise ValueError(f"there are no bins of shape {differences.shape}")
    values = inside(differences.transpose(0, 3, 1, 2), names)
    upper = _upper(values.shape[-1])
    values[:, :, 0, upper:] += values[:, :, 1:, upper:].sum(axis=2)
    return values


def _pack_top(count: np.ndarray, units: np.ndarray, names: list[str]) -> np.ndarray:
    fewer, units = _fewer(count, names), units.copy()
    for i, outer in reversed(list(around(names))):
        units[i] = np.where(fewer[i] < count[i], units[outer] - units[i], units[i])
    return pack_sums(fewer, units)


def _unpack_top(content: np.ndarray, count: np.ndarray, names: list[str]) -> np.ndarray:
    """Inverse of :func:`_pack_top`: (R, N, bins) sums in units."""
    fewer = _fewer(count, names)
    units = unpack_sums(content, fewer)
    for i, outer in around(names):
        units[i] = np.where(fewer[i] < count[i], units[outer] - units[i], units[i])
    return units


def _fewer(count: np.ndarray, names: list[str]) -> np.ndarray:
    """Voxels (R, N, bins) of a region, or of the one around it outside of it where these are fewer: 0 if it has all."""
    least = count.copy()
    for i, outer in around(names):
        rest = count[outer] - count[i]
        least[i] = np.where((rest >= 0) & (rest < count[i]), rest, count[i])
    return least


def _pack_places(count: np.ndarray, steps: np.ndarray, names: list[str]) -> np.ndarray:
    widths = _widths(count, names)
    return pack_bits(np.where(widths > 0, steps, 0).ravel(), widths.ravel())


def _unpack_places(content: np.ndarray, count: np.ndarray, names: list[str]) -> np.ndarray:
    """Inverse of :func:`_pack_places`: (R, N, C, bins) steps."""
    widths = _widths(count, names)
    steps = unpack_bits(content, widths.ravel()).reshape(count.shape)
    for i, outer in around(names):
        steps[i] = np.where(widths[i] > 0, steps[i], steps[outer])
    return steps


def _widths(count: np.ndarray, names: list[str]) -> np.ndarray:
    """Bits of the classes' means: none where a bin is empty or has all voxels of the region around."""
    stored = count > 0
    for i, outer in around(names):
        stored[i] &= count[i] != count[outer]
    return np.where(stored, np.frexp(places(count.shape[-1]).astype(np.float64))[1], 0)
