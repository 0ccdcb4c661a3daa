"""Kolmogorov-Smirnov calibration error against a sort of the voxels, its bound, ties and limits."""

import numpy as np
import pytest

from spectralcal.metrics import CalibrationHistogram, ks_error, ks_error_bound
from spectralcal.metrics.curve import CurveHistogram, curve_arrays


def counted(p, y):
    return CalibrationHistogram(2).update(np.stack([1 - p, p])[:, None].astype(np.float32), np.asarray(y)[None])


def by_sort(p, y):
    """Thresholds at every distinct probability: voxels of equal probability pass together."""
    values, place = np.unique(p, return_inverse=True)
    return np.abs(np.cumsum(np.bincount(place, y - p, values.size))).max() / len(p)


@pytest.mark.parametrize("shape", [(2, 2), (0.2, 0.2), (8, 0.4)])
@pytest.mark.parametrize("power", [0.7, 1.0, 1.6])
def test_a_sort_is_within_the_bound_of_a_histogram_and_of_a_curve(shape, power):
    random = np.random.default_rng(0)
    p = random.beta(*shape, 50_000).astype(np.float32).astype(float)
    y = (random.random(p.size) < p**power).astype(int)
    histogram = counted(p, y)
    truth = by_sort(p, y)
    for found in (histogram, CurveHistogram.from_arrays(curve_arrays(histogram))):
        assert abs(ks_error(found, 1) - truth) <= ks_error_bound(found, 1)
    assert ks_error_bound(histogram, 1) < 0.01


def test_voxels_of_one_value_a_cell_have_it_exactly():
    p = np.repeat([0.5, 0.625, 0.75, 0.875, 1.0], 100)
    y = (np.random.default_rng(1).random(500) < p - 0.2).astype(int)
    assert ks_error(counted(p, y), 1) == pytest.approx(by_sort(p, y), abs=1e-12)
    certain = counted(np.ones(100), np.arange(100) < 80)
    assert (ks_error(certain, 1), ks_error_bound(certain, 1)) == (pytest.approx(0.2), 0)


def test_limits():
    p = np.repeat([0.6, 0.9], 100)
    y = np.concatenate([np.arange(100) < 70, np.arange(100) < 80]).astype(int)
    histogram = counted(p, y)  # under-confident by 0.1 below, over-confident by 0.1 above: the sum returns to 0
    assert ks_error(histogram, 1) == pytest.approx(0.05, abs=1e-6)
    assert histogram.over_under(1).signed == pytest.approx(0, abs=1e-6)
    one_sided = counted(
        np.repeat([0.6, 0.9], 100), np.concatenate([np.arange(100) < 50, np.arange(100) < 80]).astype(int)
    )
    assert ks_error(one_sided, 1) == pytest.approx(one_sided.over_under(1).signed, abs=1e-9)
    assert np.isnan([ks_error(CalibrationHistogram(3)), ks_error_bound(CalibrationHistogram(3))]).all()
    with pytest.raises(ValueError, match="label must be None"):
        ks_error(histogram, 2)
