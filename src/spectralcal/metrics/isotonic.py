"""Isotonic recalibration and the decomposition of scores that it gives: CORP, without bins and without options.

Dimitriadis, Gneiting and Jordan 2021: of all increasing functions of the probability, the one that fits the labels best
recalibrates; what that gains is miscalibration, and what is gained over the base rate is discrimination.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from spectralcal.metrics.ordered import Curve, Order, curve_of

if TYPE_CHECKING:
    from spectralcal.metrics.calibration import CalibrationHistogram

#: float32 has no value between 1 - 2^-24 and 1: a probability of 1 stands for at most half of that gap
GAP = 2.0**-25
#: as in the negative log-likelihood of a histogram, a probability of 0 counts as the smallest normal float32
TINY = float(np.finfo(np.float32).tiny)


class Isotonic(NamedTuple):
    """The isotonic fit, in blocks of equal recalibrated probability, in increasing order; (blocks,) arrays."""

    lower: np.ndarray  #: lowest probability in the block
    upper: np.ndarray  #: highest
    count: np.ndarray  #: voxels
    confidence: np.ndarray  #: mean probability
    rate: np.ndarray  #: recalibrated probability, the share of hits


class Corp(NamedTuple):
    """``score = miscalibration - discrimination + uncertainty``, all at least 0."""

    score: float
    miscalibration: float
    discrimination: float
    uncertainty: float


def isotonic_fit(histogram: CalibrationHistogram, label: int | None = None, order: Order = "random") -> Isotonic:
    """Blocks of the isotonic regression of hits on probability, by pooling adjacent violators.

    Equal probabilities have one recalibrated value.

    Args:
        histogram: counted voxels, or a curve.
        label: a class, or None for the top label.
        order: of hits and misses within a cell of several probabilities.

    Raises:
        ValueError: `label` is no class, or there is no such order.
    """
    curve = curve_of(histogram, label, order)
    if not curve.count.size:
        return Isotonic(*[np.zeros(0)] * 5)
    starts = _blocks(curve)
    count, sums, hits = (np.add.reduceat(x, starts) for x in (curve.count, curve.confidence, curve.hits))
    ends = np.append(starts[1:], curve.count.size) - 1
    return Isotonic(curve.lower[starts], curve.upper[ends], count, sums / count, hits / count)


def isotonic_error(histogram: CalibrationHistogram, label: int | None = None) -> float:
    """Mean distance of a probability from its isotonic recalibration: an ECE whose bins the data choose.

    Arguments and errors as :func:`isotonic_fit`. On a million voxels the value of a histogram or of a published curve
    is within 5e-5 of that of the voxels (tests/metrics/test_unbinned.py). Like every error that is fitted to the labels
    it is a little above 0 for a calibrated network.
    """
    curve = curve_of(histogram, label)
    if not curve.count.size:
        return float("nan")
    starts = _blocks(curve)
    rate = np.add.reduceat(curve.hits, starts) / np.add.reduceat(curve.count, starts)
    fitted = np.repeat(rate, np.diff(np.append(starts, curve.count.size)))
    return float(np.abs(curve.confidence - curve.count * fitted).sum() / curve.count.sum())


def corp(
    histogram: CalibrationHistogram,
    label: int | None = None,
    score: Literal["brier", "log"] = "brier",
    order: Order = "random",
) -> Corp:
    """Miscalibration, discrimination and uncertainty of one probability: the top label's to be right, or a class's.

    ``brier`` is ``(p - y)^2``, half of the multi-class Brier score where there are two classes; ``log`` is the negative
    log-likelihood of ``y`` in nats, with 1 - p at least 2^-25, half of float32's spacing below 1.

    From a histogram, the score has all voxels of a cell at their mean probability, within 2e-6 (Brier) of the voxels'
    on a million of them, published curves included. Discrimination by a sort of all voxels is at least that of
    ``order="random"`` and at most that of ``order="best"``, and it rises together with miscalibration.

    Args:
        histogram: counted voxels, or a curve.
        label: a class, or None for the top label. Of a class, all probabilities below 2^-14 share a cell.
        score: which proper score.
        order: of hits and misses within a cell of several probabilities.

    Returns:
        The parts; nan without a voxel.

    Raises:
        ValueError: `label` is no class, or there is no such score or order.
    """
    if score not in ("brier", "log"):
        raise ValueError(f"score must be brier or log, got {score!r}")
    curve = curve_of(histogram, label)
    if not curve.count.size:
        return Corp(*[float("nan")] * 4)
    loss = _brier if score == "brier" else _log
    total = curve.count.sum()
    fit = isotonic_fit(histogram, label, order)
    raw = loss(curve.confidence / curve.count, curve.count, curve.hits) / total
    recalibrated = loss(fit.rate, fit.count, fit.rate * fit.count) / total
    base = loss(np.array([curve.hits.sum() / total]), total, curve.hits.sum()) / total
    return Corp(raw, raw - recalibrated, base - recalibrated, base)


def _blocks(curve: Curve) -> np.ndarray:
    """(blocks,) first cell of each block of the isotonic fit."""
    from scipy.optimize import isotonic_regression

    fit = isotonic_regression(curve.hits / curve.count, weights=curve.count.astype(float))
    return np.asarray(fit.blocks[:-1], np.int64)


def _brier(p: np.ndarray, count: np.ndarray, hits: np.ndarray) -> float:
    return float((count * p**2 - 2 * p * hits + hits).sum())


def _log(p: np.ndarray, count: np.ndarray, hits: np.ndarray) -> float:
    """0 log 0 is 0: a rate of exactly 0 or 1 loses nothing on the voxels that it was fitted to."""
    right = np.where(hits > 0, hits * np.log(np.maximum(p, TINY)), 0.0)
    wrong = np.where(count > hits, (count - hits) * np.log(np.maximum(1 - p, GAP)), 0.0)
    return float(-(right + wrong).sum())
