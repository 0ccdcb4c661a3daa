import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from spectralcal.statistics.matched import matched_correlation, ranks, stratum_means


def all_permutations(first, second, strata):
    """Every correlation that permutations of `second` within strata can give."""
    groups = [np.flatnonzero(strata == label) for label in np.unique(strata)]
    found = []
    for orders in itertools.product(*(itertools.permutations(group) for group in groups)):
        moved = second.copy()
        for group, order in zip(groups, orders, strict=True):
            moved[group] = second[list(order)]
        found.append(np.corrcoef(first, moved)[0, 1])
    return np.array(found)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_null_is_that_of_all_permutations(seed):
    random = np.random.default_rng(seed)
    strata = np.array([0, 0, 0, 1, 1, 1, 1, 2])
    first = random.standard_normal(8) + strata
    second = random.standard_normal(8) + 2 * strata
    found = matched_correlation(first, second, strata)
    expected = all_permutations(first, second, strata)
    assert found.value == pytest.approx(np.corrcoef(first, second)[0, 1])
    assert found.null_mean == pytest.approx(expected.mean())
    assert found.null_sd == pytest.approx(expected.std())


def test_equal_maps_correlate_exactly():
    values = np.random.default_rng(0).standard_normal(500)
    strata = np.repeat(np.arange(5), 100)
    assert matched_correlation(values, 3 * values - 1, strata).value == pytest.approx(1, abs=1e-12)
    assert matched_correlation(values, -values, strata).value == pytest.approx(-1, abs=1e-12)


def test_maps_of_the_strata_alone_are_explained_wholly():
    strata = np.random.default_rng(0).integers(0, 7, 400)
    found = matched_correlation(strata**2.0, 5.0 - strata, strata)
    assert found.value == pytest.approx(found.null_mean, abs=1e-12)
    assert found.null_sd == pytest.approx(0, abs=1e-12)


def test_ranks_make_it_spearmans():
    random = np.random.default_rng(1)
    first, second = random.integers(0, 6, 300).astype(float), random.standard_normal(300)
    found = matched_correlation(ranks(first), ranks(second), np.zeros(300, int))
    assert found.value == pytest.approx(stats.spearmanr(first, second).statistic)
    assert found.null_mean == pytest.approx(0, abs=1e-12)
    assert found.null_sd == pytest.approx(1 / np.sqrt(299))


@pytest.mark.parametrize("constant", [0.0, 0.1, 7.3e6])
def test_a_constant_map_has_no_correlation(constant):
    first, second = np.full(10, constant), np.arange(10.0)
    strata = np.zeros(10, int)
    assert np.isnan(matched_correlation(first, second, strata)).all()
    assert np.isnan(matched_correlation(second, first, strata)).all()


@pytest.mark.parametrize("size", [0, 1])
def test_too_few_voxels_have_no_correlation(size):
    assert np.isnan(matched_correlation(np.ones(size), np.ones(size), np.zeros(size, int))).all()


def test_stratum_means_by_hand():
    found = stratum_means(np.array([1.0, 3.0, 10.0, 20.0, 5.0]), np.array([0, 0, 2, 2, 1]))
    np.testing.assert_allclose(found, [2, 2, 15, 15, 5])


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"expected three arrays \(n,\), received \(3,\), \(4,\) and \(3,\)"):
        matched_correlation(np.zeros(3), np.zeros(4), np.zeros(3, int))
