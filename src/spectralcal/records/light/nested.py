"""Nested voxel regions: what is counted in one says something about the other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

#: region -> the region that all of its voxels belong to
AROUND = {
    "boundary": "all",
    "union": "all",
    "reference": "union",
    "predicted_foreground": "union",
    "predicted_boundary": "all",
}


def in_order(names: list[str]) -> list[str]:
    """Regions, each behind the one around it."""

    def depth(region: str) -> int:
        return 1 + depth(AROUND[region]) if AROUND.get(region) in names else 0

    return sorted(names, key=depth)


def around(names: list[str]) -> Iterator[tuple[int, int]]:
    """Place of each region with one around it, and the place of the latter, which comes first."""
    return ((i, names.index(AROUND[name])) for i, name in enumerate(names) if AROUND.get(name) in names[:i])


def outside(values: np.ndarray, names: list[str]) -> np.ndarray:
    """(R, ...) numbers of regions, replaced by what the region around it has besides, where there is one."""
    differences = values.copy()
    for i, outer in around(names):
        differences[i] = values[outer] - values[i]
    return differences


def inside(differences: np.ndarray, names: list[str]) -> np.ndarray:
    """Inverse of :func:`outside`.

    Raises:
        ValueError: there are not as many regions.
    """
    if differences.ndim < 2 or len(names) != len(differences):
        raise ValueError(f"numbers of shape {differences.shape} are not of {len(names)} regions")
    values = differences.copy()
    for i, outer in around(names):
        values[i] = values[outer] - values[i]
    return values
