"""Claims over a handful of losses: exact by going through all orders."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from spectralcal.statistics.permutation import exact_correlation_p


def test_perfect_agreement_of_seven_has_two_of_all_orders():
    x = np.arange(7.0)
    assert exact_correlation_p(x, x**3) == pytest.approx(2 / math.factorial(7))
    assert exact_correlation_p(x, -x) == pytest.approx(2 / math.factorial(7))


def test_a_correlation_of_one_half_over_seven_losses_says_little():
    x, y = np.arange(7), np.array([1, 0, 3, 5, 2, 6, 4.0])
    y = np.array([2, 0, 1, 6, 3, 5, 4.0]) if stats.spearmanr(x, y).statistic != 0.5 else y
    rho = stats.spearmanr(x, y).statistic
    assert 0.4 < rho < 0.8
    expected = stats.permutation_test(
        (y,), lambda z: stats.spearmanr(x, z).statistic, permutation_type="pairings", n_resamples=np.inf
    ).pvalue
    assert exact_correlation_p(x, y) == pytest.approx(expected)
    assert exact_correlation_p(x, y) > 0.05


def test_ties_and_constants():
    assert exact_correlation_p(np.array([1, 1, 1, 1.0]), np.arange(4.0)) == 1
    assert 0 < exact_correlation_p(np.array([1, 1, 2, 3, 3.0]), np.array([1, 2, 2, 4, 5.0])) < 0.2


@pytest.mark.parametrize("n", [2, 10])
def test_too_few_and_too_many_are_refused(n):
    with pytest.raises(ValueError, match="3 to 9 units"):
        exact_correlation_p(np.arange(n), np.arange(n))
