"""The paper's Figure 7: structures in their colours, with boxes on errors, without noise and under it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from spectralcal.papers.spectral_correlation.figures._view import (
    View,
    boxes,
    dice_of,
    fill,
    named,
    nothing,
    pictures,
    read_view,
    show_image,
)
from spectralcal.papers.spectral_correlation.tested import noise_of, test_set
from spectralcal.report.figures.axes import legend_below
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.text import plain
from spectralcal.report.results import Results
from spectralcal.report.style import class_color
from spectralcal.study.conditions import TEST

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Structures and errors, without noise and under it"
NEEDS = ("views",)
COLUMNS = ("test", "case", "method", "label", "errors", "dice")
#: boxes that are drawn in an image
MOST = 4


def figure7(results: Results, experiment: str, *, dataset: str = "", architecture: str = "") -> Drawn:
    """Reference and predictions in the classes' colours; boxes around the largest connected errors.

    Args:
        results: the study's results.
        experiment: whose methods are shown.
        dataset: data set; empty: the experiment's first.
        architecture: network; empty: the experiment's first.
    """
    view = read_view(results, experiment, dataset, architecture)
    if view is None:
        return nothing(results, experiment, COLUMNS)
    tests = [test for test in view.tests if test == TEST or noise_of(results.config, test) is not None]
    table = frame(results, view, tests)
    caption = (
        f"Study {results.config.study}, experiment {experiment}: {named(results, view)} Boxes: the {MOST} largest "
        "connected errors of four pixels or more; their number is below each image, with the DSC of the slice. Under "
        "each noise the case is chosen by the same rule."
    )
    return Drawn(draw(results, view, tests, table), table, caption)


def frame(results: Results, view: View, tests: list[str]) -> pd.DataFrame:
    """Connected errors and Dice of the slice, by test and method."""
    rows = []
    for test in tests:
        for method in view.methods:
            labels, reference = view.label(test, method), view.references[test]
            rows.append({"test": test, "case": view.cases[test], "method": method, "label": results.label(method),
                         "errors": len(boxes(labels, reference)), "dice": dice_of(labels, reference)})  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def draw(results: Results, view: View, tests: list[str], table: pd.DataFrame) -> Figure:
    """Image, reference and methods in columns, tests in rows."""
    from matplotlib.patches import Patch, Rectangle

    columns = 2 + len(view.methods)
    figure, grid = pictures(len(tests), columns, below=8)
    for row, test in enumerate(tests):
        image, reference = view.images[test], view.references[test]
        for axes in grid[row]:
            show_image(axes, image, view.aspect)
        fill(grid[row, 1], reference, view.aspect)
        grid[row, 0].set_ylabel(plain(test_set(results, view.dataset, test)).replace(" + ", "\n+ "))
        for column, method in enumerate(view.methods, start=2):
            axes, labels = grid[row, column], view.label(test, method)
            fill(axes, labels, view.aspect)
            for top, left, height, width in boxes(labels, reference)[:MOST]:
                frame_of = Rectangle((left - 1.5, top - 1.5), width + 2, height + 2, fill=False, edgecolor="white")
                axes.add_patch(frame_of)
            values = table[(table.test == test) & (table.method == method)].iloc[0]
            axes.set_xlabel(f"{values.errors} errors, DSC {100 * values.dice:.1f}")
    for axes, text in zip(grid[0], ("image", "reference", *map(results.label, view.methods)), strict=True):
        axes.set_title(plain(text), loc="center")
    names = results.classes(view.dataset)
    legend_below(figure, [Patch(color=class_color(index), label=plain(name)) for index, name in enumerate(names)])
    return figure


FIGURE = figure7
