import math

import numpy as np
import pytest

from spectralcal.metrics import CalibrationHistogram, excess_brier, true_calibration_error


def posterior(seed, shape=(4, 30, 31), scale=1.0):
    e = np.exp(scale * np.random.default_rng(seed).normal(size=shape))
    return e / e.sum(0)


def test_the_posterior_itself_is_perfect():
    q = posterior(0)
    assert excess_brier(q, q) == true_calibration_error(q, q) == 0


def test_by_hand():
    p, q = np.array([[0.9, 0.5], [0.1, 0.5]]), np.array([[0.6, 0.5], [0.4, 0.5]])
    assert excess_brier(p, q) == pytest.approx((2 * 0.09 + 0) / 2)
    assert true_calibration_error(p, q) == pytest.approx((0.3 + 0) / 2)
    mask = np.array([True, False])
    assert excess_brier(p, q, mask) == pytest.approx(0.18)
    assert true_calibration_error(p, q, mask) == pytest.approx(0.3)
    assert math.isnan(excess_brier(p, q, ~mask & mask))


def test_excess_is_what_sampled_labels_add_to_brier():
    shape = (3, 150000)
    q, p = posterior(1, shape), posterior(2, shape)
    labels = (np.random.default_rng(3).random(shape[1]) > np.cumsum(q, axis=0)[:-1]).sum(axis=0)
    own, other = (CalibrationHistogram(3).update(x, labels).brier() for x in (q, p))
    assert other - own == pytest.approx(excess_brier(p, q), abs=0.01)


def test_binned_error_is_at_most_the_true_one():
    shape = (3, 150000)
    q = posterior(4, shape)
    p = q**2 / (q**2).sum(0)  # over-confident
    labels = (np.random.default_rng(5).random(shape[1]) > np.cumsum(q, axis=0)[:-1]).sum(axis=0)
    measured = CalibrationHistogram(3).update(p, labels).sce()
    assert 0.5 * true_calibration_error(p, q) < measured < true_calibration_error(p, q) + 0.003


def test_bad_input_is_refused():
    q = posterior(6)
    for function in (excess_brier, true_calibration_error):
        with pytest.raises(ValueError, match="one shape"):
            function(q, q[:, 1:])
        with pytest.raises(ValueError, match="at least one voxel"):
            function(q[:, :0], q[:, :0])
        with pytest.raises(ValueError, match="probabilities must"):
            function(np.log(q), q)
        with pytest.raises(ValueError, match="posterior must"):
            function(q, q * 2)
        with pytest.raises(ValueError, match="probabilities must"):
            function(np.full_like(q, np.nan), q)
        with pytest.raises(ValueError, match="posterior must"):
            function(q, np.where(q == q.max(), np.inf, q))
        with pytest.raises(ValueError, match="mask must"):
            function(q, q, np.ones(q.shape[1:]))
