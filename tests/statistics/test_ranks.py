import numpy as np
import pytest

from spectralcal.statistics import average_ranks, critical_difference, friedman_test, ranks

TABLE = np.array([[0.1, 0.2, 0.3], [0.2, 0.2, 0.1], [0.5, np.nan, 0.4]])


def test_ranks_by_hand():
    expected = [[1, 2, 3], [2.5, 2.5, 1], [2, np.nan, 1]]
    np.testing.assert_array_equal(ranks(TABLE), expected)
    np.testing.assert_array_equal(ranks(-TABLE, lower_is_better=False), expected)
    np.testing.assert_array_equal(average_ranks(TABLE), [1.75, 2.25, 2])
    assert np.isnan(average_ranks(TABLE[2:])).all()


@pytest.mark.parametrize(
    ("methods", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (10, 3.164)]
)
def test_critical_difference_against_the_published_table(methods, q):
    # Critical values at 0.05 for the Nemenyi test, Demsar 2006, table 5.
    expected = q * np.sqrt(methods * (methods + 1) / (6 * 14))
    assert critical_difference(methods, 14) == pytest.approx(expected, abs=1.5e-3)


def test_friedman_against_scikit_posthocs_and_scipy():
    import scikit_posthocs
    from scipy.stats import friedmanchisquare

    rng = np.random.default_rng(0)
    table = np.round(rng.normal(size=(14, 5)) + np.arange(5) * 0.4, 1)
    result = friedman_test(table)
    assert (result.statistic, result.p_value) == pytest.approx(tuple(friedmanchisquare(*table.T)))
    pairs = scikit_posthocs.posthoc_nemenyi_friedman(table).to_numpy()
    distance = np.abs(result.average_ranks[:, None] - result.average_ranks[None])
    different = distance > result.critical_difference
    off_diagonal = ~np.eye(5, dtype=bool)
    np.testing.assert_array_equal(different, (pairs < 0.05) & off_diagonal)
    assert 0 < different.sum() < off_diagonal.sum()


def test_friedman_leaves_out_incomplete_blocks_and_survives_ties():
    rng = np.random.default_rng(1)
    table = rng.normal(size=(10, 4))
    holed = np.vstack([table, [1, 2, np.nan, 3]])
    assert friedman_test(holed).statistic == friedman_test(table).statistic
    assert friedman_test(holed).blocks == 10
    tied = friedman_test(np.ones((6, 4)))
    assert tied.p_value == 1
    assert tied.average_ranks.tolist() == [2.5] * 4


def test_method_order_does_not_matter():
    table = np.random.default_rng(5).normal(size=(9, 5))
    order = [3, 1, 4, 0, 2]
    np.testing.assert_allclose(average_ranks(table[:, order]), average_ranks(table)[order])


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="blocks, methods"):
        ranks(np.ones(3))
    with pytest.raises(ValueError, match="at least 3 methods"):
        friedman_test(np.ones((5, 2)))
    with pytest.raises(ValueError, match="level"):
        critical_difference(3, 5, 1.5)
