"""Accuracy against calibration: who is on the front, with intervals free of what patients share."""

from __future__ import annotations

import numpy as np
import pytest
from known_scores import known_study

from spectralcal.errors import ConfigError
from spectralcal.figures import pareto as figure

#: Dice and ECE of each method; focal is beaten by spectral in both, mbls and spectral trade
PLACES = {"ce": (0.80, 0.05), "focal": (0.70, 0.04), "mbls": (0.75, 0.01), "spectral": (0.78, 0.02)}


def known(cell, metric, index):
    """Patients differ tenfold more than methods, and all methods find the same ones hard."""
    dice, ece = PLACES[cell.method]
    return dice - 0.05 * index if metric == "DSC" else ece + 0.1 * index


def test_front_and_exact_intervals(tmp_path):
    made = figure.pareto(known_study(tmp_path, known, methods=tuple(PLACES)), "main")
    rows = made.frame.set_index("method")
    assert dict(rows.front) == {"ce": True, "focal": False, "mbls": True, "spectral": True}
    assert dict(rows.share) == {"ce": 1.0, "focal": 0.0, "mbls": 1.0, "spectral": 1.0}
    for method, (dice, ece) in PLACES.items():
        np.testing.assert_allclose(rows.loc[method, ["x", "x_low", "x_high"]].astype(float), 100 * dice - 17.5)
        np.testing.assert_allclose(rows.loc[method, ["y", "y_low", "y_high"]].astype(float), 1000 * ece + 350)
    assert "CE 100, MbLS 100, Ours 100" in made.caption


def test_undominated_against_a_loop():
    values = np.random.default_rng(0).integers(0, 4, size=(2, 30, 6)).astype(float)
    found = figure.undominated(values)
    for draw in range(30):
        points = values[:, draw].T
        expected = [not any((q <= p).all() and (q < p).any() for q in points) for p in points]
        assert found[draw].tolist() == expected


def test_equal_methods_are_all_on_the_front():
    assert figure.undominated(np.ones((2, 3))).all()


def test_front_is_a_staircase_on_the_worse_side(tmp_path):
    made = figure.pareto(known_study(tmp_path, known, methods=tuple(PLACES)), "main")
    (stairs,) = [line for line in made.drawing.axes[0].lines if line.get_drawstyle() == "steps-pre"]
    assert list(stairs.get_xdata()) == sorted(stairs.get_xdata())
    assert list(stairs.get_ydata()) == sorted(stairs.get_ydata())


def test_errors_that_span_decades_are_on_a_logarithmic_axis(tmp_path):
    def value(cell, metric, index):
        return 0.8 if metric == "DSC" else {"ce": 0.2, "spectral": 0.002}[cell.method]

    assert figure.pareto(known_study(tmp_path, value), "main").drawing.axes[0].get_yscale() == "log"


def test_other_metrics_and_data_sets(tmp_path):
    results = known_study(
        tmp_path, known, methods=tuple(PLACES), datasets=("phantom", "acdc", "hippocampus", "promise12")
    )
    made = figure.pareto(results, "main", accuracy="HD95", calibration="SCE")
    shown = [axes for axes in made.drawing.axes if axes.axison]
    assert len(shown) == 4
    assert shown[0].get_xlabel() == "HD95 (mm), lower is better"
    assert len(made.frame) == 16
    with pytest.raises(ConfigError, match=r"metric: expected .* received 'Dice'"):
        figure.pareto(results, "main", accuracy="Dice")


def test_method_without_results_is_named_and_not_on_the_front(tmp_path):
    results = known_study(tmp_path, lambda cell, *a: None if cell.method == "mbls" else known(cell, *a),
                          methods=tuple(PLACES))  # fmt: skip
    made = figure.pareto(results, "main")
    row = made.frame.set_index("method").loc["mbls"]
    assert (row.front, row.status) == (False, "missing")
    assert np.isnan(row.share)
    assert "Without results: MbLS." in made.caption
    assert [text.get_text() for text in made.drawing.legends[0].get_texts()] == ["CE", "FL", "MbLS (missing)", "Ours"]
