"""Statistics that are no means: exact for linear ones, the delta method for ratios, the best of several."""

from __future__ import annotations

import numpy as np
import pytest
from slow_interval import of_ratio

from spectralcal.statistics.crossed import crossed, crossed_many
from spectralcal.statistics.influence import influence, pooled_ratio, ratio


def values(methods=3, quantities=2, seeds=5, patients=12, seed=0):
    return np.random.default_rng(seed).normal(5, 1, (methods, quantities, seeds, patients))


def test_of_a_difference_it_is_the_difference():
    v = values()
    found = influence(lambda m: m[..., 0, 1] - m[..., 2, 1], v, 2)
    np.testing.assert_allclose(found, v[0, 1] - v[2, 1], rtol=1e-9)


def test_of_a_ratio_it_is_the_delta_method():
    v = values()
    found = influence(lambda m: m[..., 0, 0] / m[..., 1, 0], v, 2)
    np.testing.assert_allclose(found, ratio(v[0, 0], v[1, 0]), rtol=1e-5)
    assert found.mean() == pytest.approx(v[0, 0].mean() / v[1, 0].mean())


def test_the_interval_of_a_ratio_covers_it():
    covered = 0
    for seed in range(400):
        random = np.random.default_rng(seed)
        base = random.gamma(4, 1, (5, 30)) + random.normal(0, 0.1, (5, 1))
        ours = 1.3 * random.gamma(4, 1, (5, 30))
        found = crossed(influence(lambda m: m[..., 1, 0] / m[..., 0, 0], np.stack([base, ours])[:, None], 2))
        covered += found.low <= 1.3 <= found.high
    assert 0.91 <= covered / 400 <= 0.98


def test_the_best_of_several_follows_the_best():
    v = values()
    v[1] -= 3
    found = influence(lambda m: m[..., :, 0].min(-1) - m[..., 0, 0], v, 2)
    np.testing.assert_allclose(found, v[1, 0] - v[0, 0], rtol=1e-9)


def test_a_patient_without_a_quantity_does_not_move_it():
    v = values()
    v[:, 1, :, 3] = np.nan
    found = influence(lambda m: m[..., 0, 1], v, 2)
    assert found.mean() == pytest.approx(np.nanmean(v[0, 1]))
    assert np.ptp(found[:, 3]) < 1e-12


def test_ratios_of_curves_are_taken_point_by_point():
    hits, count = np.random.default_rng(0).random((2, 4, 9, 7))
    count[..., 5] = 0
    found = ratio(hits, count)
    assert found.shape == (4, 9, 7)
    np.testing.assert_allclose(found.mean((0, 1))[:5], hits.sum((0, 1))[:5] / count.sum((0, 1))[:5])
    assert np.isnan(found[..., 5]).all()


def test_a_pooled_ratio_adds_up_the_cases_of_a_patient():
    """Patients have one, two or three cases; the interval is that of patients' sums, the mean the ratio of all sums."""
    random = np.random.default_rng(3)
    count = random.integers(5, 50, (2, 4, 12)).astype(float)
    hits = count * random.uniform(0.4, 0.9, (2, 4, 12))
    patients = np.array(["a", "b", "b", "c", "c", "c", "d", "e", "e", "f", "g", "g"])
    found = crossed_many(pooled_ratio(hits, count, patients))
    for point in range(2):
        summed = [
            [[row[patients == name].sum() for name in sorted(set(patients))] for row in of[point]]
            for of in (hits, count)
        ]
        assert [array[point] for array in found] == pytest.approx(of_ratio(*summed))
        assert found.estimate[point] == pytest.approx(hits[point].sum() / count[point].sum())


def test_the_interval_of_a_pooled_ratio_covers_it():
    covered = 0
    for seed in range(300):
        random = np.random.default_rng(seed)
        count = random.poisson(400, (5, 25)).astype(float) + 1
        rate = np.clip(0.7 + random.normal(0, 0.05, (5, 1)) + random.normal(0, 0.1, (1, 25)), 0, 1)
        found = crossed_many(pooled_ratio(random.binomial(count.astype(int), rate).astype(float), count))
        covered += found.low <= 0.7 <= found.high
    assert 0.91 <= covered / 300 <= 0.985
