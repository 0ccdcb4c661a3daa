"""What a number must look like before it decides anything."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from spectralcal.report.claims import finding as f
from spectralcal.report.claims.finding import Measure, Part
from spectralcal.statistics import crossed

REAL = st.floats(-100, 100)


def part(measure, bound=0.0):
    return Part("effect", measure, f.above(bound), f.below(bound))


def measured(value, low, high, by_seed=(), shortage=""):
    return Measure(value, low, high, "seeds and patients", tuple(by_seed), 10, 10, shortage=shortage)


def test_the_whole_interval_must_be_on_one_side():
    assert part(measured(1, 0.5, 2)).verdict == f.SUPPORTED
    assert part(measured(-1, -2, -0.5)).verdict == f.REFUTED
    assert part(measured(1, -0.1, 2)).verdict == f.INCONCLUSIVE
    # Whether every training agrees is no criterion: the more of them, the less likely, whatever is true.
    assert part(measured(1, 0.5, 2, (2, 2, -0.1))).verdict == f.SUPPORTED


@pytest.mark.parametrize(("seeds", "patients"), [(1, 20), (4, 20), (5, 5)])
def test_few_seeds_or_patients_decide_nothing_and_say_so(seeds, patients):
    table = 5 + np.random.default_rng(0).random((seeds, patients))
    few = Measure.of(crossed(table), table.mean(1), patients, patients)
    assert few.low > 0
    assert part(few).verdict == f.INCONCLUSIVE
    assert few.shortage
    assert few.shortage.capitalize() in f.conclude("here", [part(few)], "").found


def test_five_seeds_and_six_patients_decide():
    table = 5 + np.random.default_rng(0).random((5, 6))
    assert part(Measure.of(crossed(table), table.mean(1), 6, 6)).verdict == f.SUPPORTED


def test_one_number_a_training_has_students_interval():
    numbers = [0.1, 0.3, 0.2, 0.4, 0.35]
    known = stats.ttest_1samp(numbers, 0)
    found = f.over_seeds(numbers)
    interval = known.confidence_interval()
    assert (found.value, found.low, found.high) == pytest.approx((np.mean(numbers), interval.low, interval.high))
    assert (found.p_value, found.interval, found.shortage) == (pytest.approx(known.pvalue), "seeds", "")
    assert part(found).verdict == f.SUPPORTED
    assert part(f.over_seeds(numbers[:4])).verdict == f.INCONCLUSIVE
    assert f.over_seeds(numbers[:4]).shortage == "4 seeds, fewer than 5"


def test_an_open_finding_says_what_would_have_been_found():
    table = np.random.default_rng(1).standard_normal((5, 12))
    found = Measure.of(crossed(table), table.mean(1), 12, 12)
    assert f"detectable with a power of 80 %: {f.number(crossed(table).detectable)}" in part(found).words
    assert "detectable" not in part(Measure.of(crossed(table + 9), table.mean(1), 12, 12)).words


def test_computations_and_printed_numbers_need_no_seeds():
    assert part(f.exact(1)).verdict == f.SUPPORTED
    assert part(Measure(1, 0.9, 1.1, "rounding")).verdict == f.SUPPORTED
    assert part(Measure(0.02, -0.03, 0.07, "rounding")).verdict == f.INCONCLUSIVE


def test_no_value_is_a_hole_but_in_print_it_is_lost():
    nothing = float("nan")
    assert part(measured(nothing, nothing, nothing, (nothing,) * 3)).verdict == f.NOT_MEASURED
    assert part(Measure(nothing, -math.inf, math.inf, "rounding")).verdict == f.INCONCLUSIVE
    assert part(f.over_seeds([0.3, nothing, 0.4])).verdict == f.NOT_MEASURED
    assert part(f.over_seeds([])).verdict == f.NOT_MEASURED


def test_a_loss_within_the_margin_but_beyond_chance_is_a_loss():
    def kept(low, high):
        value = (low + high) / 2
        return Part("gain", measured(value, low, high), f.at_least(-0.5), f.below(0)).verdict

    assert kept(-0.4, 0.3) == f.SUPPORTED
    assert kept(-0.4, -0.1) == f.REFUTED
    assert kept(-0.6, 0.3) == f.INCONCLUSIVE


@given(REAL, st.floats(0, 10), st.floats(0, 10))
def test_a_wider_interval_never_decides_what_a_narrower_left_open(value, below, more):
    narrow = part(measured(value, value - below, value + below)).verdict
    wide = part(measured(value, value - below - more, value + below + more)).verdict
    assert wide in (narrow, f.INCONCLUSIVE)


@given(REAL, st.floats(0, 10), REAL)
def test_supported_and_refuted_exchange_with_the_sign(value, half, bound):
    plus = part(measured(value, value - half, value + half), bound).verdict
    minus = part(measured(-value, -value - half, -value + half), -bound).verdict
    exchanged = {f.SUPPORTED: f.REFUTED, f.REFUTED: f.SUPPORTED}
    assert minus == exchanged.get(plus, plus)


def test_every_and_agreed():
    s, r, i, n = f.SUPPORTED, f.REFUTED, f.INCONCLUSIVE, f.NOT_MEASURED
    assert f.every([s, s]) == s
    assert f.every([s, i]) == i
    assert f.every([s, i, n]) == n
    assert f.every([s, i, n, r]) == r
    assert f.every([]) == n
    assert f.every([s, f.CONTRADICTED, n]) == f.CONTRADICTED
    assert f.every([s, i, f.MOOT]) == f.MOOT
    assert f.agreed([r, r]) == r
    assert f.agreed([s, r]) == i
    assert f.agreed([s, n]) == n


def test_a_finding_shows_the_part_that_decided_it():
    good, bad = part(f.exact(2)), Part("the other", f.exact(-3), f.above(0), f.below(0), "mm")
    found = f.conclude("here", [good, bad], "table1", f.CONSTRUCTION, note="A note")
    assert (found.verdict, found.effect, found.value, found.unit) == (f.REFUTED, "the other", -3, "mm")
    assert found.found == "effect: 2; the other: -3 mm. A note"


def test_printed_numbers_contradict_and_do_not_refute():
    odd = [Part("odd", f.exact(-1), f.above(0), f.below(0))]
    assert f.conclude("printed tables", odd, "", f.PRINTED).verdict == f.CONTRADICTED
    assert f.conclude("printed tables", odd, "", f.PRINTED).value == -1
    assert f.conclude("here", odd, "", f.CONSTRUCTION).verdict == f.REFUTED


@pytest.mark.parametrize(("p", "value", "verdict"), [(0.04, 0.8, f.SUPPORTED), (0.04, -0.8, f.REFUTED),
                                                     (0.27, 0.5, f.INCONCLUSIVE)])  # fmt: skip
def test_a_permutation_decides_by_its_p_value(p, value, verdict):
    """Neither seeds nor patients make more units of what is permuted."""
    measure = Measure(value, math.nan, math.nan, "permutation", (value,), 43, 43, p_value=p)
    assert part(measure).verdict == verdict
    assert part(measure).words == f"effect: {value:g} (exact permutation, p = {p:g})"


def test_many_parts_are_counted_and_the_odd_ones_named():
    parts = [part(f.exact(1))] * 5 + [Part("odd", f.exact(-1), f.above(0), f.below(0))]
    found = f.conclude("here", parts, "", f.CONSTRUCTION)
    assert found.found == "6 conditions: 5 supported, 1 refuted (odd: -1)"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.4, "0.4"), (1234.5, "1.23e+03"), (1e-5, "1.00e-05"), (math.inf, "∞"), (math.nan, "unknown")],
)
def test_numbers_are_short(value, text):
    assert f.number(value) == text


def test_seeds_stand_beside_their_interval_and_never_in_brackets():
    assert part(measured(1, 0.5, 2, (0.9, 1.3, 0.8))).words == "effect: 1 [0.5, 2], seeds 0.9, 1.3, 0.8"
    assert part(measured(1, 0.5, 2, (1.0,))).words == "effect: 1 [0.5, 2]"
    assert (
        part(f.over_seeds([0.1, 0.1, 0.1, 0.1, 0.1])).words == "effect: 0.1 [0.1, 0.1], seeds 0.1, 0.1, 0.1, 0.1, 0.1"
    )
    assert part(f.over_seeds([0.1])).words == "effect: 0.1 (one seed)"
    assert f.conclude("here", [part(measured(1, 0.5, 2, (1, 1, 1)))], "").by_seed == (1, 1, 1)
