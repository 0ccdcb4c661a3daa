"""Debiased calibration errors: the formula by plain loops, no error on average where there is none, and their cover."""

import numpy as np
import pytest

from spectralcal.metrics import CalibrationHistogram, debiased_ece, debiased_ece_over_cases


def counted(p, y, bins=15):
    return CalibrationHistogram(2, bins).update(np.stack([1 - p, p])[:, None].astype(np.float32), np.asarray(y)[None])


def test_the_square_is_that_of_plain_loops():
    random = np.random.default_rng(0)
    p = random.beta(2, 1, 400)
    y = (random.random(400) < p**1.5).astype(int)
    square = 0.0
    for k in range(15):
        inside = (p > k / 15) & (p <= (k + 1) / 15)
        n = inside.sum()
        if n > 1:
            rate = y[inside].mean()
            square += n / 400 * ((p[inside].mean() - rate) ** 2 - rate * (1 - rate) / (n - 1))
    found = debiased_ece(counted(p, y), 1)
    assert found.square == pytest.approx(square, abs=1e-6)
    assert found.value == pytest.approx(np.sqrt(max(square, 0)), abs=1e-5)
    assert found.low <= found.value <= found.high


def test_a_calibrated_network_has_none_on_average_and_the_plug_in_error_has():
    random = np.random.default_rng(1)
    squares, plain = [], []
    for _ in range(400):
        p = np.repeat((np.arange(15) + 0.5) / 15, 20)
        histogram = counted(p, (random.random(p.size) < p).astype(int))
        squares.append(debiased_ece(histogram, 1).square)
        plain.append(histogram.over_under(1).over + histogram.over_under(1).under)
    assert abs(np.mean(squares)) < 3 * np.std(squares) / np.sqrt(400)
    assert np.mean(plain) > 0.05


def test_the_interval_covers_the_truth_of_independent_voxels():
    random = np.random.default_rng(2)
    p = np.repeat((np.arange(15) + 0.5) / 15, 200)
    truth = np.clip(p + 0.05, 0, 1)
    error = np.sqrt(np.mean((truth - p) ** 2))
    covered = []
    for _ in range(300):
        found = debiased_ece(counted(p, (random.random(p.size) < truth).astype(int)), 1)
        covered.append(found.low <= error <= found.high)
    assert np.mean(covered) > 0.9


def test_voxels_that_repeat_each_other_are_no_news():
    """Every voxel ten times: the interval of one draw in ten is the one without the copies, but for n - 1 against n."""
    random = np.random.default_rng(3)
    p = np.repeat((np.arange(15) + 0.5) / 15, 50)
    y = (random.random(p.size) < p).astype(int)
    once, copied = counted(p, y), counted(np.repeat(p, 10), np.repeat(y, 10))
    assert debiased_ece(copied, 1, 10.0) == pytest.approx(debiased_ece(once, 1), abs=1e-6)
    assert debiased_ece(copied, 1).square > debiased_ece(once, 1).square


def test_cases_that_share_an_error_widen_the_interval_and_lower_the_estimate():
    """A shift drawn anew for each case averages out over cases: over voxels it looks like miscalibration."""
    random = np.random.default_rng(4)
    squares, naive = [], []
    for _ in range(200):
        count = np.full((20, 10), 500.0)
        confidence = count * (np.arange(10) + 0.5) / 10
        rate = np.clip(confidence / count + random.normal(0, 0.1, (20, 1)), 0, 1)
        hits = random.binomial(500, rate)
        inner = slice(3, 7)  # no shift is cut off there
        squares.append(debiased_ece_over_cases(count[:, inner], confidence[:, inner], hits[:, inner]).square)
        share, gap = 0.25, (confidence - hits)[:, inner].sum(0) / 10_000
        naive.append(np.sum(share * gap**2) - 0.25 / 10_000)
    assert abs(np.mean(squares)) < 3 * np.std(squares) / np.sqrt(200)
    assert np.mean(naive) > 10 * abs(np.mean(squares))


def test_what_cannot_be_estimated_is_nan_and_what_is_no_number_of_voxels_refused():
    assert np.isnan(debiased_ece(CalibrationHistogram(2))).all()
    assert np.isnan(debiased_ece(counted(np.array([0.9]), [1]))).all()
    assert np.isnan(debiased_ece_over_cases(*np.ones((3, 1, 4)))).all()
    with pytest.raises(ValueError, match=r"voxels_per_draw must be at least 1, got 0.5"):
        debiased_ece(CalibrationHistogram(2), voxels_per_draw=0.5)
    with pytest.raises(ValueError, match=r"expected three arrays \(cases, bins\), got \(2,\)"):
        debiased_ece_over_cases(np.ones(2), np.ones(2), np.ones(2))
