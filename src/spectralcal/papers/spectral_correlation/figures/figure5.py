"""The paper's Figure 5: outlines of the reference and of every method, on the test set and on its shifts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from spectralcal.papers.spectral_correlation.figures._view import (
    PREDICTION,
    REFERENCE,
    View,
    dice_of,
    named,
    nothing,
    outline,
    pictures,
    read_view,
    show_image,
)
from spectralcal.papers.spectral_correlation.tested import noise_of, test_set
from spectralcal.report.figures.axes import legend_below
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.text import plain
from spectralcal.report.results import Results
from spectralcal.study.conditions import TEST

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Outlines on the test set and on its shifts"
NEEDS = ("views",)
COLUMNS = ("test", "case", "method", "label", "dice")


def figure5(results: Results, experiment: str, *, dataset: str = "", architecture: str = "") -> Drawn:
    """Reference in red and prediction in green; a row for the test set and for each shift, a column for each method.

    Args:
        results: the study's results.
        experiment: whose methods are shown.
        dataset: data set; empty: the experiment's first.
        architecture: network; empty: the experiment's first.
    """
    view = read_view(results, experiment, dataset, architecture)
    if view is None:
        return nothing(results, experiment, COLUMNS)
    tests = [test for test in view.tests if test == TEST or noise_of(results.config, test) is None]
    return outlined(results, experiment, view, tests)


def outlined(results: Results, experiment: str, view: View, tests: list[str]) -> Drawn:
    """Outlines under these conditions."""
    table = frame(results, view, tests)
    caption = (
        f"Study {results.config.study}, experiment {experiment}: {named(results, view)} Red: reference, green: "
        "prediction; DSC: of this slice, mean over classes. Under each condition the case is chosen by the same rule."
    )
    return Drawn(draw(results, view, tests, table), table, caption)


def frame(results: Results, view: View, tests: list[str]) -> pd.DataFrame:
    """Dice of the slice that is shown, by test and method."""
    rows = [
        {"test": test, "case": view.cases[test], "method": method, "label": results.label(method),
         "dice": dice_of(view.label(test, method), view.references[test])}
        for test in tests
        for method in view.methods
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def draw(results: Results, view: View, tests: list[str], table: pd.DataFrame) -> Figure:
    """Images in rows by test and in columns by method."""
    from matplotlib.lines import Line2D

    columns = 1 + len(view.methods)
    figure, grid = pictures(len(tests), columns, below=8)
    for row, test in enumerate(tests):
        show_image(grid[row, 0], view.images[test], view.aspect)
        grid[row, 0].set_ylabel(plain(test_set(results, view.dataset, test)).replace(" → ", " →\n"))
        if row == 0:
            grid[row, 0].set_title("image", loc="center")
        for column, method in enumerate(view.methods, start=1):
            axes = grid[row, column]
            show_image(axes, view.images[test], view.aspect)
            outline(axes, view.references[test], REFERENCE)
            outline(axes, view.label(test, method), PREDICTION)
            if row == 0:
                axes.set_title(plain(results.label(method)), loc="center")
            dice = table[(table.test == test) & (table.method == method)].dice.iloc[0]
            axes.set_xlabel(f"DSC {100 * dice:.1f}")
    entries = [Line2D([], [], color=REFERENCE, label="reference"), Line2D([], [], color=PREDICTION, label="prediction")]
    legend_below(figure, entries)
    return figure


FIGURE = figure5
