"""The curves of all voxels as few integers, and back, exactly: as :mod:`~.light.bins` does for cases."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spectralcal.metrics.cells import MAX_BINS
from spectralcal.metrics.curve import ARRAYS
from spectralcal.metrics.groups import coarse_starts, group_grid
from spectralcal.records.light.kept import regions
from spectralcal.records.light.nested import in_order, inside, outside

_SHARED = ("layout", "starts")  # by all regions


def encode_curves(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], set[str]]:
    """Code the arrays ``<region>/pooled/...`` of :func:`spectralcal.metrics.curve.curve_arrays` of all regions.

    Returns:
        The coded arrays, and the names of those that they stand for.
    """
    names = in_order([region for region in regions(arrays, "pooled") if _complete(arrays, region)])
    if not names or any(len({arrays[f"{region}/pooled/{n}"].tobytes() for region in names}) != 1 for n in _SHARED):
        return {}, set()
    stacked = {name: np.stack([arrays[f"{region}/pooled/{name}"] for region in names]) for name in ARRAYS}
    layout, starts = (stacked.pop(name)[0] for name in _SHARED)
    upper = _upper(layout, starts)
    rare = np.where(upper, stacked["count"] - stacked["hits"], stacked["hits"])
    coded = {
        "regions": np.array(names),
        "layout": layout,
        "divided": np.diff(np.setdiff1d(starts, coarse_starts(int(layout[2]))), prepend=0),
        "count": _differences(stacked["count"], names, upper),
        "rare": _differences(rare, names, upper),
        "place": stacked["place"][stacked["count"] > 0],
        "confidence": stacked["confidence"],
        "sums": stacked["sums"],
    }
    return coded, {f"{region}/pooled/{name}" for region in names for name in ARRAYS}


def decode_curves(coded: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays that :func:`encode_curves` coded.

    Raises:
        ValueError, KeyError, IndexError: the code is damaged.
    """
    if not coded:
        return {}
    names, layout = coded["regions"].tolist(), coded["layout"]
    starts = np.union1d(coarse_starts(_bins(layout)), np.cumsum(coded["divided"]))
    upper = _upper(layout, starts)
    count, rare = (_summed(coded[name], names, upper) for name in ("count", "rare"))
    place = np.zeros(count.shape, np.uint8)
    place[count > 0] = coded["place"]
    decoded = {"count": count, "hits": np.where(upper, count - rare, rare), "place": place}
    decoded |= {name: coded[name] for name in ("confidence", "sums")}
    curves = {f"{region}/pooled/{name}": array[i] for name, array in decoded.items() for i, region in enumerate(names)}
    return curves | {
        f"{region}/pooled/{n}": a for region in names for n, a in zip(_SHARED, (layout, starts), strict=True)
    }


def _complete(arrays: Mapping[str, np.ndarray], region: str) -> bool:
    stored = {name: arrays.get(f"{region}/pooled/{name}") for name in ARRAYS}
    if any(array is None for array in stored.values()) or stored["layout"].shape != (4,):
        return False
    try:
        grid = group_grid(_bins(stored["layout"]), stored["starts"])
    except ValueError:
        return False
    shape = (int(stored["layout"][1]) + 1, len(grid))
    # A place in an empty group would be lost.
    same = all(stored[name].shape == shape for name in ("count", "hits", "place"))
    return same and not stored["place"][stored["count"] <= 0].any()


def _bins(layout: np.ndarray) -> int:
    bins = int(layout[2])
    if not 1 <= bins <= MAX_BINS:
        raise ValueError(f"a curve has no {bins} bins")
    return bins


def _upper(layout: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """(groups,) the groups above one half, where the top label's voxels are those of the classes."""
    grid = group_grid(_bins(layout), starts)
    return grid.top - grid.width > 0.5


def _differences(values: np.ndarray, names: list[str], upper: np.ndarray) -> np.ndarray:
    """(R, C + 1, groups) as differences from the sum of the classes, in the last row, and from the region around."""
    values = values.copy()
    values[:, -1, upper] -= values[:, :-1, upper].sum(axis=1)
    return outside(values, names)


def _summed(differences: np.ndarray, names: list[str], upper: np.ndarray) -> np.ndarray:
    """Inverse of :func:`_differences`."""
    if differences.ndim != 3 or differences.shape[2] != upper.size:
        raise ValueError(f"there are no curves of shape {differences.shape}")
    values = inside(differences, names)
    values[:, -1, upper] += values[:, :-1, upper].sum(axis=1)
    return values
