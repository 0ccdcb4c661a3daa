"""The paper's Figure 6: outlines of many and of small objects, with those that are missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spectralcal.papers.spectral_correlation.figures._view import (
    PREDICTION,
    REFERENCE,
    View,
    bare,
    named,
    nothing,
    outline,
    pictures,
    read_view,
    show_image,
)
from spectralcal.report.figures.axes import legend_below
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.paint import ERRORS, paint
from spectralcal.report.figures.slices import errors
from spectralcal.report.figures.text import plain
from spectralcal.report.results import Results
from spectralcal.study.conditions import TEST

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Many objects: outlines and errors"
NEEDS = ("views",)
COLUMNS = ("case", "method", "label", "objects", "found", "false")


def figure6(results: Results, experiment: str, *, dataset: str = "", architecture: str = "") -> Drawn:
    """Outlines above, errors below, a column for each method; objects that were found are counted.

    Args:
        results: the study's results.
        experiment: whose methods are shown.
        dataset: data set; empty: the experiment's first.
        architecture: network; empty: the experiment's first.
    """
    view = read_view(results, experiment, dataset, architecture)
    if view is None:
        return nothing(results, experiment, COLUMNS)
    table = frame(results, view)
    caption = (
        f"Study {results.config.study}, experiment {experiment}: {named(results, view)} Above: reference red, "
        "prediction green. Below: errors. An object is a connected part of one class; it is found if a predicted pixel "
        "of its class lies on it, and a predicted one is false if it lies on no pixel of its class."
    )
    return Drawn(draw(results, view, table), table, caption)


def frame(results: Results, view: View) -> pd.DataFrame:
    """Objects of the slice, those that are found, and false ones, by method."""
    reference, rows = view.references[TEST], []
    for method in view.methods:
        labels = view.label(TEST, method)
        objects, found = objects_met(reference, labels)
        predicted, met = objects_met(labels, reference)
        rows.append({"case": view.cases[TEST], "method": method, "label": results.label(method), "objects": objects,
                     "found": found, "false": predicted - met})  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def objects_met(first: np.ndarray, second: np.ndarray) -> tuple[int, int]:
    """Objects of (H, W) labels, and how many of them the other labels have a pixel of the same class on."""
    from scipy.ndimage import label

    objects, met = 0, 0
    for value in np.setdiff1d(np.unique(first), 0):
        marked, count = label(first == value, np.ones((3, 3)))
        objects += int(count)
        met += len(np.setdiff1d(np.unique(marked[second == value]), 0))
    return objects, met


def draw(results: Results, view: View, table: pd.DataFrame) -> Figure:
    """Outlines in the first row, errors in the second."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    columns = 1 + len(view.methods)
    figure, grid = pictures(2, columns, below=10)
    image, reference = view.images[TEST], view.references[TEST]
    show_image(grid[0, 0], image, view.aspect)
    grid[0, 0].set_title("image", loc="center")
    show_image(grid[1, 0], image, view.aspect)
    outline(grid[1, 0], reference, REFERENCE)
    for column, row in enumerate(table.itertuples(), start=1):
        above, below = grid[:, column]
        labels = view.label(TEST, row.method)
        show_image(above, image, view.aspect)
        outline(above, reference, REFERENCE)
        outline(above, labels, PREDICTION)
        above.set_title(plain(row.label), loc="center")
        below.imshow(np.full(reference.shape, 0.95), cmap="gray", vmin=0, vmax=1, aspect=view.aspect)
        bare(below)
        paint(below, errors(labels, reference), tuple(ERRORS.values()), view.aspect, 1.0)
        outline(below, reference, "#8c8c8c", 0.4)
        below.set_xlabel(f"{row.found} of {row.objects} found, {row.false} false")
    entries = [
        Line2D([], [], color=REFERENCE, label="reference"),
        Line2D([], [], color=PREDICTION, label="prediction"),
        *(Patch(color=color, label=name) for name, color in ERRORS.items()),
    ]
    legend_below(figure, entries)
    return figure


FIGURE = figure6
