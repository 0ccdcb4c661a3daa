"""Strength of the added term: what panel (d) of the training curves and its caption say."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from tidy import assert_tidy

from spectralcal.papers.spectral_entropy.figures.figure3 import _spacing
from spectralcal.report.figures.axes import legend_below
from spectralcal.report.figures.training_curves import training_curves
from spectralcal.report.style import Style
from spectralcal.study.config import read_paper
from spectralcal.study.grid import Cell

STYLE = Style.of(read_paper("spectral_entropy"))
SWEEP = ("ce", "spectral", "spectral@weight=0.1", "spectral@weight=1.0")


def test_ratio_of_a_sweep_follows_the_weight_and_is_told_in_the_caption(study):
    made = training_curves(study(methods=SWEEP, seeds=(0,)), "main")
    made.drawing.canvas.draw()
    assert_tidy(made.drawing)
    ratios = made.frame[made.frame.panel == "ratio"].groupby("method").value.mean()
    assert ratios["spectral@weight=0.1"] / ratios["spectral"] == pytest.approx(10, rel=0.3)
    assert f"Spectral, λ = 0.1 {ratios['spectral@weight=0.1']:.2g} (100%)" in made.caption
    axes = made.drawing.axes[3]
    assert axes.get_yscale() == "log"
    assert axes.get_ylim()[1] >= 1.0  # the line of equal strength is on the page


def test_settings_of_one_option_have_the_colours_of_a_scale_in_the_order_of_their_values(study):
    weights = ("spectral", *(f"spectral@weight={value}" for value in (1.0, 0.001, 0.1, 0.05, 0.005)))
    made = training_curves(study(methods=weights, seeds=(0,)), "main")
    legend = made.drawing.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == [
        "λ = 0.001", "λ = 0.005", "λ = 0.01 (default)", "λ = 0.05", "λ = 0.1", "λ = 1",
    ]  # fmt: skip
    colors = [line.get_color() for line in legend.get_lines()]
    assert len(set(colors)) == len(weights)
    lightness = [np.dot(to_rgb(color), (0.2126, 0.7152, 0.0722)) for color in colors]
    assert all(light - dark > 0.01 for light, dark in pairwise(lightness))
    assert lightness[0] < 0.8  # still seen on white
    entropies = made.drawing.axes[2].lines
    for color in colors:  # target and samples of a setting share its colour and differ in dashes
        drawn = {line.get_linestyle() for line in entropies if line.get_color() == color and line.get_linewidth() > 1}
        assert drawn == {"-", "--"}
    assert list(dict.fromkeys(made.frame.method))[2] == "spectral"
    assert "Colours: from the smallest weight (light) to the largest (dark)." in made.caption
    assert "Spectral, λ = 0.01 (default) " in made.caption


def test_different_methods_look_as_in_every_figure(study):
    methods = ("ce", "spectral", "spectral@confidence=margin", "spectral@confidence=max_prob")
    made = training_curves(study(methods=methods, seeds=(0,)), "main")
    found = {line.get_label(): line.get_color() for line in made.drawing.legends[0].get_lines()}
    known = STYLE.looks(methods)
    assert found["CE"] == known["ce"].color
    assert found["Spectral"] == known["spectral"].color
    assert found["Spectral, on margin"] == known["spectral@confidence=margin"].color
    assert "Colours" not in made.caption


def test_beside_settings_a_baseline_keeps_its_look_and_names_are_whole(study):
    made = training_curves(study(methods=SWEEP, seeds=(0,)), "main")
    lines = made.drawing.legends[0].get_lines()
    assert [line.get_label() for line in lines] == [
        "CE", "Spectral, λ = 0.01 (default)", "Spectral, λ = 0.1", "Spectral, λ = 1",
    ]  # fmt: skip
    assert lines[0].get_color() == STYLE.looks(["ce"])["ce"].color


def test_steps_without_a_penalty_are_counted_and_leave_no_dot(study):
    import pandas as pd

    results = study(methods=("ce", "spectral"), seeds=(0,))
    path = results.paths.cell(Cell("phantom", "unet", "spectral", 0)).history
    history = pd.read_csv(path)
    penalised = np.arange(len(history)) % 4 == 0
    for name in ("loss_spectral", "gradient_spectral"):
        history[name] = history[name].where(penalised, 0.0)
    history.to_csv(path, index=False)
    made = training_curves(results, "main")
    assert "(25%)" in made.caption
    axes = made.drawing.axes[3]
    dots = next(line for line in axes.lines if line.get_marker() == ".")
    assert len(dots.get_xdata()) == penalised.sum()
    assert axes.get_yscale() == "symlog"
    smooth = axes.lines[1].get_ydata()
    assert (smooth > 0).all()  # nine steps hold at least two penalised ones


def test_post_hoc_methods_have_no_training_of_their_own(study):
    made = training_curves(study(methods=("ce", "ce+temperature", "spectral"), seeds=(0,)), "main")
    assert set(made.frame.method) == {"ce", "spectral"}


@pytest.mark.parametrize("count", [1, 7, 12])
def test_legends_of_long_names_stay_on_the_page(count):
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D

    figure = plt.figure(figsize=(7.0, 3.0), layout="constrained")
    figure.subplots()
    legend_below(figure, [Line2D([], [], label=f"Spectral, on probability, n = {n}") for n in range(count)])
    figure.canvas.draw()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
    short = plt.figure(figsize=(7.0, 3.0))
    legend_below(short, [Line2D([], [], label=name) for name in "abcdefg"[:count]])
    assert short.legends[0]._ncols == min(count, 7)


@pytest.mark.parametrize(
    ("spacing", "expected"),
    [
        (np.full((5, 3), 1.25), 1.25),
        (np.full((5, 3), 1.25) * (1 + 1e-7 * np.arange(15).reshape(5, 3)), 1.25),
        (np.tile([1.0, 1.0, 5.0], (5, 1)), np.nan),
        (np.array([[1.0, 1.0], [2.0, 2.0]]), np.nan),
    ],
)
def test_one_voxel_size_is_found_through_the_rounding_of_headers(spacing, expected):
    assert _spacing({"spacing_mm": spacing}) == pytest.approx(expected, rel=1e-5, nan_ok=True)
    assert np.isnan(_spacing({}))
