"""Predicted foreground and floors of cells that were scored before either was counted, from the bins of each case.

A top label with a confidence above one half that lies in a bin of class 0 is background: two rows split such bins
exactly. Below one half the regions do: what the union has beyond the reference is predicted foreground, hits in the
reference are, and what is outside of the union is not. Only wrong voxels of the reference with such a confidence stay
open: misses, or structures that were confused. Sums of p (1 - p) follow from a bin's mean but for the variance within
the bin. So each number here is an interval that surely has the true value in it, and an estimate within.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from spectralcal.metrics.between import Between, exactly
from spectralcal.metrics.cells import cell_grid
from spectralcal.metrics.curve import CurveHistogram

#: suffix of a metric whose value says by how much the metric itself may be off at most
BOUND = "_bound"
#: regions whose bins are read
NEEDS = ("all", "union", "reference")
#: a published mean of a class is off by at most this part of its bin's width; in the first and last bin by less
_ROUNDING = 2.0**-12


@dataclass(frozen=True)
class Derived:
    """What follows for each case: intervals of (N,) arrays, nan where there is no voxel.

    Attributes:
        foreground_gap, foreground_ece: signed gap and calibration error of the top label over predicted foreground.
        union_floor: the union's signed gap under calibration. It is its calibration error too, because every bin's gap
            is an excess (:mod:`spectralcal.metrics.floor`).
        reference_floor_gap, reference_floor_ece: the same of the reference's foreground, where they differ.
    """

    foreground_gap: Between
    foreground_ece: Between
    union_floor: Between
    reference_floor_gap: Between
    reference_floor_ece: Between


class _Sums(NamedTuple):
    """(N, bins) voxels, sums of probabilities and hits."""

    count: np.ndarray
    confidence: np.ndarray
    hits: np.ndarray


class _Part(NamedTuple):
    """(N, bins) voxels and sums of confidence of a part of the top label's voxels."""

    count: Between
    confidence: Between

    @property
    def doubt(self) -> Between:
        return self.count - self.confidence


def derive(
    cases: Mapping[str, Mapping[str, np.ndarray]], curves: Mapping[str, CurveHistogram] | None = None
) -> Derived:
    """Scores of predicted foreground, and floors, of cases that were scored in the regions of :data:`NEEDS`.

    Args:
        cases: region -> ``count``, ``confidence`` and ``accuracy`` (N, 1 + C, bins), means of bins; top label first.
        curves: region -> curve of all cases together, which says where in the intervals the cases are on average;
            without it they are put in the middle.

    Raises:
        ValueError: a region is missing.
    """
    if missing := set(NEEDS) - set(cases):
        raise ValueError(f"expected the bins of {', '.join(NEEDS)}, found none of '{min(missing)}'")
    curves = curves or {}
    every, union, reference = (_sums(cases[region], 0) for region in NEEDS)
    zero = _sums(cases["all"], 1)
    grid = cell_grid(zero.count.shape[-1])
    lower, upper = grid.edges[:-1].astype(np.float64), grid.edges[1:].astype(np.float64)
    above = lower >= 0.5
    rounding = (upper - lower) * _ROUNDING * zero.count

    confused = _confused(cases["reference"], lower)
    foreground = _foreground(every, union, reference, zero, confused, lower, upper, rounding)
    hits = np.where(above, every.hits - zero.hits, reference.hits)
    excess = foreground.confidence - exactly(hits)
    voxels = foreground.count.sum()

    background = _Part(exactly(every.count) - foreground.count, exactly(every.confidence) - foreground.confidence)
    missed = _products(background, lower, upper, _pooled_products(curves.get("all"), lower, upper, 0.5), rounding)
    union_floor = missed.sum() / (voxels + background.doubt.sum())
    shown = _products(foreground, lower, upper, None, rounding)
    labelled = Between.around(zero.count - zero.confidence, rounding).sum()

    # What structures that are neither background nor the top label have of the probability.
    rest = (labelled - background.doubt.sum() - foreground.confidence.sum()).at_least(0)
    lost = Between(np.zeros_like(rest.low), rest.value / 4, rest.high / 2)  # sum of p_0 times that rest; p_0 <= 1/2
    low = _Part(*(exactly(np.where(above, 0, values)) for values in zero[:2]))
    doubted = _products(low, lower, upper, _pooled_products(curves.get("all"), lower, upper, 0.0), rounding)
    below, beyond = missed.where(~above).sum(), missed.where(above).sum()
    gap = beyond + below + below - doubted.sum() + lost
    return Derived(
        excess.sum() / voxels,
        abs(excess).sum() / voxels,
        union_floor,
        gap / labelled,
        _reference_ece(missed, shown, gap, rest) / labelled,
    )


def _sums(arrays: Mapping[str, np.ndarray], row: int) -> _Sums:
    count = arrays["count"][:, row].astype(np.float64)
    means = (np.nan_to_num(arrays[name][:, row]) for name in ("confidence", "accuracy"))
    confidence, hits = (mean * count for mean in means)
    return _Sums(count, confidence, np.rint(hits))


def _confused(reference: Mapping[str, np.ndarray], lower: np.ndarray) -> Between:
    """(N, bins) wrong voxels of the reference that are predicted foreground, in bins below or across one half.

    One that is confused has the wrong structure's probability in this bin; one that is missed has the background's.
    """
    top, zero, *structures = (_sums(reference, row) for row in range(reference["count"].shape[1]))
    wrong = np.where(lower < 0.5, top.count - top.hits, 0)
    most = np.minimum(wrong, sum(one.count - one.hits for one in structures)) if len(structures) > 1 else 0 * wrong
    least = np.minimum(np.maximum(wrong - zero.count, 0), most)
    return Between(least, (least + most) / 2, most)


def _foreground(
    every: _Sums, union: _Sums, reference: _Sums, zero: _Sums, confused: Between, lower: np.ndarray,
    upper: np.ndarray, rounding: np.ndarray,
) -> _Part:  # fmt: skip
    above = lower >= 0.5
    false, false_sum = (union[i] - reference[i] for i in (0, 1))
    right, wrong = reference.hits, reference.count - reference.hits
    seen = exactly(right) + confused
    # The others of the reference's voxels are misses, each with a confidence of this bin.
    low = np.maximum(reference.confidence - (wrong - confused.low) * upper, seen.low * lower)
    high = np.minimum(reference.confidence - (wrong - confused.high) * lower, seen.high * upper)
    mean = np.divide(reference.confidence, reference.count, out=np.zeros_like(low), where=reference.count > 0)
    sums = Between(low, np.clip(mean * seen.value, low, high), high) + exactly(false_sum)
    split = Between.around(every.confidence - zero.confidence, rounding)
    count = exactly(every.count - zero.count).where(above) + (exactly(false) + seen).where(~above)
    return _Part(count, split.where(above) + sums.where(~above))


def _products(
    part: _Part, lower: np.ndarray, upper: np.ndarray, pooled: np.ndarray | None, rounding: np.ndarray
) -> Between:
    """(N, bins) sums of p (1 - p) over voxels of confidence, or probability, p.

    Args:
        part: the voxels.
        lower, upper: ends of the bins.
        pooled: (bins,) the sums over all cases, where they are known.
        rounding: (N, bins) by how much sums of probabilities are off.
    """
    count, sums = part.count.value, part.confidence.value
    mean = np.clip(np.divide(sums, count, out=np.broadcast_to(lower, sums.shape).copy(), where=count > 0), lower, upper)
    most = count * mean * (1 - mean)
    least = most - count * (mean - lower) * (upper - mean)  # variance is largest if all lie at the ends
    place = np.full(lower.size, 0.5)
    if pooled is not None:
        room = (most - least).sum(axis=0)
        inside = np.clip((pooled - least.sum(axis=0)) / np.where(room > 0, room, 1), 0, 1)
        place = np.where(room > 0, inside, place)
    value = least + place * (most - least)
    # Where it is open which voxels these are: as many as possible of the most uncertain, and the other way round.
    ends = np.stack([lower * (1 - lower), upper * (1 - upper)])
    peak = np.where((lower < 0.5) & (upper > 0.5), 0.25, ends.max(axis=0))
    is_open = part.count.high > part.count.low
    low = np.where(is_open, part.count.low * ends.min(axis=0), least - rounding)
    high = np.where(is_open, part.count.high * peak, most + rounding)
    return Between(low, np.clip(value, low, high), high)


def _pooled_products(
    curve: CurveHistogram | None, lower: np.ndarray, upper: np.ndarray, above: float
) -> np.ndarray | None:
    """(bins,) sums of p (1 - p) of class 0 over all cases, where p is at least `above`."""
    if curve is None:
        return None
    confidences = curve.curve(0)
    kept = confidences.lower >= above
    count, sums = confidences.count[kept], confidences.confidence[kept]
    place = np.searchsorted(upper[:-1], confidences.upper[kept] * (1 - 1e-12), side="left")
    return np.bincount(place, sums * (1 - sums / count), lower.size)


def _reference_ece(missed: Between, shown: Between, gap: Between, rest: Between) -> Between:
    """(N,) sums over bins of the absolute gap of the reference's foreground under calibration.

    Of a bin's predicted foreground the sum of p_0 p_k is that of (1 - p_k) p_k but for what the other structures have
    of it; all bins together lack at most `rest`.
    """
    total, most = (missed.sum() - gap).value, shown.value.sum(axis=-1)
    share = np.clip(np.divide(total, most, out=np.zeros_like(most), where=most > 0), 0, 1)[:, None]
    value = np.abs(missed.value - shown.value * share).sum(axis=-1)
    without = abs(missed - shown).sum()
    low = np.maximum(without.low - rest.high, abs(gap).low)
    high = without.high + rest.high
    return Between(low, np.clip(value, low, high), high)
