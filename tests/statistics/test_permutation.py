"""The exact permutation test against scipy and by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from spectralcal.statistics import spearman_permutation

ROWS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=6)


def test_the_least_p_value_is_two_orders_of_all():
    rho, p = spearman_permutation(np.arange(7), np.arange(7) ** 3)
    assert (rho, p) == (pytest.approx(1), pytest.approx(2 / 5040))


def test_seven_units_at_one_half_say_little():
    """The critical value of n = 7 at 5 %, two-sided, is 0.786 in every table."""
    order = np.array([1, 3, 2, 5, 6, 4, 0])
    rho, p = spearman_permutation(np.arange(7), order)
    assert rho == pytest.approx(stats.spearmanr(np.arange(7), order).statistic)
    values = [stats.spearmanr(np.arange(7), o).statistic for o in itertools.permutations(range(7))]
    values = np.abs(values)
    assert p == pytest.approx((values >= abs(rho) - 1e-9).mean())
    assert (values >= 0.786 - 5e-4).mean() == pytest.approx(0.048, abs=5e-4)


@settings(max_examples=30, deadline=None)
@given(ROWS)
def test_ties_and_signs(rows):
    x, y = np.array(rows, float).T
    rho, p = spearman_permutation(x, y)
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert np.isnan(rho)
        assert np.isnan(p)
        return
    assert rho == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert 0 < p <= 1
    assert spearman_permutation(x, -y) == (pytest.approx(-rho), pytest.approx(p))
    assert spearman_permutation(y, x) == (pytest.approx(rho), pytest.approx(p))


def test_under_the_null_it_decides_at_most_as_often_as_it_says():
    random = np.random.default_rng(0)
    values = [spearman_permutation(*random.standard_normal((2, 5)))[1] for _ in range(400)]
    assert np.mean(np.array(values) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_missing_values_and_shapes():
    assert np.isnan(spearman_permutation(np.array([1, 2, np.nan]), np.arange(3))).all()
    with pytest.raises(ValueError, match="expected two rows of 3 to 9 values"):
        spearman_permutation(np.arange(10), np.arange(10))
    with pytest.raises(ValueError, match="shapes"):
        spearman_permutation(np.arange(4), np.arange(5))
