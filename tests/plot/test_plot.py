"""One call from one's own arrays: what is drawn are the numbers of the metrics."""

from __future__ import annotations

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
import torch

from spectralcal import metrics, plot
from spectralcal.metrics import CalibrationHistogram
from spectralcal.metrics.distance_bands import band_sums, boundary_distance, signed_bands
from spectralcal.spectral import radial_psd

mpl.use("Agg")
from matplotlib import pyplot as plt


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def scene():
    rng = np.random.default_rng(0)
    reference = np.zeros((24, 20), int)
    reference[6:18, 5:14] = 1
    logits = rng.normal(size=(3, 24, 20)) + 2 * (reference[None] == np.arange(3)[:, None, None])
    probabilities = np.exp(logits) / np.exp(logits).sum(0)
    return probabilities, reference


def test_reliability_draws_the_bins():
    p, y = scene()
    histogram = CalibrationHistogram(3).update(p, y)
    for label in (None, 1):
        ax = plot.reliability(histogram, label)
        diagram = histogram.reliability(label)
        filled = diagram.count > 0
        line = ax.lines[-1]
        np.testing.assert_allclose(line.get_xdata(), diagram.confidence[filled])
        np.testing.assert_allclose(line.get_ydata(), diagram.accuracy[filled])
        (bars,) = ax.patches
        np.testing.assert_allclose(bars.get_data().values.sum(), 1)
    with pytest.raises(ValueError, match="at least one voxel"):
        plot.reliability(CalibrationHistogram(3))


def test_axes_in_axes_out_and_several_models_on_one():
    p, y = scene()
    histogram = CalibrationHistogram(3).update(p, y)
    _, ax = plt.subplots()
    ax.set_xlabel("mine")
    for color in ("black", "red"):
        assert plot.reliability(histogram, ax=ax, shares=False, color=color, linestyle=":") is ax
        assert ax.lines[-1].get_color() == color
    assert ax.get_xlabel() == "mine"
    assert len(ax.lines) == 3  # one diagonal, two models


def test_risk_coverage_draws_the_curve_from_a_histogram_or_a_curve():
    p, y = scene()
    histogram = CalibrationHistogram(3).update(p, y)
    curve = metrics.risk_coverage(histogram)
    for given in (histogram, curve):
        line = plot.risk_coverage(given).lines[0]
        np.testing.assert_allclose(line.get_xdata()[1:], curve.coverage)
        np.testing.assert_allclose(line.get_ydata()[1:], curve.risk)
        assert line.get_ydata()[-1] == pytest.approx((p.argmax(0) != y).mean())
    with pytest.raises(ValueError, match="at least one voxel"):
        plot.risk_coverage(CalibrationHistogram(3))


def test_a_higher_curve_on_the_same_axes_is_seen_whole():
    random = np.random.default_rng(0)
    p = random.dirichlet(np.ones(2), 4000).T[None]
    right, wrong = p.argmax(1), 1 - p.argmax(1)
    rare, usual = random.random(4000) < 0.02, random.random(4000) < 0.5
    ax = plot.risk_coverage(CalibrationHistogram(2).update(p, np.where(rare, wrong, right)))
    plot.risk_coverage(CalibrationHistogram(2).update(p, np.where(usual, wrong, right)), ax=ax)
    assert ax.get_ylim()[0] == 0
    assert ax.get_ylim()[1] >= max(np.max(line.get_ydata()) for line in ax.lines)


@pytest.mark.parametrize("by", ["prediction", "reference"])
def test_boundary_bands_draw_gaps(by):
    p, y = scene()
    q = p.argmax(0)
    labels = q if by == "prediction" else y
    sums = band_sums(p, q, y, signed_bands(labels, boundary_distance(labels, (1, 1))))
    count, confidence, hits = (sums[name].sum(1) for name in ("count", "confidence", "hits"))
    for line in (
        plot.boundary_bands(p, y, (1, 1), by).lines[-1],
        plot.boundary_bands(torch.from_numpy(p), torch.from_numpy(y), (1, 1), by).lines[-1],
        plot.boundary_bands(sums).lines[-1],
    ):
        places = line.get_xdata().astype(int)
        np.testing.assert_array_equal(places, np.flatnonzero(count))
        np.testing.assert_allclose(line.get_ydata(), ((confidence - hits) / np.maximum(count, 1))[places], atol=1e-9)
    marked = np.where(np.arange(20) > 15, 255, y)
    ax = plot.boundary_bands(p, marked, (1, 1), by, ignore_index=255)
    assert len(ax.get_xticklabels()) == 10
    with pytest.raises(ValueError, match="by: expected"):
        plot.boundary_bands(p, y, (1, 1), "truth")
    with pytest.raises(ValueError, match=r"probabilities \(C, \*spatial\)"):
        plot.boundary_bands(p, y[1:], (1, 1))
    with pytest.raises(ValueError, match="single label"):
        plot.boundary_bands(np.stack([np.ones((4, 4)), np.zeros((4, 4))]), np.zeros((4, 4), int), (1, 1))


def test_psd_draws_the_densities_of_maps():
    field = torch.randn(3, 32, 30, generator=torch.Generator().manual_seed(0))
    frequency, density = radial_psd(field, 10)
    for given in (field, field.numpy(), (frequency, density)):
        ax = plot.psd(given, bins=10)
        np.testing.assert_allclose(ax.lines[-1].get_ydata(), density.mean(0).numpy(), rtol=1e-5)
        assert ax.get_yscale() == "log"
        assert len(ax.collections) == 1
    assert not plot.psd(field[:1], ax=plt.subplots()[1]).collections
    with pytest.raises(ValueError, match="frequencies"):
        plot.psd((frequency[1:], density))


def test_importing_draws_nothing_in():
    code = "import sys, spectralcal.plot; sys.exit('matplotlib' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
