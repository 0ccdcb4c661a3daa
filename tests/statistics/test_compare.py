import math

import numpy as np
import pytest

from spectralcal.statistics import (
    FEWEST_TO_RANK,
    best_of,
    compare_with,
    distinguishable_best,
    holm,
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
    with pytest.raises(ValueError, match="tolerance"):
        win_tie_loss([1.0], tolerance=-1)
