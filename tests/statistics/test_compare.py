import math

import numpy as np
import pytest

from spectralcal.statistics import (
    FEWEST_TO_RANK,
    best_of,
    compare_with,
    distinguishable_best,
    fewest_to_rank,
    holm,
    lead,
    paired_difference,
    win_tie_loss,
)


def methods(patients=30, seed=0, **shifts):
    rng = np.random.default_rng(seed)
    names = np.array([f"p{i:02d}" for i in range(patients)])
    level = rng.normal(5, 3, patients)
    return {name: (level + shift + 0.1 * rng.normal(size=patients), names) for name, shift in shifts.items()}


def test_each_method_is_compared_with_the_reference_alone():
    table = methods(ce=0.0, good=-0.5, same=0.0, bad=0.5)
    result = {c.method: c for c in compare_with(table, "ce", resamples=2000)}
    assert set(result) == {"good", "same", "bad"}
    pairs = {n: paired_difference(table[n][0], table["ce"][0], resamples=2000) for n in result}
    np.testing.assert_allclose([result[n].adjusted_p for n in result], holm([pairs[n].p_value for n in result]))
    for name, c in result.items():
        assert c.difference.interval == pairs[name].interval
        assert sum(c.outcome) == 30
    assert result["good"].outcome == (30, 0, 0)
    assert result["bad"].outcome == (0, 0, 30)
    assert result["same"].adjusted_p > 0.05 > result["good"].adjusted_p
    up = {c.method: c for c in compare_with(table, "ce", lower_is_better=False, resamples=2000)}
    assert up["bad"].outcome == (30, 0, 0)


def test_frames_and_seeds_of_a_patient_are_one_observation():
    table = methods(ce=0.0, good=-0.5)
    thrice = {n: (np.repeat(v, 3) + np.tile([-1.0, 0, 1.0], 30), np.repeat(g, 3)) for n, (v, g) in table.items()}
    (one,), (other,) = (compare_with(t, "ce", resamples=500) for t in (table, thrice))
    assert other.difference.interval.groups == 30
    assert other.difference.p_value == pytest.approx(one.difference.p_value)
    assert other.outcome == one.outcome


def test_wins_ties_and_losses_by_hand():
    difference = [-0.2, 0.0, 0.05, 0.3, math.nan, -0.05]
    assert win_tie_loss(difference) == (2, 1, 2)
    assert win_tie_loss(difference, lower_is_better=False) == (2, 1, 2)
    assert win_tie_loss(difference, tolerance=0.1) == (1, 3, 1)
    assert win_tie_loss([-1.0, -2.0, 3.0], lower_is_better=False) == (1, 0, 2)


def test_the_best_is_marked_only_if_it_can_be_told_from_the_runner_up():
    clear = distinguishable_best(methods(a=0.0, b=-0.5, c=0.4))
    assert (clear.method, clear.runner_up, clear.distinguishable) == ("b", "a", True)
    close = distinguishable_best(methods(a=0.0, b=0.0, c=5.0))
    assert close.runner_up in ("a", "b")
    assert close.difference.interval.low < 0 < close.difference.interval.high
    assert not close.distinguishable
    dice = distinguishable_best(methods(a=0.0, b=-0.5, c=0.4), lower_is_better=False)
    assert (dice.method, dice.distinguishable) == ("c", True)


@pytest.mark.parametrize("patients", [2, FEWEST_TO_RANK - 1, FEWEST_TO_RANK])
def test_a_small_test_set_ranks_nobody(patients):
    best = distinguishable_best(methods(patients, a=0.0, b=-5.0))
    assert best.too_small == (patients < FEWEST_TO_RANK)
    assert best.distinguishable == (patients >= FEWEST_TO_RANK)
    assert best.difference.interval.high < 0  # not the interval but the rule holds it back


def test_fewest_to_rank_is_where_the_test_can_reach_its_level():
    for patients in (FEWEST_TO_RANK - 1, FEWEST_TO_RANK):
        p = paired_difference(-np.arange(1.0, patients + 1), np.zeros(patients), resamples=10).p_value
        assert (p < 0.05) == (patients >= FEWEST_TO_RANK)


@pytest.mark.parametrize("number", [2, 3, 7, 21, 41])
def test_fewest_to_rank_among_many_is_where_a_lead_in_every_patient_counts(number):
    fewest = fewest_to_rank(number)
    for patients in (fewest - 1, fewest):
        # Ahead of everybody in every patient, by amounts without ties, so that the test is exact.
        table = {f"m{m}": np.arange(1.0, patients + 1) * (m > 0) + 20.0 * (m > 0) for m in range(number)}
        groups = np.arange(patients)
        best = distinguishable_best({name: (v, groups) for name, v in table.items()}, resamples=200)
        assert best.adjusted_p == pytest.approx(min(1.0, (number - 1) * 2 / 2**patients))
        assert best.too_small == (patients < fewest)
        assert best.distinguishable == (best.adjusted_p < 0.05) == (patients == fewest)
    assert fewest_to_rank(2) == FEWEST_TO_RANK


def test_the_best_of_many_pays_for_having_been_picked():
    """A lead that would do between two methods does not do for the best of twenty."""
    rng = np.random.default_rng(3)
    level, groups = rng.normal(5, 3, 11), np.arange(11)
    ahead = 0.06 + np.concatenate([np.full(9, 0.04), np.full(2, -0.1)]) + 0.001 * rng.normal(size=11)
    table = {"best": (level, groups), "second": (level + ahead, groups)}
    two = lead(table, "best", "second")
    assert two.distinguishable
    assert two.adjusted_p == two.difference.p_value
    many = {**table, **{f"m{i}": (level + ahead + 0.02 * rng.random(11), groups) for i in range(18)}}
    crowd = lead(many, "best", "second")
    assert two.difference == paired_difference(level, level + ahead)
    assert crowd.difference == paired_difference(level, level + ahead, level=1 - 0.05 / 19)
    assert crowd.difference.interval.high > two.difference.interval.high
    assert crowd.adjusted_p > 0.05 > two.adjusted_p
    assert not crowd.too_small
    assert not crowd.distinguishable
    others = [name for name in many if name != "best"]
    p = [paired_difference(level, many[name][0], resamples=10).p_value for name in others]
    assert crowd.adjusted_p == pytest.approx(holm(np.array(p))[others.index("second")])


def test_a_lead_needs_the_interval_and_the_test():
    """One patient far off widens the interval of the mean; ranks do not see how far."""
    difference = np.array([-1.0, -1.1, -1.2, -1.3, -1.4, -1.5, -1.6, -1.7, -1.8, -1.9, 60.0])
    groups = np.arange(11)
    found = lead({"a": (difference, groups), "b": (np.zeros(11), groups)}, "a", "b")
    assert found.adjusted_p == pytest.approx(paired_difference(difference, np.zeros(11), resamples=10).p_value)
    assert found.difference.interval.high > 0
    assert not found.distinguishable
    other = lead({"a": (-difference, groups), "b": (np.zeros(11), groups)}, "b", "a")
    assert other.method == "b"
    assert not other.distinguishable


def test_the_best_has_not_skipped_the_hard_patient():
    easy, hard = (np.array([1.0, 1.0, 9.0]), np.array(["x", "y", "z"])), (np.array([1.2, 1.2]), np.array(["x", "y"]))
    assert best_of({"all": easy, "skips": hard}) == "all"
    assert best_of({"all": easy, "skips": hard}, lower_is_better=False) == "skips"
    assert best_of({"all": easy, "skips": hard}, ["skips"]) == "skips"
    assert distinguishable_best({"all": easy}).runner_up is None


def test_bad_input_is_refused():
    table = methods(a=0.0, b=1.0)
    with pytest.raises(ValueError, match="reference must be one of a, b"):
        compare_with(table, "ce")
    with pytest.raises(ValueError, match="names out of a, b"):
        best_of(table, ["ce"])
    with pytest.raises(ValueError, match="names out of"):
        best_of(table, [])
    with pytest.raises(ValueError, match="patient with a value"):
        best_of({"a": ([1.0], ["x"]), "b": ([1.0], ["y"])})
    for pair in (("a", "a"), ("a", "ce")):
        with pytest.raises(ValueError, match="two names out of a, b"):
            lead(table, *pair)
    with pytest.raises(ValueError, match="at least 2 methods"):
        fewest_to_rank(1)
    with pytest.raises(ValueError, match="tolerance"):
        win_tie_loss([1.0], tolerance=-1)
