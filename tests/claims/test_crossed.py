"""The inference of our own hypotheses against a model whose truth is known, and against values worked out by hand."""

import numpy as np
import pytest

from spectralcal.papers.spectral_entropy.claims._crossed import Contrast, holm


def test_mean_squares_by_hand():
    d = np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 8.0]])
    found = Contrast.of(d)
    ms_seed = 3 * ((2 - 3.5) ** 2 + (5 - 3.5) ** 2)
    ms_patient = 2 * sum((m - 3.5) ** 2 for m in (2, 3, 5.5)) / 2
    rest = d - d.mean(1, keepdims=True) - d.mean(0) + 3.5
    extra = max(ms_patient - (rest**2).sum() / 2, 0)
    numerator = ms_seed + extra
    assert extra > 0
    assert found.value == 3.5
    assert found.error == pytest.approx(np.sqrt(numerator / 6))
    assert found.freedom == pytest.approx(numerator**2 / (ms_seed**2 / 1 + extra**2 / 2))
    assert found.by_seed == (2.0, 5.0)


def test_without_patients_that_differ_it_is_the_t_test_over_seeds():
    from scipy import stats

    seeds = np.random.default_rng(0).standard_normal(6)
    found = Contrast.of(np.repeat(seeds[:, None], 9, axis=1))
    known = stats.ttest_1samp(seeds, 0)
    assert found.p == pytest.approx(known.pvalue)
    assert found.ends == pytest.approx(tuple(known.confidence_interval()))


@pytest.mark.parametrize(("seeds", "sds"), [(5, (0.1, 0.1, 0.7)), (5, (1.4, 0.2, 1.7)), (10, (0.3, 0.8, 2.5))])
def test_one_in_twenty_intervals_misses_a_difference_of_nothing(seeds, sds):
    """Variance components like those of the first study: seed, patient, rest."""
    random, count, patients, missed = np.random.default_rng(1), 2000, 43, 0
    for _ in range(count):
        d = (sds[0] * random.standard_normal((seeds, 1)) + sds[1] * random.standard_normal((1, patients))
             + sds[2] * random.standard_normal((seeds, patients)))  # fmt: skip
        missed += Contrast.of(d).p < 0.05
    assert 0.03 < missed / count < 0.07


def test_the_detectable_difference_is_found_four_times_in_five():
    random, count = np.random.default_rng(2), 1000
    one = Contrast.of(random.standard_normal((10, 43)))
    effect = np.sqrt(1 / 430) * (one.detectable / one.error)
    hits = 0
    for _ in range(count):
        found = Contrast.of(effect + random.standard_normal((10, 43)))
        hits += found.p < 0.05 and found.value > 0
    assert 0.7 < hits / count < 0.9


def test_patients_without_a_value_are_left_out_and_too_few_are_refused():
    d = np.arange(12.0).reshape(3, 4)
    holed = d.copy()
    holed[1, 2] = np.nan
    assert Contrast.of(holed) == Contrast.of(np.delete(d, 2, axis=1))
    with pytest.raises(ValueError, match="at least two seeds and two patients"):
        Contrast.of(d[:1])


def test_shortage_names_what_is_short():
    assert Contrast.of(np.zeros((4, 43))).shortage == "4 seeds, fewer than 5"
    assert "3 test patients" in Contrast.of(np.zeros((5, 3))).shortage
    assert Contrast.of(np.zeros((5, 43))).shortage == ""


def test_holm_in_the_given_order():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}
