"""Comparisons of several methods on the same seeds and patients."""

import numpy as np
import pytest

from spectralcal.report.claims.sample import Sample, measure_together
from spectralcal.statistics import crossed


def difference(means):
    return means[..., 1, 0] - means[..., 0, 0]


def quotient(means):
    return means[..., 1, 0] / means[..., 0, 0]


def random_sample(seed=0, methods=2, quantities=2, seeds=6, cases=16, per_patient=2):
    values = 10 + np.random.default_rng(seed).standard_normal((methods, quantities, seeds, cases))
    patients = [f"p{case // per_patient}" for case in range(cases)]
    return values, patients


def test_a_difference_has_the_crossed_interval_of_patients_worked_out_slowly():
    values, patients = random_sample()
    found = Sample.of_cases(["a", "b"], values, patients).measure(difference)
    by_patient = np.array(
        [[[np.mean([values[m, 0, s, c] for c in range(16) if patients[c] == p]) for p in sorted(set(patients))]
          for s in range(6)] for m in range(2)]
    )  # fmt: skip
    paired = by_patient[1] - by_patient[0]
    known = crossed(paired)
    assert (found.value, found.low, found.high) == pytest.approx((paired.mean(), known.low, known.high))
    assert (found.p_value, found.detectable) == pytest.approx((known.p_value, known.detectable))
    assert found.by_seed == pytest.approx(paired.mean(1))
    assert (found.patients, found.cases, found.interval) == (8, 16, "seeds and patients")
    assert found.shortage == ""


def test_a_ratio_has_the_interval_of_the_delta_method():
    values, patients = random_sample(per_patient=1)
    found = Sample.of_cases(["a", "b"], values, patients).measure(quotient)
    top, bottom = values[1, 0], values[0, 0]
    ratio = top.mean() / bottom.mean()
    known = crossed(ratio + (top - ratio * bottom) / bottom.mean())
    assert found.value == pytest.approx(ratio, rel=1e-12)
    assert (found.low, found.high) == pytest.approx((known.low, known.high), rel=1e-6)


def test_intervals_of_a_ratio_cover_the_truth():
    """Means of 10 and 12, spread over seeds, patients and the rest."""
    random, covered, tries = np.random.default_rng(0), 0, 400
    for _ in range(tries):
        values = np.array([10.0, 12.0])[:, None, None, None] + (
            0.3 * random.standard_normal((2, 1, 5, 1)) + random.standard_normal((1, 1, 1, 20))
            + random.standard_normal((2, 1, 5, 20))
        )  # fmt: skip
        found = Sample.of_cases(["a", "b"], values, [f"p{i}" for i in range(20)]).measure(quotient)
        covered += found.low <= 1.2 <= found.high
    assert covered / tries > 0.95 - 3 * np.sqrt(0.05 * 0.95 / tries)


def test_a_picked_best_of_six_equals_is_rarely_distinguished():
    random, refuted, naive, tries = np.random.default_rng(1), 0, 0, 400
    for _ in range(tries):
        sample = Sample.of_cases([*"abcdefg"], random.standard_normal((7, 1, 5, 10)), [f"p{i}" for i in range(10)])
        best = int(np.argmin(sample.means[:6, 0]))

        def behind(means, best=best):
            return means[..., best, 0] - means[..., 6, 0]

        refuted += sample.measure(behind, 6).high < 0
        naive += sample.measure(behind).high < 0
    assert refuted / tries < 0.05
    assert naive / tries > 0.04  # where 0.025 is promised


def test_more_tries_widen_the_interval():
    sample = Sample.of_cases(["a", "b"], *random_sample())
    one, six = (sample.measure(difference, tries) for tries in (1, 6))
    assert six.low < one.low < one.value == six.value < one.high < six.high


def test_one_patient_has_no_interval():
    found = Sample.of_cases(["a", "b"], random_sample()[0], ["p"] * 16).measure(difference)
    assert np.isfinite(found.value)
    assert np.isnan([found.low, found.high]).all()
    assert found.shortage == "1 patients, fewer than 6"


def test_one_seed_has_an_interval_of_patients_that_decides_nothing():
    found = Sample.of_cases(["a", "b"], *random_sample(seeds=1)).measure(difference)
    assert found.low < found.value < found.high
    assert (found.interval, found.shortage) == ("patients", "one seed")


def test_methods_that_are_the_same_differ_by_nothing():
    values, patients = random_sample(methods=1)
    found = Sample.of_cases(["a", "b"], np.concatenate([values, values]), patients).measure(difference)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_a_case_without_a_value_for_one_method_leaves_the_comparison():
    values, patients = random_sample(per_patient=1)
    full = Sample.of_cases(["a", "b"], values[..., 1:], patients[1:]).measure(difference)
    holed = values.copy()
    holed[1, :, 2, 0] = np.nan
    found = Sample.of_cases(["a", "b"], holed, patients).measure(difference)
    assert (found.value, found.low, found.high) == pytest.approx((full.value, full.low, full.high))
    assert found.by_seed == pytest.approx(full.by_seed)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"expected values \(2, quantities, seeds, 3\), got shape \(1, 1, 1, 3\)"):
        Sample.of_cases(["a", "b"], np.zeros((1, 1, 1, 3)), ["p", "q", "r"])


def test_data_sets_together_are_independent():
    one, two = (Sample.of_cases(["a", "b"], *random_sample(seed)) for seed in (1, 2))
    found = measure_together([one, two], lambda m: difference(m).mean(-1))
    each = [sample.measure(difference) for sample in (one, two)]
    assert found.value == pytest.approx(np.mean([m.value for m in each]))
    assert found.by_seed == pytest.approx(np.mean([m.by_seed for m in each], axis=0))
    # Standard errors add like independent ones; as if drawn alike they would add up. Together they have more degrees
    # of freedom, so that the interval is a little narrower than the two alone would make it.
    widths = [m.high - m.low for m in each]
    assert found.high - found.low == pytest.approx(np.hypot(*widths) / 2, rel=0.1)
    assert (found.patients, found.shortage) == (16, "")
