"""Smooth calibration error against relplot, whose code is not ours, and against integrals over the voxels."""

import numpy as np
import pytest
from scipy.stats import norm

from spectralcal.metrics import CalibrationHistogram, smooth_ece, smooth_ece_at
from spectralcal.metrics.curve import CurveHistogram, curve_arrays


def counted(p, y):
    return CalibrationHistogram(2).update(np.stack([1 - p, p])[:, None].astype(np.float32), np.asarray(y)[None])


def voxels(kind, n=20_000, seed=0):
    """Probabilities of class 1 and labels: over-, under-confident, calibrated, shifted, and of both errors at once."""
    random = np.random.default_rng(seed)
    p = random.beta(2, 2, n)
    logit = np.log(p / (1 - p))
    rate = {
        "over": 1 / (1 + np.exp(-logit / 1.8)),
        "under": 1 / (1 + np.exp(-logit * 1.8)),
        "calibrated": p,
        "shifted": np.clip(p + 0.1, 0, 1),
        "both": np.clip(p + 0.06 * np.sin(40 * p), 0, 1),
    }[kind]
    return p, (random.random(n) < rate).astype(int)


KINDS = ("over", "under", "calibrated", "shifted", "both")


@pytest.mark.parametrize("kind", KINDS)
def test_relplot_agrees(kind):
    relplot = pytest.importorskip("relplot", reason="an extra of the tests: pip install relplot")
    p, y = voxels(kind)
    assert smooth_ece(counted(p, y), label=1) == pytest.approx(relplot.smECE(p, y), abs=1e-4)


@pytest.mark.parametrize("bandwidth", [0.01, 0.05, 0.2])
def test_relplot_agrees_at_a_bandwidth(bandwidth):
    metrics = pytest.importorskip("relplot.metrics", reason="an extra of the tests: pip install relplot")
    p, y = voxels("both")
    expected = metrics.smECE_sigma(p, y, bandwidth)
    # relplot cuts its kernel at one half, which is seen from a bandwidth of 0.2 on.
    assert smooth_ece_at(counted(p, y), bandwidth, 1) == pytest.approx(expected, abs=1e-4 if bandwidth < 0.2 else 1e-3)


def integral(p, y, bandwidth, points=40_001):
    """By the definition: a kernel at every voxel and at its mirror images, the trapezoid rule over t."""
    t = np.linspace(0, 1, points)
    total = np.zeros(points)
    values, place = np.unique(p, return_inverse=True)
    residual = np.bincount(place, y - p) / len(p)
    for value, mass in zip(values, residual, strict=True):
        for period in range(-3, 4):
            total += mass * (norm.pdf(t, 2 * period + value, bandwidth) + norm.pdf(t, 2 * period - value, bandwidth))
    return np.trapezoid(np.abs(total), t)


@pytest.mark.parametrize("bandwidth", [0.005, 0.03, 0.3, 1.0])
@pytest.mark.parametrize("kind", ["spread", "ends"])
def test_it_is_the_integral_of_the_definition(kind, bandwidth):
    """Also where voxels lie on the ends, as those of a segmentation do: an end has all of its weight."""
    random = np.random.default_rng(3)
    p = np.linspace(0.03, 0.97, 30) if kind == "spread" else np.repeat([0.0, 0.25, 0.9999, 1.0], 50)
    p = p.astype(np.float32).astype(float)
    y = (random.random(p.size) < 0.2 + 0.7 * p).astype(int)
    assert smooth_ece_at(counted(p, y), bandwidth, 1) == pytest.approx(integral(p, y, bandwidth), abs=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_bandwidth_is_the_error_itself_and_the_error_falls_with_it(kind):
    histogram = counted(*voxels(kind))
    value = smooth_ece(histogram, halvings=30)
    assert smooth_ece_at(histogram, value) == pytest.approx(value, abs=1e-6)
    assert value - 1e-9 <= smooth_ece_at(histogram, value - 2**-9)
    assert smooth_ece(histogram) <= value + 1e-9  # its bandwidth is a little wider
    errors = [smooth_ece_at(histogram, width) for width in (0, 0.001, 0.01, 0.05, 0.2, 1.0)]
    assert (np.diff(errors) < 1e-12).all()


def test_limits():
    assert smooth_ece(counted(np.array([1.0, 0.0]), [1, 0]), 1) == pytest.approx(0, abs=1e-8)
    assert smooth_ece(counted(np.array([1.0, 1.0]), [0, 0]), 1) == pytest.approx(1)
    shifted = counted(np.full(1000, 0.8), np.arange(1000) < 500)
    assert smooth_ece(shifted, 1) == pytest.approx(0.3, abs=1e-6)  # one confidence: all of the gap, however smoothed
    assert np.isnan(smooth_ece(CalibrationHistogram(2)))
    assert np.isnan(smooth_ece_at(CalibrationHistogram(2), 0.1))
    with pytest.raises(ValueError, match=r"bandwidth must be at least 0, got -0.1"):
        smooth_ece_at(shifted, -0.1)


def test_errors_of_both_signs_that_one_bin_hides_are_seen():
    """Over- and under-confident voxels within one bin of fifteen: the binned error is 0, the smooth one is not."""
    p = np.repeat([0.94, 0.99], 1000)
    y = np.concatenate([np.arange(1000) < 980, np.arange(1000) < 950])
    histogram = counted(p, y)
    assert histogram.ece() == pytest.approx(0, abs=1e-6)
    assert smooth_ece(histogram) > 0.02


def test_a_published_curve_has_it_too():
    random = np.random.default_rng(1)
    p = random.beta(0.2, 0.2, 300_000)
    histogram = counted(p, (random.random(p.size) < p**1.2).astype(int))
    curve = CurveHistogram.from_arrays(curve_arrays(histogram))
    for label in (None, 0, 1):
        assert smooth_ece(curve, label) == pytest.approx(smooth_ece(histogram, label), abs=1e-5)
