"""Sums of probabilities as the integers that they are, in as many bits as their counts leave open; and the exceptions.

The probabilities of a bin are float32 values between its ends, so `n` of them add up to one of few multiples of a unit
(:func:`spectralcal.metrics.groups.exact_unit`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spectralcal.metrics.cells import cell_grid
from spectralcal.metrics.groups import exact_unit
from spectralcal.records.light.parcel import pack_bits, unpack_bits

_LIMIT = 2**62


def in_units(sums: np.ndarray) -> np.ndarray:
    """Sums (..., bins) as multiples of their bin's unit, int64; 0 for NaN and for what is too large."""
    units = np.rint(np.nan_to_num(sums) / exact_unit(sums.shape[-1]))
    return np.where(np.abs(units) < _LIMIT, units, 0).astype(np.int64)


def pack_sums(count: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Bits of sums (..., bins) of `count` probabilities each, as offsets from the least that so many can add up to.

    A sum that is out of the range is moved to its end.
    """
    least, widths = _range(count)
    most = (np.uint64(1) << widths.astype(np.uint64)) - np.uint64(1)
    offsets = np.minimum(np.maximum(units - least, 0).astype(np.uint64), most)
    return pack_bits(offsets.ravel(), widths.ravel())


def unpack_sums(content: np.ndarray, count: np.ndarray) -> np.ndarray:
    """The sums of :func:`pack_sums` in units.

    Raises:
        ValueError: these are not the bits of so many voxels.
    """
    least, widths = _range(count)
    return least + unpack_bits(content, widths.ravel()).reshape(count.shape)


def odd_ones(name: str, values: np.ndarray, decoded: np.ndarray) -> dict[str, np.ndarray]:
    """The values that did not come back to the bit, and their places in the flattened array."""
    same = (values == decoded) | (np.isnan(values) & np.isnan(decoded))
    places = np.flatnonzero(~same)
    return {f"{name}/odd": places, f"{name}/odd_values": values.ravel()[places]}


def put_back(name: str, coded: Mapping[str, np.ndarray], decoded: np.ndarray) -> np.ndarray:
    """An array with the values of :func:`odd_ones` in their places."""
    restored = decoded.copy()
    restored.reshape(-1)[coded[f"{name}/odd"]] = coded[f"{name}/odd_values"]
    return restored


def _range(count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least sum and number of bits of the range of sums, of each count (..., bins)."""
    edges, unit = cell_grid(count.shape[-1]).edges.astype(np.float64), exact_unit(count.shape[-1])
    lower, span = np.rint(edges[:-1] / unit), np.maximum(count, 0) * np.rint(np.diff(edges) / unit)
    fits = (span > 0) & (np.maximum(count, 0) * lower + span < _LIMIT)
    return np.where(fits, count * lower, 0).astype(np.int64), np.where(fits, np.frexp(span)[1], 0).astype(np.int64)
