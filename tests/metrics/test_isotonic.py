"""Isotonic recalibration against scikit-learn on the voxels themselves, ties and limits; splits of proper scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss, log_loss

from spectralcal.metrics import CalibrationHistogram, brier_split, corp, isotonic_error, isotonic_fit, nll_split
from spectralcal.metrics.curve import CurveHistogram, curve_arrays

PARTS = ("score", "miscalibration", "discrimination", "uncertainty")


def counted(p, y):
    return CalibrationHistogram(2).update(np.stack([1 - p, p])[:, None].astype(np.float32), np.asarray(y)[None])


def oracle(p, y, score="brier"):
    """Parts and isotonic error by scikit-learn, from every voxel."""
    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(p, y).predict(p)
    base = np.full(len(p), y.mean())
    if score == "brier":
        raw, best, none = (brier_score_loss(y, x) for x in (p, fitted, base))
    else:
        raw, best, none = (log_loss(y, x, labels=[0, 1]) for x in (p, fitted, base))
    return (raw, raw - best, none - best, none), np.abs(p - fitted).mean()


def distinct(n=40, seed=0, ties=1):
    """Probabilities in cells of their own, each given `ties` times, and labels."""
    random = np.random.default_rng(seed)
    p = np.repeat(np.linspace(0.02, 0.98, n), ties).astype(np.float32)
    return p.astype(float), (random.random(p.size) < p**1.5).astype(int)


@pytest.mark.parametrize("ties", [1, 7])
@pytest.mark.parametrize("score", ["brier", "log"])
def test_scikit_learn_agrees_where_cells_hold_one_value_each(score, ties):
    p, y = distinct(ties=ties)
    parts, error = oracle(p, y, score)
    histogram = counted(p, y)
    assert tuple(corp(histogram, 1, score)) == pytest.approx(parts, abs=1e-6)
    assert isotonic_error(histogram, 1) == pytest.approx(error, abs=1e-6)
    fit = isotonic_fit(histogram, 1)
    assert (np.diff(fit.rate) > 0).all()
    np.testing.assert_allclose(fit.rate[np.searchsorted(fit.upper + 1e-9, p)],
                               IsotonicRegression().fit(p, y).predict(p), atol=1e-6)  # fmt: skip


@pytest.mark.parametrize("score", ["brier", "log"])
def test_a_sort_of_the_voxels_lies_between_the_orders(score):
    random = np.random.default_rng(2)
    p = random.beta(3, 3, 5000).astype(np.float32).astype(float)
    y = (random.random(5000) < p**1.4).astype(int)
    parts, _ = oracle(p, y, score)
    histogram = counted(p, y)
    low, high = (corp(histogram, 1, score, order).discrimination for order in ("random", "best"))
    assert low - 1e-9 <= parts[2] <= high + 1e-9
    assert high - low < 0.01


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 40)), min_size=1, max_size=25), st.booleans())
def test_parts_add_up_and_none_is_negative(groups, log):
    count = np.array([n for n, _ in groups])
    hits = np.minimum(count, [h for _, h in groups])
    p = np.repeat(np.linspace(0.01, 0.99, len(count)), count)
    y = np.concatenate([np.arange(n) < h for n, h in zip(count, hits, strict=True)]).astype(int)
    found = corp(counted(p, y), 1, "log" if log else "brier")
    assert found.score == pytest.approx(found.miscalibration - found.discrimination + found.uncertainty, abs=1e-12)
    assert min(found.miscalibration, found.discrimination, found.uncertainty) >= -1e-6


def test_limits():
    p = np.repeat([0.25, 0.75], 400)
    calibrated = corp(counted(p, np.concatenate([np.arange(400) < 100, np.arange(400) < 300]).astype(int)), 1)
    assert calibrated == pytest.approx((0.1875, 0.0, 0.0625, 0.25))
    constant = corp(counted(np.full(10, 0.9), (np.arange(10) < 5).astype(int)), 1)
    assert constant == pytest.approx((0.41, 0.16, 0.0, 0.25), abs=1e-6)  # one probability for all tells nothing apart
    perfect = corp(counted(np.repeat([0.0, 1.0], 5), np.repeat([0, 1], 5)), 1, "log")
    assert perfect == pytest.approx((0, 0, np.log(2), np.log(2)), abs=1e-6)
    reversed_ = corp(counted(np.repeat([0.2, 0.8], 5), np.repeat([1, 0], 5)), 1)
    assert reversed_ == pytest.approx((0.64, 0.39, 0.0, 0.25), abs=1e-6)
    certain_and_wrong = corp(counted(np.ones(4), np.array([1, 1, 1, 0])), 1, "log")
    assert certain_and_wrong.score == pytest.approx(25 * np.log(2) / 4)
    nothing = CalibrationHistogram(2)
    assert np.isnan([*corp(nothing), isotonic_error(nothing), *brier_split(nothing), *nll_split(nothing)]).all()
    assert isotonic_fit(nothing).rate.size == 0
    with pytest.raises(ValueError, match="score must be brier or log, got 'spherical'"):
        corp(nothing, score="spherical")


def test_a_map_that_increases_moves_miscalibration_only():
    p, y = distinct(ties=20)
    sharp = p**3 / (p**3 + (1 - p) ** 3)
    before, after = corp(counted(p, y), 1), corp(counted(sharp, y), 1)
    assert after.discrimination == pytest.approx(before.discrimination, abs=1e-4)
    assert after.miscalibration > before.miscalibration + 0.01


def three(n=4000, seed=5):
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1.5, (3, n))
    shares = np.exp(logits) / np.exp(logits).sum(0)
    sharp = np.exp(1.7 * logits) / np.exp(1.7 * logits).sum(0)
    labels = (random.random(n) > np.cumsum(shares, axis=0)[:-1]).sum(0)
    return sharp.astype(np.float32)[:, None], labels[None]


def test_the_split_of_the_brier_score_is_that_of_its_classes():
    probabilities, labels = three()
    histogram = CalibrationHistogram(3).update(probabilities, labels)
    found = brier_split(histogram)
    assert found.score == histogram.brier()
    assert found.score == pytest.approx(found.calibration + found.refinement, abs=1e-12)
    parts = [oracle(probabilities[c, 0].astype(float), (labels[0] == c).astype(int))[0] for c in range(3)]
    assert found.refinement == pytest.approx(sum(part[0] - part[1] for part in parts), abs=5e-3)
    assert brier_split(histogram, "best").refinement <= sum(p[0] - p[1] for p in parts) <= found.refinement + 1e-9
    assert found.calibration > 0.01


def test_the_split_of_the_likelihood_of_two_classes_is_that_of_the_histogram():
    p, y = distinct(ties=5)
    histogram = counted(p, y)
    found = nll_split(histogram, 1)
    assert found.score == pytest.approx(histogram.nll(), abs=1e-6)
    assert found.score == pytest.approx(found.calibration + found.refinement, abs=1e-12)
    assert found.calibration == pytest.approx(oracle(p, y, "log")[0][1], abs=1e-6)


def test_a_published_curve_has_the_parts_too():
    random = np.random.default_rng(1)
    p = random.beta(0.2, 0.2, 1_000_000)
    histogram = counted(p, (random.random(p.size) < p**1.2).astype(int))
    curve = CurveHistogram.from_arrays(curve_arrays(histogram))
    for label in (None, 1):
        for score in ("brier", "log"):
            ours, theirs = corp(curve, label, score), corp(histogram, label, score)
            assert tuple(ours) == pytest.approx(tuple(theirs), abs=1e-3 if score == "log" else 2e-5)
        assert isotonic_error(curve, label) == pytest.approx(isotonic_error(histogram, label), abs=2e-5)
    assert brier_split(curve) == pytest.approx(brier_split(histogram), abs=4e-5)
