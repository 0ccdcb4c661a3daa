"""What is on the page: artists, labels, holes, sizes; nothing overlaps, nothing is cut off."""

from __future__ import annotations

import functools
import warnings

import pandas as pd
import pytest
from tidy import assert_tidy

from spectralcal.base import registry
from spectralcal.report.figures.slices import best_slice
from spectralcal.report.style import TWO_COLUMNS

#: whose tables, figures and claims are among those that are tested
OF_PAPER = "spectral_entropy"

METHODS = ("ce", "focal", "spectral")
FIGURES = ("figure2", "figure3", "reliability", "training_curves", "true_calibration")


def drawn(results, name, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = registry.load("figures", name, OF_PAPER)(results, "main", **options)
        made.drawing.canvas.draw()
    return made


def legend_texts(drawing):
    return [text.get_text() for legend in drawing.legends for text in legend.get_texts()]


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    from small_study import Study

    return Study(
        tmp_path_factory.mktemp("three"), methods=METHODS, seeds=(0, 1), missing=[("focal", 0), ("focal", 1)]
    ).write()


@pytest.fixture(scope="module")
def shown(three):
    """Figures of that study, each drawn once for the tests that look at it."""
    return functools.cache(lambda name: drawn(three, name))


@pytest.mark.parametrize("name", FIGURES)
def test_texts_neither_overlap_nor_leave_the_page(shown, name):
    drawing = shown(name).drawing
    assert_tidy(drawing)


def test_six_data_sets_of_reliability_fit_on_one_page(three):
    from spectralcal.report.figures.reliability import draw

    one = drawn(three, "reliability").frame
    names = ("brats2020", "iseg2017", "flare2021", "acdc", "atlas2023", "promise12")
    drawing = draw(pd.concat([one.assign(dataset=name) for name in names], ignore_index=True), three.style)
    drawing.canvas.draw()
    assert_tidy(drawing)
    width, height = drawing.get_size_inches() * 25.4
    assert width == pytest.approx(TWO_COLUMNS)
    assert height < 230


@pytest.mark.parametrize("count", [1, 7])
def test_figure2_is_tidy_with_one_method_and_with_seven(three, count):
    from spectralcal.papers.spectral_entropy.figures import figure2

    table = figure2.frame(three, "main", "phantom", "unet")
    ours = table[table.method == "spectral"]
    names = ("ce", "focal", "ls", "mbls", "svls", "crac", "spectral")[:count]
    rows = pd.concat([ours.assign(method=name, label=name.upper()) for name in names], ignore_index=True)
    view = best_slice(three.probe("maps", "phantom", "unet", 0))
    drawing = figure2.draw(rows, three.style, view, ("organ", "lesion", "vessel"))
    drawing.canvas.draw()
    assert_tidy(drawing)
    assert max(drawing.get_size_inches() * 25.4) < 230


@pytest.mark.parametrize("name", FIGURES)
def test_figures_fit_the_page(shown, name):
    width, height = shown(name).drawing.get_size_inches() * 25.4
    assert width <= TWO_COLUMNS + 1e-6
    assert height <= 230


@pytest.mark.parametrize("name", ["figure3", "reliability", "training_curves", "true_calibration"])
def test_method_without_results_is_named_in_legend_and_caption(shown, name):
    made = shown(name)
    assert legend_texts(made.drawing) == ["CE", "FL (missing)", "Spectral"]
    assert "Without results: FL" in made.caption


def test_lines_of_figure3(shown):
    drawing = shown("figure3").drawing
    tops, bottoms = drawing.axes[:3], drawing.axes[3:6]
    assert [len(axes.lines) for axes in tops] == [2, 2, 2]
    assert [len(axes.lines) for axes in bottoms] == [2, 2, 2]  # ours and the line of equality
    assert all(axes.get_xscale() == axes.get_yscale() == "log" for axes in tops)


def test_rows_of_figure2(shown):
    drawing = shown("figure2").drawing
    titles = {axes.get_title(loc="left") for axes in drawing.axes}
    assert {"image", "reference", "segmentation", "confidence", "errors"} <= titles
    assert [axes.get_ylabel() for axes in drawing.axes if axes.get_ylabel() in ("CE", "FL", "Spectral")] == [
        "CE",
        "FL",
        "Spectral",
    ]
    words = [text.get_text() for axes in drawing.axes for text in axes.texts]
    assert words.count("missing") == 3
    assert words.count("no results") == 1


def test_figure2_without_maps_says_so(three, tmp_path):
    from small_study import Study

    results = Study(tmp_path, methods=("ce",), seeds=(0,)).write()
    results.paths.probe("maps", "phantom", "unet", 0).unlink()
    made = drawn(results, "figure2")
    assert "No case has been mapped" in made.caption
    assert "no maps" in [text.get_text() for axes in made.drawing.axes for text in axes.texts]


def test_reliability_panels_hold_a_diagonal_and_two_markers_a_method(shown):
    drawing = shown("reliability").drawing
    diagrams = drawing.axes[::2]
    assert [axes.get_title(loc="left").split("$ ")[-1] for axes in diagrams] == ["all voxels", "reference foreground"]
    assert all(len(axes.lines) == 1 + 2 * 2 for axes in diagrams)
    for axes in diagrams:
        box = axes.get_window_extent()
        assert box.width == pytest.approx(box.height)


def test_training_curves_of_losses_without_a_second_term(tmp_path):
    from small_study import Study

    made = drawn(Study(tmp_path, methods=("ce",), seeds=(0,)).write(), "training_curves")
    words = [text.get_text() for axes in made.drawing.axes for text in axes.texts]
    assert words.count("no method with such a term") == 3


def test_zero_of_a_hinge_is_drawn_as_zero(tmp_path):
    import numpy as np
    import pandas as pd
    from small_study import Study

    from spectralcal.study.grid import Cell

    results = Study(tmp_path, methods=("spectral",), seeds=(0,)).write()
    path = results.paths.cell(Cell("phantom", "unet", "spectral", 0)).history
    history = pd.read_csv(path)
    history["loss_spectral"] = np.where(history.step < 200, 0.0, history.loss_spectral)
    history.to_csv(path, index=False)
    axes = drawn(results, "training_curves").drawing.axes[1]
    assert axes.get_yscale() == "symlog"
    assert axes.get_ylim()[0] == 0
    assert axes.get_yticklabels()[0].get_text() == "0"


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_at_all_is_a_figure_of_holes(tmp_path, name):
    from small_study import Study

    study = Study(tmp_path, methods=("ce", "spectral"), seeds=(0,), missing=[("ce", 0), ("spectral", 0)])
    made = drawn(study.write(), name)
    assert (made.frame.status == "missing").all()
    assert "Without results: CE" in made.caption


def test_data_set_without_a_posterior_cannot_show_true_calibration(tmp_path):
    from small_study import Study

    from spectralcal.base.errors import ResultError

    results = Study(tmp_path, methods=("ce",), seeds=(0,), truth=False, only_scores=True).write()
    with pytest.raises(
        ResultError, match="phantom: expected scores distance_to_posterior of protocol 'truth', found none"
    ):
        registry.load("figures", "true_calibration")(results, "main")


def test_known_voxel_size_adds_an_axis_in_cycles_per_mm(tmp_path):
    import numpy as np
    from small_study import Study

    from spectralcal.study.grid import Cell

    results = Study(tmp_path, methods=("ce",), seeds=(0,)).write()
    path = results.paths.cell(Cell("phantom", "unet", "ce", 0)).spectra
    for spacing, axes_above in (((2.0, 2.0, 2.0), 3), ((1.0, 1.0, 5.0), 0)):
        np.savez(path, **{**np.load(path), "spacing_mm": np.tile(spacing, (5, 1))})
        drawing = drawn(results, "figure3").drawing
        above = [child for axes in drawing.axes for child in axes.child_axes]
        assert len(above) == axes_above
        for axes in above:
            assert axes.get_xlabel() == "cycles/mm"
            assert axes.get_xlim()[1] == pytest.approx(0.25)
            low, high = axes.get_xlim()
            assert sum(low <= tick <= high for tick in axes.get_xticks()) >= 3
            assert_tidy(drawing)
