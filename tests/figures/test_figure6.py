"""Distributions by case: known variance ratios, against loops."""

from __future__ import annotations

import numpy as np
import pytest
from known_scores import known_study
from matplotlib.collections import FillBetweenPolyCollection
from slow_interval import interval

from spectralcal.papers.spectral_entropy.figures import figure6
from spectralcal.report.figures.spread import variance_ratio


def test_twice_the_spread_is_four_times_the_variance():
    values = np.random.default_rng(0).normal(size=(3, 12))
    found = variance_ratio(5 + 2 * values, values, np.arange(12))
    assert (found.ratio, found.low, found.high) == pytest.approx((4.0, 4.0, 4.0))
    assert found.cases == 12


@pytest.mark.parametrize("seeds", [1, 4])
def test_ratio_is_that_of_numpy_and_its_interval_that_of_loops(seeds):
    random = np.random.default_rng(1)
    first, second, patients = random.normal(80, 5, (seeds, 14)), random.gamma(2.0, 3.0, (seeds, 14)), np.arange(14) // 2
    found = variance_ratio(first, second, patients)
    ratio = np.mean([row.var(ddof=1) for row in first]) / np.mean([row.var(ddof=1) for row in second])
    assert found.ratio == pytest.approx(ratio)
    logs = np.zeros((seeds, 7))
    for values, sign in ((first, 1), (second, -1)):
        mean = np.mean([row.var() for row in values])
        for s in range(seeds):
            for case in range(14):
                logs[s, patients[case]] += sign * (values[s, case] - values[s].mean()) ** 2 / mean / 2
    _, low, high = interval(logs.tolist())
    assert (found.low, found.high) == pytest.approx((ratio * np.exp(low), ratio * np.exp(high)))


def test_the_interval_covers_the_ratio_of_two_populations():
    covered = 0
    for seed in range(300):
        random = np.random.default_rng(seed)
        hard = random.normal(0, 1, 40)
        first = 1.5 * hard + random.normal(0, 1, (5, 40))
        second = hard + random.normal(0, 1, (5, 40))
        found = variance_ratio(first, second, np.arange(40))
        covered += found.low <= 3.25 / 2 <= found.high
    assert 0.9 <= covered / 300 <= 0.985


def test_only_cases_of_both_count():
    first, second = np.array([[1.0, 2.0, np.nan, 4.0, 9.0]]), np.array([[2.0, 4.0, 5.0, 8.0, np.nan]])
    found = variance_ratio(first, second, np.arange(5))
    assert found.cases == 3
    assert found.ratio == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("first", "second"),
    [([[1.0, 2.0, 3.0]], [[5.0, 5.0, 5.0]]), ([[1.0]], [[2.0]]), ([[]], [[]]), (np.zeros((0, 3)),) * 2],
)
def test_nothing_to_compare_is_nan(first, second):
    found = variance_ratio(np.array(first), np.array(second), np.arange(np.shape(first)[1]))
    assert np.isnan([found.ratio, found.low, found.high, found.detectable]).all()


def test_one_patient_has_a_ratio_and_no_interval():
    found = variance_ratio(np.array([[1.0, 3.0]]), np.array([[1.0, 2.0]]), np.array(["a", "a"]))
    assert found.ratio == pytest.approx(4.0)
    assert np.isnan([found.low, found.high]).all()


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="expected values and baseline"):
        variance_ratio(np.zeros((1, 3)), np.zeros((1, 4)), np.zeros(3))


def wide(cell, metric, index):
    """Cases from -1 to 1 around a middle; ours spreads half as much."""
    spread = (index - 5.5) / 5.5 * (0.5 if cell.method == "spectral" else 1.0)
    return 0.7 + 0.2 * spread if metric == "DSC" else 0.03 + 0.02 * spread


def test_summary_of_known_cases(tmp_path):
    made = figure6.figure6(known_study(tmp_path, wide, cases=12), "main")
    summary = made.frame[made.frame.level == "summary"].set_index(["metric", "method"])
    for metric in ("DSC", "ECE"):
        found = summary.loc[metric, "spectral"]
        assert (found.ratio, found.ratio_low, found.ratio_high) == pytest.approx((0.25, 0.25, 0.25))
        assert found.sd == pytest.approx(summary.loc[metric, "ce"].sd / 2)
    assert summary.loc["DSC", "ce"].value == pytest.approx(70.0)
    assert (made.frame.level == "case").sum() == 2 * 2 * 12
    titles = [axes.get_title(loc="right") for axes in made.drawing.axes]
    assert titles == ["variance ratio 0.25 [0.25, 0.25], n = 12"] * 2


@pytest.mark.parametrize(("cases", "densities"), [(12, 2), (8, 0)])
def test_density_is_drawn_only_of_enough_cases(tmp_path, cases, densities):
    made = figure6.figure6(known_study(tmp_path, wide, cases=cases), "main")
    clouds = [c for c in made.drawing.axes[0].collections if isinstance(c, FillBetweenPolyCollection)]
    assert len(clouds) == densities
    assert ("No density below 10 cases" in made.caption) == (densities == 0)


def test_every_case_is_joined_with_itself(tmp_path):
    made = figure6.figure6(known_study(tmp_path, wide, cases=6), "main")
    joined = [line for line in made.drawing.axes[0].lines if list(line.get_ydata()) == [0, 1]]
    assert len(joined) == 6


def test_method_without_results_leaves_its_row_empty(tmp_path):
    results = known_study(tmp_path, lambda cell, *a: None if cell.method == "spectral" else wide(cell, *a))
    made = figure6.figure6(results, "main")
    assert "Without results: Spectral." in made.caption
    assert made.drawing.axes[0].get_title(loc="right") == "variance ratio: none"
    assert [text.get_text() for text in made.drawing.axes[0].texts] == ["missing"]
