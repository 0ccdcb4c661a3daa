"""The part of a cell's arrays that is published, and that every table, figure and verdict reads.

Results read full and published cells through this, so that both give the same numbers to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from spectralcal.metrics import CalibrationHistogram
from spectralcal.metrics.cells import cell_grid
from spectralcal.metrics.curve import LAYOUT, curve_arrays
from spectralcal.metrics.groups import divided_starts

#: bits of a class's mean probability within its bin, and within the first and last bin, where nearly all voxels are
BITS = 12
END_BITS = 20
#: bits of a power behind the point: off by 2^-8 of it at most, far below its spread over cases
POWER_BITS = 7
_POOLED = ("layout", "cell", "count", "confidence", "hits", "sums")


def kept(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of calibration.npz that are published. What is reduced already stays as it is, and so do other arrays.

    Of pooled histograms the curve is kept (:func:`spectralcal.metrics.curve.curve_arrays`). Of the bins of a case,
    counts, accuracies and the top label's confidences are exact; a class's mean probability is one of 2^12 places in
    its bin, 2^20 in the first and last, so with 15 bins it is off by at most 8.2e-6 and 3.2e-8.
    """
    remaining = dict(arrays)
    histograms = {region: histogram for region in regions(arrays, "pooled") if (histogram := _whole(arrays, region))}
    for region, histogram in histograms.items():
        # All regions in the same groups, so that they can be compared.
        starts = divided_starts([other for other in histograms.values() if other.bins == histogram.bins])
        remaining = {name: array for name, array in remaining.items() if not name.startswith(f"{region}/pooled/")}
        remaining |= {f"{region}/pooled/{name}": array for name, array in curve_arrays(histogram, starts).items()}
    for region in regions(arrays, "cases"):
        name = f"{region}/cases/confidence"
        if name in remaining and remaining[name].ndim == 3:
            remaining[name] = _placed(remaining[name])
    return remaining


def kept_spectra(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of spectra.npz with powers to :data:`POWER_BITS`; shares of bands and entropies stay as they are.

    Cells that were published before hold their powers to float32 and are read as they are.
    """
    return {name: _to_power_bits(array) if name.startswith("psd_") else array for name, array in arrays.items()}


def regions(names: Iterable[str], kind: str) -> list[str]:
    """Voxel regions that have arrays of a kind, "pooled" or "cases", in their order."""
    return list(dict.fromkeys(name.partition(f"/{kind}/")[0] for name in names if f"/{kind}/" in name))


def places(bins: int) -> np.ndarray:
    """(bins,) steps into which a bin is divided for a class's mean probability."""
    bits = np.full(bins, BITS)
    bits[[0, -1]] = END_BITS
    return 2**bits - 1


def place_of(means: np.ndarray) -> np.ndarray:
    """Steps (..., bins) of mean probabilities from the lower end of their bins; 0 for NaN, as of empty bins."""
    lower, width = _ends(means.shape[-1])
    return np.rint(np.clip(np.nan_to_num((means - lower) / width), 0, 1) * places(means.shape[-1])).astype(np.int64)


def mean_at(steps: np.ndarray) -> np.ndarray:
    """Mean probabilities (..., bins) at steps from the lower end of their bins."""
    lower, width = _ends(steps.shape[-1])
    return lower + width * (steps / places(steps.shape[-1]))


def _to_power_bits(values: np.ndarray) -> np.ndarray:
    fraction, exponent = np.frexp(values)  # 0.5 <= |fraction| < 1, so one bit of it is not behind the point
    return np.ldexp(np.rint(np.ldexp(fraction, POWER_BITS + 1)), exponent - POWER_BITS - 1).astype(values.dtype)


def _whole(arrays: Mapping[str, np.ndarray], region: str) -> CalibrationHistogram | None:
    """The histogram of all voxels of a region, if it is not a curve already."""
    pooled = {name: arrays.get(f"{region}/pooled/{name}") for name in _POOLED}
    if any(array is None for array in pooled.values()) or pooled["layout"].flat[0] == LAYOUT:
        return None
    return CalibrationHistogram.from_arrays(pooled)


def _placed(means: np.ndarray) -> np.ndarray:
    """Means (N, 1 + C, bins) with the classes' in their places; the top label's and empty bins stay as they are."""
    classes = means[:, 1:]
    return np.concatenate([means[:, :1], np.where(np.isnan(classes), classes, mean_at(place_of(classes)))], axis=1)


def _ends(bins: int) -> tuple[np.ndarray, np.ndarray]:
    edges = cell_grid(bins).edges.astype(np.float64)
    return edges[:-1], np.diff(edges)
