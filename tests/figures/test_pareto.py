"""Accuracy against calibration: who is on the front, who is beaten, intervals free of what patients share."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from known_scores import known_study, noisy
from slow_interval import interval

from spectralcal.base.errors import ConfigError
from spectralcal.report.figures import pareto as figure

#: Dice and ECE of each method; focal is beaten by spectral in both, mbls and spectral trade
PLACES = {"ce": (0.80, 0.05), "focal": (0.70, 0.04), "mbls": (0.75, 0.01), "spectral": (0.78, 0.02)}


def known(cell, metric, index):
    """Patients differ tenfold more than methods, and all methods find the same ones hard."""
    dice, ece = PLACES[cell.method]
    return dice - 0.05 * index if metric == "DSC" else ece + 0.1 * index


def by_seed(cell, metric, index):
    """Seeds differ, and the more the higher they are: in Dice by -0.02 or -0.08, in ECE by 0.001 or 0.004."""
    moved = {0: 0.0, 1: 1.0, 2: 4.0}[cell.seed]
    return known(cell, metric, index) + (-0.02 if metric == "DSC" else 0.001) * moved


def means_of(made):
    return made.frame[made.frame.level == "mean"].set_index("method")


def drawn_at(axes, marker):
    """(points, 2) of all lines with a marker."""
    return np.concatenate([line.get_xydata() for line in axes.lines if line.get_marker() == marker])


def test_front_and_exact_intervals(tmp_path):
    made = figure.pareto(known_study(tmp_path, known, methods=tuple(PLACES), seeds=range(5)), "main")
    rows = means_of(made)
    assert dict(rows.front) == {"ce": True, "focal": False, "mbls": True, "spectral": True}
    assert dict(rows.beaten_by) == {"ce": "", "focal": "mbls; spectral", "mbls": "", "spectral": ""}
    for method, (dice, ece) in PLACES.items():
        np.testing.assert_allclose(rows.loc[method, ["x", "x_low", "x_high"]].astype(float), 100 * dice - 17.5)
        np.testing.assert_allclose(rows.loc[method, ["y", "y_low", "y_high"]].astype(float), 1000 * ece + 350)
    assert (
        "Hollow markers: another method is better in both by the intervals of both paired differences, " in made.caption
    )
    assert "with Bonferroni's correction for 3 others: FL (by MbLS, Spectral)." in made.caption
    hollow = [line for line in made.drawing.axes[0].lines if line.get_markerfacecolor() == "white"]
    assert [tuple(line.get_xydata()[0]) for line in hollow] == [(pytest.approx(52.5), pytest.approx(390))]


def test_with_three_seeds_nothing_is_marked_as_beaten(tmp_path):
    made = figure.pareto(known_study(tmp_path, known, methods=tuple(PLACES), seeds=range(3)), "main")
    assert (means_of(made).beaten_by == "").all()
    assert "No method is marked as beaten in both: 3 seeds, fewer than 5." in made.caption
    assert not [line for line in made.drawing.axes[0].lines if line.get_markerfacecolor() == "white"]


def random_places(cell, metric, index):
    step = {"ce": 0.0, "focal": 0.02, "mbls": 0.05, "spectral": 0.1}[cell.method]
    value = noisy(cell, metric, index)
    return value + step if metric == "DSC" else value - step / 5


def test_bars_and_who_is_beaten_by_loops(tmp_path):
    """Better in Dice and ECE by more and more, on scores that vary by seed and patient."""
    results = known_study(tmp_path, random_places, methods=tuple(PLACES), seeds=range(5), cases=10)
    rows, scores = means_of(figure.pareto(results, "main")), results.scores("main")
    table = {
        (method, metric): scores[(scores.method == method) & (scores.metric == metric)]
        .pivot(index="seed", columns="case", values="value").to_numpy() * scale
        for method in PLACES for metric, scale in (("DSC", 100), ("ECE", 1000))
    }  # fmt: skip
    for method in PLACES:
        for axis, metric in (("x", "DSC"), ("y", "ECE")):
            mean, low, high = interval((table[method, metric] - table["ce", metric]).tolist())
            shift = table[method, metric].mean() - mean
            found = rows.loc[method, [f"{axis}_low", f"{axis}_high"]].astype(float)
            np.testing.assert_allclose(found, [low + shift, high + shift])
        beaten = []
        for other in PLACES:
            dice = interval((table[other, "DSC"] - table[method, "DSC"]).tolist(), 1 - 0.05 / 3)
            ece = interval((table[other, "ECE"] - table[method, "ECE"]).tolist(), 1 - 0.05 / 3)
            beaten += [other] if other != method and dice[1] > 0 and ece[2] < 0 else []
        assert rows.beaten_by[method] == "; ".join(beaten)
    assert 0 < (rows.beaten_by != "").sum() < 4
    assert np.isnan(rows.x_detectable["ce"])
    assert rows.x_detectable["spectral"] > 0


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


def test_rows_of_seeds_are_the_means_of_their_cases(tmp_path):
    results = known_study(tmp_path, by_seed, methods=tuple(PLACES), seeds=(0, 1, 2), cases=4)
    made = figure.pareto(results, "main")
    seeds, scores = made.frame[made.frame.level == "seed"], results.scores("main")
    assert len(seeds) == 3 * len(PLACES)
    for row in seeds.itertuples():
        mine = scores[(scores.method == row.method) & (scores.seed == row.seed)].groupby("metric").value.mean()
        assert (row.x, row.y) == (pytest.approx(100 * mine["DSC"]), pytest.approx(1000 * mine["ECE"]))
    assert seeds[["x_low", "x_high", "y_low", "y_high", "front", "beaten_by"]].isna().all(axis=None)
    averaged, means = seeds.groupby("method")[["x", "y"]].mean(), means_of(made)[["x", "y"]].astype(float)
    np.testing.assert_allclose(averaged.loc[means.index], means)
    assert means_of(made).seed.isna().all()


def test_every_seed_is_a_dot_within_the_limits(tmp_path):
    made = figure.pareto(known_study(tmp_path, by_seed, methods=tuple(PLACES), seeds=(0, 1, 2), cases=4), "main")
    seeds, axes = made.frame[made.frame.level == "seed"], made.drawing.axes[0]
    np.testing.assert_allclose(np.sort(drawn_at(axes, "."), axis=0), np.sort(seeds[["x", "y"]], axis=0))
    for values, (low, high) in ((seeds.x, axes.get_xlim()), (seeds.y, axes.get_ylim())):
        assert low < values.min()
        assert values.max() < high
    bars = [line for line in axes.lines if line.get_linewidth() == 0.7 and line.get_marker() == "None"]
    dotted = [line for line in axes.lines if line.get_linewidth() == 0.6]  # through the baseline
    assert [dotted[0].get_xdata()[0], dotted[1].get_ydata()[0]] == pytest.approx(
        list(means_of(made).loc["ce", ["x", "y"]])
    )
    dots = [line for line in axes.lines if line.get_marker() == "."]
    assert max(line.get_zorder() for line in dots) < min(line.get_zorder() for line in bars)
    assert [text.get_text() for text in made.drawing.legends[0].get_texts()][-1] == "one seed"
    assert "dots, joined to their marker: the mean over cases of each seed" in made.caption
    assert "95 % intervals over seeds and patients of the difference to CE, paired by seed and patient" in made.caption


def test_a_single_seed_lies_under_its_mean_and_is_not_drawn(tmp_path):
    made = figure.pareto(known_study(tmp_path, known, methods=tuple(PLACES)), "main")
    assert not [line for axes in made.drawing.axes for line in axes.lines if line.get_marker() == "."]
    assert "dots" not in made.caption
    assert "over patients alone (one seed says nothing about another training)" in made.caption
    assert "Stepped light grey line" in made.caption


def test_methods_that_cover_each_other_are_drawn_once_more(tmp_path):
    """Two nearly equal methods, far from a third."""
    near = {"ce": (0.800, 0.0100), "spectral": (0.801, 0.0102), "focal": (0.5, 0.2)}

    def value(cell, metric, index):
        return near[cell.method][metric == "ECE"] + 1e-4 * cell.seed

    made = figure.pareto(known_study(tmp_path, value, methods=tuple(near), seeds=(0, 1)), "main")
    whole, part = made.drawing.axes
    assert part.get_title(loc="left").endswith(", enlarged")
    assert "Thin frame" in made.caption
    (left, right), (low, high) = part.get_xlim(), part.get_ylim()
    means = means_of(made)
    assert set(means.index[means.x.between(left, right) & means.y.between(low, high)]) == {"ce", "spectral"}
    (outline,) = whole.patches
    np.testing.assert_allclose(outline.get_bbox().extents, [left, low, right, high])
    near["spectral"] = (0.65, 0.05)
    alone = figure.pareto(known_study(tmp_path / "apart", value, methods=tuple(near), seeds=(0, 1)), "main")
    assert len(alone.drawing.axes) == 1
    assert "Thin frame" not in alone.caption


def test_other_metrics_and_data_sets(tmp_path):
    results = known_study(
        tmp_path, known, methods=tuple(PLACES), datasets=("phantom", "acdc", "hippocampus", "promise12")
    )
    made = figure.pareto(results, "main", accuracy="HD95", calibration="SCE")
    shown = [axes for axes in made.drawing.axes if axes.axison]
    assert len(shown) == 4
    assert shown[0].get_xlabel() == "HD95 (mm), lower is better"
    assert made.frame.groupby("level").size().to_dict() == {"mean": 16, "seed": 16}
    with pytest.raises(ConfigError, match=r"metric: expected .* received 'Dice'"):
        figure.pareto(results, "main", accuracy="Dice")


def test_method_without_results_is_named_and_not_on_the_front(tmp_path):
    results = known_study(tmp_path, lambda cell, *a: None if cell.method == "mbls" else known(cell, *a),
                          methods=tuple(PLACES))  # fmt: skip
    made = figure.pareto(results, "main")
    row = means_of(made).loc["mbls"]
    assert (row.front, row.status) == (False, "missing")
    assert pd.isna(row.beaten_by)
    assert "Without results: MbLS." in made.caption
    texts = [text.get_text() for text in made.drawing.legends[0].get_texts()]
    assert texts == ["CE", "FL", "MbLS (missing)", "Spectral"]
