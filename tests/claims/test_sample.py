"""Resampling of several methods together."""

import numpy as np
import pytest
from scipy import stats

from spectralcal.report.claims.sample import DRAWS, Sample, interval, measure_together
from spectralcal.statistics.weighted import patient_draws


def difference(means):
    return means[..., 1, 0] - means[..., 0, 0]


def random_sample(seed=0, methods=2, quantities=2, seeds=3, cases=12, per_patient=2):
    values = np.random.default_rng(seed).standard_normal((methods, quantities, seeds, cases))
    patients = [f"p{case // per_patient}" for case in range(cases)]
    return values, patients


def test_estimate_seeds_and_interval_equal_a_slow_computation():
    values, patients = random_sample()
    found = Sample.of_cases(["a", "b"], values, patients).measure(difference)
    by_patient = np.array(
        [[[np.mean([values[m, 0, s, c] for c in range(12) if patients[c] == p]) for p in sorted(set(patients))]
          for s in range(3)] for m in range(2)]
    )  # fmt: skip
    paired = by_patient[1] - by_patient[0]
    assert found.value == pytest.approx(paired.mean())
    assert found.by_seed == pytest.approx(paired.mean(1))
    weights = patient_draws(sorted(set(patients)), DRAWS)
    drawn = (weights * paired.mean(0)).sum(1) / weights.sum(1)
    tail = stats.norm.cdf(np.sqrt(6 / 5) * stats.t.ppf(0.025, 5))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [tail, 1 - tail])))
    assert (found.patients, found.cases) == (6, 12)


def test_intervals_of_few_patients_cover_the_truth():
    """The plain percentile interval of eight normal values covers their mean in 89 of 100 cases."""
    random, covered, plain = np.random.default_rng(0), 0, 0
    weights = patient_draws([f"p{i}" for i in range(8)], DRAWS) / 8
    for _ in range(600):
        drawn = weights @ random.standard_normal(8)
        low, high = interval(drawn, 8)
        covered += low <= 0 <= high
        plain += np.quantile(drawn, 0.025) <= 0 <= np.quantile(drawn, 0.975)
    assert covered / 600 > 0.92  # three standard errors below 0.95
    assert plain / 600 < 0.92


def test_a_picked_best_of_six_equals_is_rarely_told_apart():
    random, refuted, naive = np.random.default_rng(1), 0, 0
    weights = patient_draws([f"p{i}" for i in range(10)], DRAWS) / 10
    for _ in range(400):
        values = random.standard_normal((7, 10))
        drawn = weights @ (values[np.argmin(values[:6].mean(1))] - values[6])
        refuted += interval(drawn, 10, 6)[1] < 0
        naive += interval(drawn, 10)[1] < 0
    assert refuted / 400 < 0.05
    assert naive / 400 > 0.07


def test_more_tries_widen_the_interval():
    sample = Sample.of_cases(["a", "b"], *random_sample())
    one, six = (sample.measure(difference, tries) for tries in (1, 6))
    assert six.low < one.low < one.value == six.value < one.high < six.high


def test_one_patient_has_no_interval():
    assert np.isnan(interval(np.ones(10), 1)).all()
    assert np.isnan(interval(np.full(10, np.nan), 9)).all()


def test_methods_that_are_the_same_differ_by_nothing():
    values, patients = random_sample(methods=1)
    found = Sample.of_cases(["a", "b"], np.concatenate([values, values]), patients).measure(difference)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_a_case_without_a_value_for_one_method_leaves_the_comparison():
    values, patients = random_sample(per_patient=1)
    full = Sample.of_cases(["a", "b"], values[..., 1:], patients[1:]).measure(difference)
    holed = values.copy()
    holed[1, 0, 2, 0] = np.nan
    found = Sample.of_cases(["a", "b"], holed, patients).measure(difference)
    assert found.value == pytest.approx(full.value)
    assert found.by_seed == pytest.approx(full.by_seed)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"expected values \(2, quantities, seeds, 3\), got shape \(1, 1, 1, 3\)"):
        Sample.of_cases(["a", "b"], np.zeros((1, 1, 1, 3)), ["p", "q", "r"])


def test_data_sets_together_draw_their_patients_apart():
    one, two = (Sample.of_cases(["a", "b"], *random_sample(seed)) for seed in (1, 2))
    found = measure_together([one, two], lambda m: difference(m).mean(-1))
    each = [sample.measure(difference) for sample in (one, two)]
    assert found.value == pytest.approx(np.mean([m.value for m in each]))
    assert found.by_seed == pytest.approx(np.mean([m.by_seed for m in each], axis=0))
    # Drawn apart, the half-widths add like independent errors; drawn alike, they would add up.
    widths = [m.high - m.low for m in each]
    assert found.high - found.low == pytest.approx(np.hypot(*widths) / 2, rel=0.15)
    assert found.patients == 12
