"""Factors on logits by the likelihood of the labels: a convex problem, solved to the end in float64."""

from __future__ import annotations

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from spectralcal.posthoc._newton import minimize
from spectralcal.posthoc._voxels import check_voxels, chunks

#: A factor of zero or less would reverse the order of classes; perfectly separated labels would send it to infinity.
#: Both say that the validation voxels cannot carry the fit, and the bounds keep the result usable. They are as wide as
#: logits are scaled: those of a network without normalisation may need a temperature of thousands.
SMALLEST, LARGEST = 1e-6, 1e6
#: what L-BFGS, which begins at 1, finds by itself; beyond, its steps are of the wrong size
_NEAR = (1e-2, 1e2)
#: nats that a Newton step from where L-BFGS ended would gain, if it has arrived
_ARRIVED = 1e-5
#: share of the slope at the smallest factor at which a larger one is no better: it ends the search where labels are
#: separated, whose likelihood has no maximum
_FLAT = 1e-9
#: halvings of the logarithm of a factor: the 28 e-folds between the bounds end as 1e-12 of one
_HALVINGS = 45


def fit_factor(logits: Tensor, labels: Tensor) -> float:
    """The factor, from 1e-6 to 1e6, that maximises the likelihood of `labels` under softmax(factor * logits).

    Arguments and errors as for :func:`fit_factors`.
    """
    return float(fit_factors(logits, labels, 1))


def fit_factors(logits: Tensor, labels: Tensor, count: int) -> Tensor:
    """(count,) float64 factors, from 1e-6 to 1e6, that maximise the likelihood under softmax(factors * logits).

    Args:
        logits: (N, C), one row per voxel.
        labels: (N,) integer in 0..C-1.
        count: 1 for one factor on all classes, C for one per class.

    Raises:
        ValueError: shapes that do not fit, no voxel, labels out of range, or logits that are not finite.
    """
    check_voxels(logits, labels)
    factors = torch.ones(count, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([factors], max_iter=200, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        total = torch.zeros((), dtype=torch.float64)
        for part, target in chunks(logits, labels):
            value = F.cross_entropy(part * factors, target, reduction="sum") / len(labels)
            value.backward()
            total += value.detach()
        return total

    with torch.enable_grad():
        optimizer.step(closure)
    near = factors.detach()
    if bool(((near >= _NEAR[0]) & (near <= _NEAR[1])).all()) and _gain(logits, labels, near) < _ARRIVED:
        return near
    single = torch.full((count,), _far_factor(logits, labels), dtype=torch.float64)
    return single if count == 1 else _far_factors(logits, labels, single)


def _far_factor(logits: Tensor, labels: Tensor) -> float:
    """The factor on all classes where the likelihood, concave in it, has no slope: by halving its logarithm."""
    first = _slope(logits, labels, SMALLEST)
    if first >= 0:
        return SMALLEST
    if _slope(logits, labels, LARGEST) < _FLAT * first:
        return LARGEST
    low, high = math.log(SMALLEST), math.log(LARGEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _slope(logits, labels, math.exp(middle)) < _FLAT * first else (low, middle)
    return math.exp((low + high) / 2)


def _slope(logits: Tensor, labels: Tensor, factor: float) -> float:
    """Derivative by `factor` of the mean negative log-likelihood of softmax(factor * logits)."""
    total = 0.0
    for part, target in chunks(logits, labels):
        expected = (torch.softmax(part * factor, 1) * part).sum(1)
        total += float((expected - part.gather(1, target[:, None])[:, 0]).sum())
    return total / len(labels)


def _far_factors(logits: Tensor, labels: Tensor, start: Tensor) -> Tensor:
    """Factors of classes by Newton steps within the bounds, in units of the best single factor, where they begin."""
    unit = float(start[0])
    bounds = (torch.full_like(start, bound / unit) for bound in (SMALLEST, LARGEST))
    found = minimize(partial(_derivatives, logits, labels, unit), torch.ones_like(start), *bounds)
    return (unit * found).clamp(SMALLEST, LARGEST)


def _gain(logits: Tensor, labels: Tensor, factors: Tensor) -> float:
    """Nats per voxel by which a Newton step from `factors` would, to second order, raise the likelihood."""
    _, slope, hessian = _derivatives(logits, labels, 1.0, factors.expand(logits.shape[1]))
    if len(factors) == 1:
        slope, hessian = slope.sum()[None], hessian.sum()[None, None]
    return float(slope @ torch.linalg.pinv(hessian, hermitian=True) @ slope) / 2


def _derivatives(logits: Tensor, labels: Tensor, unit: float, factors: Tensor) -> tuple[float, Tensor, Tensor]:
    """Mean negative log-likelihood of softmax(unit * factors * logits), its gradient (C,) and Hessian (C, C) by
    `factors` (C,)."""
    count = len(factors)
    value, slope, hessian = 0.0, torch.zeros(count).double(), torch.zeros(count, count).double()
    for part, target in chunks(logits, labels):
        scaled = part * unit
        weighted = torch.softmax(scaled * factors, 1) * scaled
        value += float(F.cross_entropy(scaled * factors, target, reduction="sum")) / len(labels)
        chosen = scaled.gather(1, target[:, None])[:, 0]
        slope += (weighted.sum(0) - torch.zeros(count).double().index_add_(0, target, chosen)) / len(labels)
        hessian += ((weighted * scaled).sum(0).diag() - weighted.T @ weighted) / len(labels)
    return value, slope, hessian
