"""The paper's Figure 2: the spectrum of an image beside that of its mask, and where the power of all of them lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spectralcal.papers.spectral_correlation.figures._view import View, bare, named, nothing, read_view, show_image
from spectralcal.papers.spectral_correlation.figures.figure8 import log_amplitude
from spectralcal.report.figures.axes import panel_title
from spectralcal.report.figures.choose import counted
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.results import Results
from spectralcal.report.style import GRID, TWO_COLUMNS, size
from spectralcal.study.conditions import TEST

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Spectra of images and of masks"
NEEDS = ("views",)
COLUMNS = ("of", "mean_counted", "frequency", "median", "least", "largest", "cases")
COLORS = {"image": "#4e79a7", "mask": "#e15759"}


def figure2(results: Results, experiment: str, *, dataset: str = "", architecture: str = "") -> Drawn:
    """Image and foreground mask of one slice with their log amplitudes, and shares of power over all test cases.

    Args:
        results: the study's results.
        experiment: names the case that is shown; spectra of images and masks belong to no network.
        dataset: data set; empty: the experiment's first.
        architecture: of the probe's file; empty: the experiment's first.
    """
    view = read_view(results, experiment, dataset, architecture)
    if view is None:
        return nothing(results, experiment, COLUMNS)
    table = frame(view)
    caption = (
        f"Study {results.config.study}, experiment {experiment}: {named(results, view)} (a) Image (mean of its "
        "channels) and foreground mask, with log(1 + |FFT|) of each after its mean is removed, each on its own scale. "
        "(b) Share of the power at frequencies up to the one on the axis, "
        f"{counted(int(table.cases.max()), 'test case')}: median, and the range of all. "
        "Solid: mean removed first; dashed: zero frequency counted."
    )
    return Drawn(draw(view, table), table, caption)


def frame(view: View) -> pd.DataFrame:
    """Shares of power by frequency: median and range over the cases."""
    parts = []
    for of in COLORS:
        for counted_mean, ending in ((False, ""), (True, "_mean")):
            shares = view.power[f"power_{of}{ending}"]
            shares = shares[np.isfinite(shares).all(1)]
            columns = {"median": np.median, "least": np.min, "largest": np.max}
            values = {name: function(shares, axis=0) for name, function in columns.items()}
            parts.append(pd.DataFrame({"of": of, "mean_counted": counted_mean, "frequency": view.power["frequency"],
                                       **values, "cases": len(shares)}))  # fmt: skip
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def draw(view: View, table: pd.DataFrame) -> Figure:
    """Four pictures to the left, the curves to the right."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=size(TWO_COLUMNS, 78), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[76, 100])
    grid = left.subplots(2, 2)
    image, mask = view.images[TEST], (view.references[TEST] > 0).astype(float)
    show_image(grid[0, 0], image, view.aspect)
    grid[0, 1].imshow(mask, cmap="gray", vmin=0, vmax=1, aspect=view.aspect)
    for axes, field in zip(grid[1], (image.mean(0).astype(float), mask), strict=True):
        axes.imshow(log_amplitude(field - field.mean()), cmap="magma")
    for axes, text in zip(grid.ravel(), ("image", "mask", "its spectrum", "its spectrum"), strict=True):
        bare(axes)
        axes.set_xlabel(text)
    panel_title(grid[0, 0], "a", "one slice")
    axes = right.subplots()
    panel_title(axes, "b", "all test cases")
    for (of, counted_mean), rows in table.groupby(["of", "mean_counted"], sort=False):
        if not counted_mean:
            axes.fill_between(rows.frequency, rows.least, rows.largest, color=COLORS[of], alpha=0.18, linewidth=0)
        name = of if not counted_mean else f"{of}, mean counted"
        axes.plot(rows.frequency, rows["median"], color=COLORS[of], linestyle="--" if counted_mean else "-", label=name)
    axes.set(xlim=(0, 0.5), ylim=(0, 1.02), xlabel="frequency (cycles per voxel)", ylabel="share of power below")
    axes.grid(color=GRID, linewidth=0.5)
    axes.legend(loc="lower right")
    return figure


FIGURE = figure2
