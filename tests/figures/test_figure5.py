"""Radar: the rule of its axes on methods with known scores."""

from __future__ import annotations

import numpy as np
import pytest
from known_scores import METRICS, known_study, noisy
from scipy import stats

from spectralcal.papers.spectral_entropy.figures import figure5
from spectralcal.statistics import crossed

HIGHER = {"DSC"}


def ladder(cell, metric, index):
    """ce is the worst in every metric, focal in the middle, spectral the best, with the same steps in every case."""
    step = {"ce": 2, "focal": 1, "spectral": 0}[cell.method]
    return 0.9 - 0.1 * step - 0.01 * index if metric in HIGHER else 1.0 + step + 0.1 * index


def test_worst_is_0_and_best_is_1_in_every_metric(tmp_path):
    made = figure5.figure5(known_study(tmp_path, ladder, methods=("ce", "focal", "spectral")), "main")
    score = made.frame.pivot(index="method", columns="metric", values="score")
    for method, expected, area in (("ce", 0.0, 0.0), ("focal", 0.5, 0.25), ("spectral", 1.0, 1.0)):
        np.testing.assert_allclose(score.loc[method], expected, atol=1e-9)
        rows = made.frame[made.frame.method == method]
        np.testing.assert_allclose(rows.area, area, atol=1e-9)
        np.testing.assert_allclose(rows[["low", "high"]], expected, atol=1e-9)  # steps are the same for all patients
    dice = made.frame[made.frame.metric == "DSC"]
    np.testing.assert_allclose(dice.worst, 70 - 3.5)
    np.testing.assert_allclose(dice.best, 90 - 3.5)
    assert "Spectral 1.00, FL 0.25, CE 0.00" in made.caption


def test_equal_methods_are_all_at_1(tmp_path):
    def same(cell, metric, index):
        return 0.1 + 0.07 * index

    made = figure5.figure5(known_study(tmp_path, same, methods=("ce", "focal", "spectral")), "main")
    assert (made.frame[["score", "low", "high", "area"]] == 1.0).all().all()


def test_data_sets_are_averaged_after_normalising(tmp_path):
    def value(cell, metric, index):
        turned = cell.dataset == "acdc"  # there the order is the other way round, on another scale
        step = {"ce": 2, "spectral": 0}[cell.method]
        step = (2 - step) * 0.01 if turned else step
        return 0.9 - 0.1 * step if metric in HIGHER else 1.0 + step

    made = figure5.figure5(known_study(tmp_path, value, datasets=("phantom", "acdc")), "main")
    np.testing.assert_allclose(made.frame.score, 0.5, atol=1e-9)
    assert made.frame.worst.isna().all()
    assert "mean over the data sets" in made.caption


def test_a_data_set_can_be_shown_by_itself(tmp_path):
    def value(cell, metric, index):
        return None if cell.dataset == "acdc" else ladder(cell, metric, index)

    results = known_study(tmp_path, value, datasets=("phantom", "acdc"), methods=("ce", "focal", "spectral"))
    assert figure5.figure5(results, "main").frame.score.isna().all()
    made = figure5.figure5(results, "main", dataset="phantom")
    assert set(made.frame[made.frame.method == "spectral"].score) == {1.0}
    assert made.frame.worst.notna().all()
    assert "mean over the data sets" not in made.caption
    assert "missing" not in made.caption


def test_intervals_are_those_of_loops(tmp_path):
    """Of the difference to cross-entropy, in lengths of the axis, over two data sets."""
    methods, names, cases = ("ce", "focal", "spectral"), ("phantom", "acdc"), {"phantom": 7, "acdc": 9}
    results = known_study(tmp_path, noisy, methods=methods, datasets=names, cases=cases, seeds=(0, 1, 2))
    found = figure5.figure5(results, "main").frame.set_index(["method", "metric"])
    scores = results.scores("main")
    for metric in METRICS:
        tables = {
            (name, method): rows.pivot(index="seed", columns="case", values="value").to_numpy()
            for (name, method), rows in scores[scores.metric == metric].groupby(["dataset", "method"])
        }
        for method in methods:
            variance = smaller = score = 0.0
            for name in names:
                means = [tables[name, other].mean() for other in methods]
                worst, best = (min(means), max(means)) if metric in HIGHER else (max(means), min(means))
                score += (tables[name, method].mean() - worst) / (best - worst) / 2
                one = crossed((tables[name, method] - tables[name, "ce"]) / (best - worst) / 2)
                variance, smaller = variance + one.se**2, smaller + (one.se**4 / one.df if one.se else 0.0)
            half = stats.t.ppf(0.975, variance**2 / smaller) * np.sqrt(variance) if variance else 0.0
            row = found.loc[(method, metric)]
            assert (row.score, row.low, row.high) == pytest.approx((score, score - half, score + half))


def test_without_the_baseline_there_are_no_bars(tmp_path):
    results = known_study(tmp_path, lambda cell, *a: None if cell.method == "ce" else ladder(cell, *a),
                          methods=("ce", "focal", "spectral"))  # fmt: skip
    made = figure5.figure5(results, "main")
    assert made.frame.low.isna().all()
    assert "intervals" not in made.caption


def test_method_that_lacks_a_metric_has_no_polygon_and_is_named(tmp_path):
    def value(cell, metric, index):
        if cell.method == "focal" and (metric == "TACE" or cell.dataset == "acdc"):
            return None if cell.dataset == "acdc" else np.nan
        return ladder(cell, metric, index)

    results = known_study(tmp_path, value, datasets=("phantom", "acdc"), methods=("ce", "focal", "spectral"),
                          status="undefined")  # fmt: skip
    made = figure5.figure5(results, "main")
    focal = made.frame[made.frame.method == "focal"]
    assert focal.area.isna().all()
    assert focal.score.isna().all()
    assert "With missing seeds, data sets or metrics: FL." in made.caption
    # The scale is that of the methods which are complete.
    assert set(made.frame[made.frame.method == "spectral"].score) == {1.0}


def test_normalising_known_means():
    among = np.array([True, True, False, True])
    found = figure5.normalised(np.array([10.0, 20.0, 90.0, 15.0]), False, among)
    np.testing.assert_allclose(found[among], [1.0, 0.0, 0.5])
    assert np.isnan(found[2])
    np.testing.assert_allclose(figure5.normalised(np.array([1.0, 3.0]), True, np.array([True, True])), [0, 1])


@pytest.mark.parametrize(
    ("scores", "area"), [([1] * 6, 1.0), ([1, 0] * 3, 0.0), ([0.5] * 6, 0.25), ([1, 1, 0, 0, 0, 0], 1 / 6)]
)
def test_area_of_known_polygons(scores, area):
    assert figure5.polygon_area(np.array(scores, dtype=float)) == pytest.approx(area)


def test_radar_has_an_axis_a_metric_and_a_closed_line_a_method(tmp_path):
    made = figure5.figure5(known_study(tmp_path, ladder, methods=("ce", "focal", "spectral")), "main")
    radar = next(axes for axes in made.drawing.axes if axes.name == "polar")
    assert [text.get_text() for text in radar.texts] == list(METRICS)
    closed = [line for line in radar.lines if len(line.get_xdata()) == 7 and line.get_linewidth() > 0.6]
    assert len(closed) == 3
