import numpy as np
import pytest

from spectralcal.statistics import crossed, holm, lead


def methods(seeds=5, patients=20, seed=0, **shifts):
    random = np.random.default_rng(seed)
    level = random.normal(5, 3, patients)
    return {name: level + shift + 0.1 * random.normal(size=(seeds, patients)) for name, shift in shifts.items()}


def test_the_lead_is_the_crossed_difference_at_bonferronis_level_with_holms_p():
    table = methods(a=0.0, b=0.03, c=0.4, d=0.05)
    found = lead(table, "a", "b")
    assert found.difference == crossed(table["a"] - table["b"], level=1 - 0.05 / 3)
    p = [crossed(table["a"] - table[name]).p_value for name in ("b", "c", "d")]
    assert found.adjusted_p == pytest.approx(holm(np.array(p))[0])
    assert (found.method, found.runner_up) == ("a", "b")


def test_a_clear_lead_is_distinguishable_on_its_own_side_alone():
    table = methods(a=0.0, b=0.5)
    assert lead(table, "a", "b").distinguishable
    assert not lead(table, "b", "a").distinguishable
    assert lead(table, "b", "a", lower_is_better=False).distinguishable
    assert not lead(methods(a=0.0, b=0.0), "a", "b").distinguishable


@pytest.mark.parametrize(("seeds", "patients", "enough"), [(1, 20, False), (4, 20, False), (5, 5, False), (5, 6, True)])
def test_few_seeds_or_patients_rank_nobody(seeds, patients, enough):
    found = lead(methods(seeds, patients, a=0.0, b=5.0), "a", "b")
    assert found.difference.high < 0  # not the interval but the rule holds it back
    assert found.distinguishable == enough
    assert bool(found.shortage) != enough


def test_the_best_of_many_pays_for_having_been_picked():
    """A lead that would do between two methods does not do for the best of twenty."""
    two = methods(a=0.0, b=0.06)
    many = {**two, **{f"m{i}": two["b"] + 0.01 * i for i in range(1, 19)}}
    assert lead(two, "a", "b").distinguishable
    crowd = lead(many, "a", "b")
    assert crowd.difference.estimate == lead(two, "a", "b").difference.estimate
    assert crowd.difference.high > lead(two, "a", "b").difference.high
    assert crowd.adjusted_p > lead(two, "a", "b").adjusted_p


def test_cases_of_a_patient_are_one_observation():
    table = methods(a=0.0, b=0.1)
    twice = {name: np.repeat(values, 2, axis=1) for name, values in table.items()}
    patients = [f"p{i // 2}" for i in range(40)]
    one, other = lead(twice, "a", "b", patients).difference, lead(table, "a", "b").difference
    assert (one.low, one.high, one.patients) == pytest.approx((other.low, other.high, other.patients))


def test_a_pair_that_is_none_is_refused():
    table = methods(a=0.0, b=1.0)
    for pair in (("a", "a"), ("a", "ce")):
        with pytest.raises(ValueError, match="two names out of a, b"):
            lead(table, *pair)
