"""Statistics that are no means: exact for linear ones, the delta method for ratios, the best of several."""

from __future__ import annotations

import numpy as np
import pytest

from spectralcal.statistics.crossed import crossed
from spectralcal.statistics.influence import influence, ratio


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
