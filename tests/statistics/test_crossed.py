"""The one interval: algebra, limit cases, error rate and power by brute force, and what it refuses to decide."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from slow_interval import interval

from spectralcal.statistics.crossed import FEWEST_SEEDS, crossed, crossed_many, mean_squares, near_null, together

#: standard deviations of seeds, patients and the rest, and test patients, of paired differences between methods that
#: do next to nothing, in the published cells (hippocampus with 43 volumes, ACDC with 17 patients)
COMPONENTS = {
    "hippocampus ECE": (0.10, 0.09, 0.71, 43),
    "hippocampus TACE": (1.4, 0.2, 1.7, 43),
    "hippocampus Dice": (0.0, 0.0, 1.3, 43),
    "ACDC ECE": (0.28, 0.77, 2.5, 17),
    "ACDC TACE": (1.4, 2.0, 3.8, 17),
    "ACDC Dice": (1.1, 0.0, 4.7, 17),
}
TRIES = 20_000


def drawn(parts, seeds, tries=1, seed=0):
    between, among, rest, people = parts
    random = np.random.default_rng(seed)
    table = between * random.standard_normal((tries, seeds, 1)) + among * random.standard_normal((tries, 1, people))
    return table + rest * random.standard_normal((tries, seeds, people))


def many(tables):
    """Estimates, standard errors and degrees of freedom of many tables at once, written out a second time."""
    _, seeds, people = tables.shape
    mean = tables.mean((1, 2))
    rows, columns = tables.mean(2), tables.mean(1)
    between = people * ((rows - mean[:, None]) ** 2).sum(1) / (seeds - 1)
    among = seeds * ((columns - mean[:, None]) ** 2).sum(1) / (people - 1)
    rest = ((tables - rows[:, :, None] - columns[:, None] + mean[:, None, None]) ** 2).sum((1, 2))
    rest /= (seeds - 1) * (people - 1)
    extra = np.maximum(among - rest, 0)
    df = (between + extra) ** 2 / (between**2 / (seeds - 1) + extra**2 / (people - 1))
    return mean, np.sqrt((between + extra) / (seeds * people)), np.maximum(df, 1)


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("name", COMPONENTS)
def test_five_percent_are_wrong_when_nothing_differs(name, seeds):
    mean, se, df = many(drawn(COMPONENTS[name], seeds, TRIES))
    rate = np.mean(2 * stats.t.sf(abs(mean / se), df) < 0.05)
    error = 3 * np.sqrt(0.05 * 0.95 / TRIES)
    assert 0.04 - error <= rate <= 0.065 + error


@pytest.mark.parametrize("seeds", [5, 10])
@pytest.mark.parametrize("skewness", [1, 4])
def test_intervals_of_skewed_errors_of_seventeen_patients_nearly_keep_their_coverage(skewness, seeds):
    """Calibration errors have a long right tail; of intervals that miss, most then lie too low."""
    between, among, rest, people = COMPONENTS["ACDC ECE"]
    shape = 4 / skewness**2  # of a gamma distribution

    def skewed(*size):
        return (random.gamma(shape, 1, size) - shape) / np.sqrt(shape)

    random = np.random.default_rng(0)
    table = between * random.standard_normal((TRIES, seeds, 1)) + among * skewed(TRIES, 1, people)
    mean, se, df = many(table + rest * skewed(TRIES, seeds, people))
    half = stats.t.ppf(0.975, df) * se
    too_high, too_low = np.mean(mean - half > 0), np.mean(mean + half < 0)
    assert 0.93 - 3 * np.sqrt(0.05 * 0.95 / TRIES) <= 1 - too_high - too_low <= 0.96
    assert too_low > too_high


def test_the_written_out_form_is_the_functions():
    tables = drawn(COMPONENTS["ACDC TACE"], 5, 20)
    for table, mean, se, df in zip(tables, *many(tables), strict=True):
        found = crossed(table)
        assert (found.estimate, found.se, found.df) == pytest.approx((mean, se, df))
        assert found.p_value == pytest.approx(2 * stats.t.sf(abs(mean / se), df))
        assert found.low == pytest.approx(mean - stats.t.ppf(0.975, df) * se)


def test_an_interval_over_patients_alone_is_wrong_far_more_often():
    """Why the rule is what it is: with the variance of TACE on hippocampus, three seeds."""
    tables = drawn(COMPONENTS["hippocampus TACE"], 3, 4000).mean(1)
    rate = np.mean(stats.ttest_1samp(tables, 0, axis=1).pvalue < 0.05)
    assert rate > 0.4


@pytest.mark.parametrize("name", ["hippocampus ECE", "ACDC Dice"])
def test_power_rises_with_seeds(name):
    between, among, rest, people = COMPONENTS[name]
    powers = []
    for seeds in (3, 5, 10):
        effect = 3 * np.sqrt(between**2 / 5 + among**2 / people + rest**2 / (5 * people))
        mean, se, df = many(drawn((between, among, rest, people), seeds, 4000) + effect)
        powers.append(np.mean(2 * stats.t.sf(abs(mean / se), df) < 0.05))
    assert powers[0] < powers[1] < powers[2]


def test_the_detectable_effect_is_found_in_four_of_five_studies():
    parts = COMPONENTS["hippocampus ECE"]
    _, se, df = many(drawn(parts, 5, 4000))
    typical = np.median(df)  # of the true standard error, which single studies scatter around
    effect = (stats.t.ppf(0.975, typical) + stats.t.ppf(0.8, typical)) * np.sqrt(np.mean(se**2))
    mean, se, df = many(drawn(parts, 5, 4000, seed=1) + effect)
    assert np.mean(2 * stats.t.sf(abs(mean / se), df) < 0.05) == pytest.approx(0.8, abs=0.06)
    one = crossed(drawn(parts, 5)[0])
    assert one.detectable == pytest.approx((stats.t.ppf(0.975, one.df) + stats.t.ppf(0.8, one.df)) * one.se)


def test_mean_squares_are_those_of_the_two_way_analysis_of_variance():
    table = drawn(COMPONENTS["ACDC ECE"], 4)[0]
    pandas = pytest.importorskip("pandas")
    formula = pytest.importorskip("statsmodels.formula.api")
    from statsmodels.stats.anova import anova_lm

    seeds, people = np.indices(table.shape)
    frame = pandas.DataFrame({"y": table.ravel(), "s": seeds.ravel(), "p": people.ravel()})
    made = anova_lm(formula.ols("y ~ C(s) + C(p)", frame).fit())
    squares = made.sum_sq / made.df
    assert mean_squares(table) == pytest.approx(tuple(squares[["C(s)", "C(p)", "Residual"]]))


def test_without_differences_between_seeds_it_is_the_t_test_of_patients():
    row = np.random.default_rng(0).standard_normal(12)
    found, expected = crossed(np.tile(row, (6, 1))), stats.ttest_1samp(row, 0)
    interval = expected.confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.df == pytest.approx(11)


def test_without_differences_between_patients_it_is_the_t_test_of_seeds():
    column = np.random.default_rng(1).standard_normal(7)
    found, expected = crossed(np.tile(column[:, None], (1, 30))), stats.ttest_1samp(column, 0)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.df == pytest.approx(6)


def test_cases_of_a_patient_are_one_observation():
    values = np.random.default_rng(2).standard_normal((5, 8))
    doubled = crossed(np.repeat(values, 2, axis=1), [f"p{i // 2}" for i in range(16)])
    assert doubled == crossed(values)


def test_patients_that_a_seed_lacks_are_left_out_and_counted():
    values = np.random.default_rng(3).standard_normal((5, 9))
    values[2, 4] = np.nan
    values[:, 8] = np.nan
    found = crossed(values)
    assert (found.patients, found.dropped) == (7, 1)
    assert found.estimate == pytest.approx(np.delete(values, [4, 8], axis=1).mean())


@pytest.mark.parametrize("seeds", [0, 1, 2, 5])
def test_many_at_once_are_each_by_itself(seeds):
    """Points of a curve, among them ones that some patients lack, all lack, one has, and that do not vary."""
    random = np.random.default_rng(6)
    values = random.standard_normal((3, 4, seeds, 12)) + random.standard_normal((3, 4, seeds, 1))
    values[0, 0, :, 2:5] = np.nan
    values[0, 1] = np.nan
    values[0, 2, :, 2:] = np.nan
    values[1] = 7.0
    if seeds > 1:
        values[2, 3, 1, 9] = np.nan
    patients = [f"p{i // 2}" for i in range(12)]
    for labels in (None, patients):
        found = crossed_many(values, labels, level=0.9)
        for place in np.ndindex(3, 4):
            one = crossed(values[place], labels, level=0.9)
            got = [array[place] for array in found]
            np.testing.assert_allclose(got, [one.estimate, one.low, one.high], rtol=1e-12, equal_nan=True)


def test_many_at_once_against_loops():
    values = np.random.default_rng(7).gamma(2.0, 1.0, (6, 5, 9))
    found = crossed_many(values)
    for i, table in enumerate(values):
        assert (found.estimate[i], found.low[i], found.high[i]) == pytest.approx(interval(table.tolist()))
        assert (found.low[i], found.high[i]) == pytest.approx((crossed(table).low, crossed(table).high))


def test_one_seed_gives_an_interval_of_patients_that_decides_nothing():
    row = np.random.default_rng(4).standard_normal((1, 20)) + 9
    found = crossed(row)
    assert found.over == "patients"
    assert found.shortage == "one seed"
    assert found.low == pytest.approx(stats.ttest_1samp(row[0], 0).confidence_interval().low)
    assert np.isnan(found.detectable)


@pytest.mark.parametrize(
    ("seeds", "people", "said"), [(4, 20, "4 seeds, fewer than 5"), (5, 5, "5 patients"), (5, 6, "")]
)
def test_what_is_too_few_is_said(seeds, people, said):
    assert crossed(np.random.default_rng(5).standard_normal((seeds, people))).shortage[: len(said) or 99] == said
    assert FEWEST_SEEDS == 5


def test_nothing_at_all_and_one_patient():
    assert np.isnan(crossed(np.full((3, 4), np.nan)).estimate)
    one = crossed(np.ones((3, 1)))
    assert one.estimate == 1
    assert np.isnan([one.low, one.p_value]).all()


def test_equal_numbers_have_a_point_as_interval():
    found = crossed(np.full((5, 8), 2.0))
    assert (found.low, found.high, found.p_value) == (2, 2, 0)
    assert crossed(np.zeros((5, 8))).p_value == 1


def test_a_pooled_mean_square_of_seeds_has_the_degrees_of_freedom_of_all_variants():
    tables = [drawn(COMPONENTS["hippocampus ECE"], 3, seed=i)[0] for i in range(8)]
    pooled = near_null(tables)
    assert pooled.df == 16
    assert pooled.mean_square == pytest.approx(np.mean([mean_squares(table)[0] for table in tables]))
    narrow = [crossed(table, near_null=pooled) for table in tables]
    assert np.mean([c.high - c.low for c in narrow]) < np.mean([c.high - c.low for c in map(crossed, tables)])


def test_data_sets_together():
    parts = [crossed(drawn(COMPONENTS[name], 5)[0]) for name in ("hippocampus ECE", "ACDC ECE")]
    both = together(parts, sum(part.estimate for part in parts))
    assert both.se == pytest.approx(np.hypot(parts[0].se, parts[1].se))
    assert min(part.df for part in parts) <= both.df <= sum(part.df for part in parts)
    assert both.patients == 17


@pytest.mark.parametrize(
    ("values", "patients", "message"),
    [
        (np.zeros(4), None, "expected values"),
        (np.zeros((2, 4)), ["a"] * 3, "expected values"),
        (np.full((2, 4), np.inf), None, "8 infinite"),
    ],
)
def test_what_is_no_table_is_refused(values, patients, message):
    with pytest.raises(ValueError, match=message):
        crossed(values, patients)
    with pytest.raises(ValueError, match=message):
        crossed_many(values, patients)
