import itertools
import math

import numpy as np
import pytest

from spectralcal.statistics import holm, paired_difference, wilcoxon_p


def test_pairing_by_patient_not_by_position():
    rng = np.random.default_rng(0)
    patients = np.array([f"p{i:02d}" for i in range(30)])
    level = rng.normal(size=30) * 10
    order = rng.permutation(30)
    result = paired_difference(level - 1 + 0.1 * rng.normal(size=30), level[order], patients, patients[order])
    assert result.interval.estimate == pytest.approx(-1, abs=0.1)
    assert result.interval.high < -0.9  # pairing removes the spread between patients, 100 times the noise
    assert (result.better, result.dropped) == (1, 0)
    assert result.p_value < 1e-5


def test_groups_on_one_side_only_are_counted_out():
    result = paired_difference([1.0, 2.0, 5.0, math.nan], [3.0, 4.0, 1.0], list("abcd"), list("abd"))
    assert result.interval.groups == 2
    assert result.interval.estimate == -2
    assert result.dropped == 2


def test_swapping_the_methods_changes_the_sign_only():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=20), rng.normal(0.3, size=20)
    one, other = (paired_difference(x, y, method="percentile") for x, y in ((a, b), (b, a)))
    assert one.interval.low == pytest.approx(-other.interval.high)
    assert one.p_value == pytest.approx(other.p_value)
    assert one.better == pytest.approx(1 - other.better)


def test_equal_methods():
    result = paired_difference(np.arange(8.0), np.arange(8.0))
    assert (result.interval.low, result.interval.high, result.p_value, result.better) == (0, 0, 1, 0.5)


def test_wilcoxon_against_all_signs():
    difference = np.array([0.5, -1.5, 2.5, 3.0, 4.5, -0.2, 6.0, 7.5])
    rank = np.argsort(np.argsort(np.abs(difference))) + 1
    observed = abs(rank @ np.sign(difference))
    signs = np.array(list(itertools.product([-1, 1], repeat=8)))
    assert wilcoxon_p(difference) == pytest.approx(np.mean(np.abs(signs @ rank) >= observed))


def test_wilcoxon_limits():
    assert wilcoxon_p(np.zeros(5)) == 1
    assert math.isnan(wilcoxon_p([1.0]))


@pytest.mark.parametrize("tests", [1, 2, 7, 40])
def test_holm_against_statsmodels(tests):
    from statsmodels.stats.multitest import multipletests

    for p_values in (np.random.default_rng(tests).random(tests) ** 3, np.full(tests, 0.03)):
        np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1], atol=1e-12)


def test_holm_by_hand_and_with_missing_tests():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    with_gap = holm([0.01, math.nan, 0.04, 0.03])
    assert math.isnan(with_gap[1])
    assert with_gap[[0, 2, 3]] == pytest.approx([0.03, 0.06, 0.06])


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="both sides or for none"):
        paired_difference([1.0, 2.0], [1.0, 2.0], groups_a=["a", "b"])
    with pytest.raises(ValueError, match="one length"):
        paired_difference([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="p-values"):
        holm([0.5, 1.5])
