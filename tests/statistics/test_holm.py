import math

import numpy as np
import pytest

from spectralcal.statistics import holm


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
