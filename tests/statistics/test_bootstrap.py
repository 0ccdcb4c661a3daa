import math

import numpy as np
import pytest

from spectralcal.statistics import bootstrap_mean, group_means, resampled_means


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_against_scipy(method):
    from scipy.stats import bootstrap

    values = np.random.default_rng(0).lognormal(sigma=1.0, size=60)
    expected = bootstrap(
        (values,), np.mean, n_resamples=40000, method=method, rng=np.random.default_rng(1)
    ).confidence_interval
    ours = bootstrap_mean(values, method=method, resamples=40000)
    half = (expected.high - expected.low) / 2
    assert ours.low == pytest.approx(expected.low, abs=0.04 * half)
    assert ours.high == pytest.approx(expected.high, abs=0.04 * half)
    assert ours.estimate == values.mean()


def test_patients_are_the_units():
    rng = np.random.default_rng(2)
    patients = rng.normal(size=25)
    frames = np.repeat(patients, 40)
    groups = np.repeat([f"patient{i:02d}" for i in range(25)], 40)
    grouped, own = bootstrap_mean(frames, groups), bootstrap_mean(patients)
    assert (grouped.low, grouped.high) == pytest.approx((own.low, own.high))
    assert (grouped.groups, grouped.values) == (25, 1000)
    naive = bootstrap_mean(frames)
    assert naive.high - naive.low < 0.25 * (grouped.high - grouped.low)


def test_a_patient_with_many_frames_weighs_no_more():
    values, groups = np.array([0.0] * 99 + [1.0]), np.array(["a"] * 99 + ["b"])
    assert bootstrap_mean(values, groups).estimate == 0.5


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_coverage(method):
    rng = np.random.default_rng(3)
    hits = 0
    for seed in range(300):
        interval = bootstrap_mean(rng.normal(1.0, 2.0, 50), method=method, resamples=500, seed=seed)
        hits += interval.low <= 1.0 <= interval.high
    assert 0.90 < hits / 300 < 0.98  # 95 % less what 50 values cost, within 3 standard errors


def test_the_seed_fixes_the_interval():
    values = np.random.default_rng(4).normal(size=30)
    assert bootstrap_mean(values, seed=5) == bootstrap_mean(values, seed=5)
    assert bootstrap_mean(values, seed=5).low != bootstrap_mean(values, seed=6).low


def test_blocks_of_resamples_change_nothing(monkeypatch):
    values = np.random.default_rng(7).normal(size=30)
    whole = resampled_means(values, 1000)
    monkeypatch.setattr("spectralcal.statistics.bootstrap._BLOCK", 30 * 37)
    np.testing.assert_allclose(resampled_means(values, 1000), whole)


def test_limit_cases():
    constant = bootstrap_mean(np.full(10, 0.3))
    assert (constant.low, constant.high) == pytest.approx((0.3, 0.3))
    one = bootstrap_mean([2.0])
    assert one.estimate == 2
    assert math.isnan(one.low)
    none = bootstrap_mean([math.nan, math.nan])
    assert math.isnan(none.estimate)
    assert (none.groups, none.values) == (0, 0)
    with_gap = bootstrap_mean([1.0, math.nan, 3.0])
    assert (with_gap.estimate, with_gap.groups, with_gap.values) == (2, 2, 2)


def test_group_means_by_hand():
    labels, means = group_means([1.0, 3.0, math.nan, 7.0, math.nan], ["b", "b", "b", "a", "c"])
    assert labels.tolist() == ["a", "b"]
    assert means.tolist() == [7, 2]


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="expected values"):
        group_means([1.0, 2.0], ["a"])
    with pytest.raises(ValueError, match="infinite"):
        bootstrap_mean([1.0, math.inf])
    with pytest.raises(ValueError, match="level"):
        bootstrap_mean([1.0, 2.0], level=95)
    with pytest.raises(ValueError, match="method"):
        bootstrap_mean([1.0, 2.0], method="basic")
    with pytest.raises(ValueError, match="one resample"):
        bootstrap_mean([1.0, 2.0], resamples=0)
