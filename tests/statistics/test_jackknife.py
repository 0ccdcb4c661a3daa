"""Leaving out seeds and patients, for statistics that jump."""

import numpy as np
import pytest

from spectralcal.statistics.crossed import crossed, mean_squares
from spectralcal.statistics.jackknife import jackknifed


def mean(tables):
    return float(np.mean([table.mean() for table in tables]))


def test_of_a_mean_it_adds_the_variances_of_seed_and_patient_means():
    table = np.random.default_rng(0).standard_normal((5, 12)) + np.arange(5)[:, None]
    between, among, _ = mean_squares(table)
    found = jackknifed(mean, [table])
    assert found.estimate == pytest.approx(table.mean())
    assert found.se**2 == pytest.approx((between + among) / table.size)
    assert found.se >= crossed(table).se
    assert (found.seeds, found.patients, found.shortage) == (5, 12, "")


def test_independent_tables_add_their_variances():
    random = np.random.default_rng(1)
    one, two = random.standard_normal((5, 9)), random.standard_normal((6, 20))
    both = jackknifed(mean, [one, two])
    assert both.se == pytest.approx(np.hypot(jackknifed(mean, [one]).se, jackknifed(mean, [two]).se) / 2)
    assert (both.seeds, both.patients) == (5, 9)


@pytest.mark.parametrize("gap", [0.0, 0.1, 0.3])
def test_the_variance_of_a_rank_is_not_too_small_on_average(gap):
    """Efron and Stein's inequality, where single jumps leave no derivative: the first of three methods by its mean."""

    def rank(tables):
        first, *others = tables[0].mean((-2, -1))
        return 1.0 + sum(float(other < first) for other in others)

    random = np.random.default_rng(2)

    def study():
        noise = random.standard_normal((3, 6, 15)) + 0.3 * random.standard_normal((3, 6, 1))
        return noise + np.array([gap, 0.0, 0.0])[:, None, None]

    truth = np.var([rank([study()]) for _ in range(2000)])
    assert np.mean([jackknifed(rank, [study()]).se ** 2 for _ in range(200)]) > 0.9 * truth


def test_one_seed_has_the_variance_of_patients_and_decides_nothing():
    row = np.random.default_rng(3).standard_normal((1, 10))
    found = jackknifed(mean, [row])
    assert found.se == pytest.approx(row.std(ddof=1) / np.sqrt(10))
    assert found.shortage == "one seed"
    assert np.isnan(jackknifed(mean, [row[:, :1]]).low)
