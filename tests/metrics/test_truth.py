"""Against values by hand, sampled labels and the cases in which calibration and refinement are known."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectralcal.metrics import (
    CalibrationHistogram,
    distance_to_posterior,
    excess_brier,
    refinement,
    true_calibration_error,
    true_top_label_error,
)

MEASURES = (excess_brier, distance_to_posterior, true_calibration_error, true_top_label_error, refinement)
ERRORS = (true_calibration_error, true_top_label_error)


def posterior(seed, shape=(4, 30, 31), scale=1.0):
    e = np.exp(scale * np.random.default_rng(seed).normal(size=shape))
    return e / e.sum(0)


def sharpened(q, temperature):
    powered = q ** (1 / temperature)
    return powered / powered.sum(0)


def base_rate(q):
    return np.broadcast_to(q.reshape(len(q), -1).mean(1).reshape(-1, *[1] * (q.ndim - 1)), q.shape)


def test_the_posterior_itself_is_perfect():
    q = posterior(0)
    assert excess_brier(q, q) == distance_to_posterior(q, q) == 0
    for measure in ERRORS:
        assert measure(q, q) == pytest.approx(0, abs=1e-12)


def test_the_base_rate_is_calibrated_and_says_nothing():
    q = posterior(7)
    p = base_rate(q)
    for measure in ERRORS:
        assert measure(p, q) == pytest.approx(0, abs=1e-12)
    # All that the posterior knows is refinement.
    assert refinement(p, q) == pytest.approx(excess_brier(p, q)) == pytest.approx(q.var(axis=(1, 2)).sum())
    # A little sharpening is near to the posterior and not calibrated: distance ranks the two the other way round.
    sharp = sharpened(q, 0.8)
    assert distance_to_posterior(sharp, q) < distance_to_posterior(p, q)
    assert true_calibration_error(sharp, q) > 0.01


@pytest.mark.parametrize("temperature", [0.4, 0.7, 1.5, 2.5])
def test_a_sharpened_posterior_scores_its_amount(temperature):
    q = posterior(8, (2, 200000))
    p = sharpened(q, temperature)
    # Two classes: p decides q, so nothing is left to refine but what a bin joins, and bins lose what cancels in one.
    exact = np.abs(p - q).mean()
    fine = [measure(p, q, bins=100) for measure in ERRORS]
    assert fine == pytest.approx([exact, exact], rel=0.02)
    assert refinement(p, q, bins=100) < 0.001
    assert [measure(p, q) for measure in ERRORS] == pytest.approx([exact, exact], rel=0.1)
    top, own = p.max(0), np.take_along_axis(q, p.argmax(0)[None], 0)[0]
    assert np.sign((top - own).mean()) == np.sign(1 - temperature)


@given(st.integers(0, 10**6), st.integers(2, 4), st.sampled_from([1, 2, 15, 40]))
@settings(max_examples=30, deadline=None)
def test_bins_against_their_definition(seed, classes, bins):
    p, q = posterior(seed, (classes, 9, 11), 2.0), posterior(seed + 1, (classes, 9, 11))
    p[0, 0, :3], p[1:, 0, :3] = 1, 0
    edges = (np.arange(bins + 1) / bins).astype(np.float32)

    def groups(values):
        values = values.astype(np.float32)
        return [(values > a) & (values <= b) if i else values <= b for i, (a, b) in enumerate(pairwise(edges))]

    error, spread = 0.0, 0.0
    for one, truth in zip(p, q, strict=True):
        for here in groups(one):
            if here.any():
                error += here.mean() * abs(truth[here].mean() - one[here].mean()) / classes
                spread += here.mean() * truth[here].var()
    assert true_calibration_error(p, q, bins=bins) == pytest.approx(error)
    assert refinement(p, q, bins=bins) == pytest.approx(spread)
    assert error <= distance_to_posterior(p, q) + 1e-12


def test_labels_estimate_it():
    shape = (3, 400000)
    q = posterior(4, shape)
    p = sharpened(q, 0.5)
    labels = (np.random.default_rng(5).random(shape[1]) > np.cumsum(q, axis=0)[:-1]).sum(axis=0)
    measured = CalibrationHistogram(3).update(p, labels)
    # The hits of a bin are independent with variance q (1 - q) <= 1/4; by Cauchy and Schwarz 15 bins of n voxels in all
    # have standard deviations that add up to at most sqrt(15 n / 4).
    noise = 3 * np.sqrt(15 / 4 / shape[1])
    assert measured.sce() == pytest.approx(true_calibration_error(p, q), abs=noise)
    assert measured.ece() == pytest.approx(true_top_label_error(p, q), abs=noise)
    assert true_calibration_error(p, q) > 2 * noise


def test_by_hand():
    p, q = np.array([[0.9, 0.5], [0.1, 0.5]]), np.array([[0.6, 0.5], [0.4, 0.5]])
    assert excess_brier(p, q) == pytest.approx((2 * 0.09 + 0) / 2)
    assert distance_to_posterior(p, q) == pytest.approx((0.3 + 0) / 2)
    assert true_top_label_error(p, q) == pytest.approx((0.3 + 0) / 2)
    mask = np.array([True, False])
    assert excess_brier(p, q, mask) == pytest.approx(0.18)
    for measure in (distance_to_posterior, true_calibration_error, true_top_label_error):
        assert measure(p, q, mask) == pytest.approx(0.3)
    assert all(math.isnan(measure(p, q, ~mask & mask)) for measure in MEASURES)


def test_excess_is_what_sampled_labels_add_to_brier():
    shape = (3, 150000)
    q, p = posterior(1, shape), posterior(2, shape)
    labels = (np.random.default_rng(3).random(shape[1]) > np.cumsum(q, axis=0)[:-1]).sum(axis=0)
    own, other = (CalibrationHistogram(3).update(x, labels).brier() for x in (q, p))
    assert other - own == pytest.approx(excess_brier(p, q), abs=0.01)


def test_bad_input_is_refused():
    q = posterior(6)
    for function in MEASURES:
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
