"""Strength of the added term: what panel (d) of the training curves and its caption say."""

from __future__ import annotations

import numpy as np
import pytest
from tidy import assert_tidy

from spectralcal.figures._axes import legend_below
from spectralcal.figures.figure3 import _spacing
from spectralcal.figures.training_curves import training_curves
from spectralcal.grid import Cell

SWEEP = ("ce", "spectral", "spectral@weight=0.1", "spectral@weight=1.0")


def test_ratio_of_a_sweep_follows_the_weight_and_is_told_in_the_caption(study):
    made = training_curves(study(methods=SWEEP, seeds=(0,)), "main")
    made.drawing.canvas.draw()
    assert_tidy(made.drawing)
    ratios = made.frame[made.frame.panel == "ratio"].groupby("method").value.mean()
    assert ratios["spectral@weight=0.1"] / ratios["spectral"] == pytest.approx(10, rel=0.3)
    assert f"Ours (weight=0.1) {ratios['spectral@weight=0.1']:.2g} (100%)" in made.caption
    axes = made.drawing.axes[3]
    assert axes.get_yscale() == "log"
    assert axes.get_ylim()[1] >= 1.0  # the line of equal strength is on the page


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
    legend_below(figure, [Line2D([], [], label=f"Ours (confidence=max_prob, n={n})") for n in range(count)])
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
