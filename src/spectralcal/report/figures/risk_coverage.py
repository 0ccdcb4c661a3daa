"""Risk against coverage: the error that is left when the least confident voxels are left out."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spectralcal.metrics import risk_coverage as curve_of
from spectralcal.report.figures.axes import handles, legend_below, line_style, panel_title, say_missing
from spectralcal.report.figures.choose import chosen_datasets, each_region, missing_note, opening, pick
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.results import Results
from spectralcal.report.style import GRID, TWO_COLUMNS, Look, Style, size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Risk and coverage"
NEEDS = ()
REGIONS = {"all": "all voxels", "union": "union of foregrounds"}
#: where nearly all voxels are easy, what matters happens in the few that are left out first: logarithmic axes
EASY = ("all",)
#: shares of voxels left out, at most all but a tenth
LEFT_OUT = np.unique(np.concatenate([np.linspace(0, 0.9, 91), np.geomspace(1e-3, 0.1, 60)]))
#: height of a panel in mm
HEIGHT = 52.0


def risk_coverage(results: Results, experiment: str, *, architecture: str = "", dataset: str = "") -> Drawn:
    """Error rate of the remaining voxels against the share of the least confident ones left out.

    Args:
        results: the study's results.
        experiment: name of the experiment.
        architecture: architecture to show; empty: the experiment's first.
        dataset: data set to show; empty: all of the experiment.

    Raises:
        ResultError: a region was not scored.
    """
    architecture = pick(results, experiment, "architectures", architecture)
    datasets = chosen_datasets(results, experiment, dataset)
    table = frame(results, experiment, datasets, architecture)
    gone = table[table.status == "missing"]
    nowhere = [name for name, rows in table.groupby("label", sort=False) if (rows.status == "missing").all()]
    caption = (
        f"{opening(results, experiment, datasets, architecture)} Share of wrong voxels among those that are kept when "
        f"the least confident of all {results.side} voxels of a region are left out; ties in random order. Thin lines: "
        "seeds; thick lines: their mean. Towards the right only the most confident voxels are left: a line that stays "
        "high there belongs to a network that is confident where it is wrong, which no increasing recalibration "
        f"repairs.{missing_note(nowhere if len(gone) else [])}"
    )
    names = {name: results.title(name) for name in datasets}
    return Drawn(draw(table, results.style, names), table, caption)


def frame(results: Results, experiment: str, datasets: Sequence[str], architecture: str) -> pd.DataFrame:
    """Points of every seed's curve.

    Returns:
        dataset, architecture, region, method, label, seed, left_out and risk (shares), aurc, augrc, status. One row
        with status ``missing`` for a cell without results.

    Raises:
        ResultError: a region was not scored.
    """
    parts = []
    for identity, histogram in each_region(results, experiment, datasets, architecture, REGIONS):
        if histogram is None:
            parts.append(pd.DataFrame([{**identity, "status": "missing"}]))
            continue
        curve = curve_of(histogram)
        numbers = {"left_out": LEFT_OUT, "risk": curve.risk_at(1 - LEFT_OUT)}
        areas = {"aurc": curve.aurc(), "augrc": curve.augrc(), "status": "ok"}
        parts.append(pd.DataFrame({**identity, **numbers, **areas}))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(**{name: np.nan for name in ("left_out", "risk", "aurc", "augrc") if name not in table})


def draw(table: pd.DataFrame, style: Style, names: Mapping[str, str]) -> Figure:
    """A line of panels for each data set, a panel for each region.

    Args:
        table: the points.
        style: looks of methods.
        names: data set -> printed name.
    """
    import matplotlib.pyplot as plt

    labels = dict(zip(table.method, table.label, strict=True))
    looks = style.looks(list(labels))
    figure, grid = plt.subplots(
        len(names), len(REGIONS), figsize=size(TWO_COLUMNS, 12 + HEIGHT * len(names)), layout="constrained",
        squeeze=False,
    )  # fmt: skip
    letters = itertools.cycle("abcdefghijklmnopqrstuvwxyz")
    for line, (dataset, name) in zip(grid, names.items(), strict=True):
        for axes, (region, title) in zip(line, REGIONS.items(), strict=True):
            rows = table[(table.dataset == dataset) & (table.region == region) & (table.status == "ok")]
            panel_title(axes, next(letters), f"{name}, {title}" if len(names) > 1 else title)
            _panel(axes, rows, looks, region in EASY)
    for axes in grid[-1]:
        axes.set_xlabel("voxels left out, least confident first (%)")
    for axes in grid[:, 0]:
        axes.set_ylabel("error among the others (%)")
    nowhere = table.groupby("method").status.agg(lambda status: (status == "missing").all())
    legend_below(figure, handles(looks, labels, set(nowhere[nowhere].index)))
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, looks: Mapping[str, Look], easy: bool) -> None:
    if rows.empty:
        say_missing(axes)
        axes.set(xticks=[], yticks=[])
        return
    for method, mine in rows.groupby("method", sort=False):
        style = line_style(looks[method])
        seeds = mine.pivot(index="left_out", columns="seed", values="risk")
        x = 100 * seeds.index.to_numpy()
        if seeds.shape[1] > 1:
            for seed in seeds:
                axes.plot(x, 100 * seeds[seed], **{**style, "linewidth": 0.4, "alpha": 0.45, "linestyle": "-"})
        axes.plot(x, 100 * seeds.mean(axis=1), **{**style, "linewidth": style["linewidth"] + 0.2})
    axes.grid(True, color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    if easy:
        _logarithmic(axes, rows)
    else:
        axes.set(xlim=(0, 90), xticks=range(0, 91, 15))
        axes.set_ylim(bottom=0)


def _logarithmic(axes: Axes, rows: pd.DataFrame) -> None:
    """Both axes logarithmic, the left end of the first linear down to nothing left out."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axes.set_xscale("symlog", linthresh=0.3, linscale=0.15)
    axes.set_xlim(0, 90)
    axes.xaxis.set_major_locator(FixedLocator([0.0, 1.0, 3.0, 10.0, 30.0, 90.0]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    shown = 100 * rows.risk[rows.risk > 0]
    if shown.empty:
        return
    low, high = shown.min(), shown.max()
    axes.set_yscale("log")
    axes.set_ylim(max(low, high * 1e-4) / 1.3, high * 1.3)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))


FIGURE = risk_coverage
