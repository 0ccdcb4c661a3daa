"""Reliability diagrams of all methods, for all voxels and for the voxels of the reference's structures."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from spectralcal.report.figures.axes import (
    handles,
    legend_below,
    legend_line,
    legend_lines,
    panel_title,
    place,
    say_missing,
)
from spectralcal.report.figures.choose import chosen_cells, missing_note, opening, patients_of, pick
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.intervals import over_what
from spectralcal.report.figures.reliability_bins import (
    FEW,
    draw_counts,
    draw_diagonal,
    draw_line,
    finish_counts,
    reliability_rows,
    sides,
)
from spectralcal.report.results import Results
from spectralcal.report.style import TWO_COLUMNS, Look, Style, size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Reliability diagrams"
NEEDS = ()
REGIONS = {"all": "all voxels", "reference": "reference foreground"}
#: height of the histograms as a share of the diagrams
HISTOGRAM = 0.2
#: margins in mm
LEFT, GAP, HEAD, FOOT, LEGEND = 12.5, 5.0, 6.0, 10.5, 4.5


def reliability(results: Results, experiment: str, *, architecture: str = "", dataset: str = "") -> Drawn:
    """Accuracy against confidence, pooled over seeds and cases.

    Args:
        results: the study's results.
        experiment: name of the experiment.
        architecture: architecture to show; empty: the experiment's first.
        dataset: data set to show; empty: all of the experiment.
    """
    architecture = pick(results, experiment, "architectures", architecture)
    all_of_them = list(results.config.experiments[experiment].datasets)
    datasets = [pick(results, experiment, "datasets", dataset)] if dataset else all_of_them
    table = frame(results, experiment, datasets, architecture)
    counts = table.groupby("dataset").cases.max()
    cases = ", ".join(f"{results.title(name)} {counts[name]}" for name in datasets)
    gone = [
        f"{row.label} on {results.title(row.dataset)}"
        for row in table[(table.status == "missing") & (table.region == "all")].itertuples()
    ]
    caption = (
        f"{opening(results, experiment, datasets, architecture)} Accuracy of the top label at the mean confidence of "
        f"each of the equal-width bins, voxels of all {results.side} cases and seeds pooled, and below it "
        "the share of voxels in "
        f"each bin. Bands: 95 % intervals {over_what(table.seeds)}; open markers: fewer than "
        f"{FEW} voxels. {results.side.capitalize()} cases: {cases}.{missing_note(gone)}"
    )
    names = {name: results.title(name) for name in datasets}
    return Drawn(draw(table, results.style, names), table, caption)


def frame(results: Results, experiment: str, datasets: list[str], architecture: str) -> pd.DataFrame:
    """Bins by data set, method and region: dataset, architecture, and the columns of
    :func:`spectralcal.report.figures.reliability_bins.reliability_rows`."""
    parts = []
    for dataset in datasets:
        patients = patients_of(results, experiment, dataset)
        for region in REGIONS:
            for method, cells in chosen_cells(results, experiment, dataset, architecture).items():
                rows = reliability_rows(results, method, cells, region, patients)
                rows.insert(0, "architecture", architecture)
                rows.insert(0, "dataset", dataset)
                parts.append(rows)
    return pd.concat(parts, ignore_index=True)


def draw(table: pd.DataFrame, style: Style, names: Mapping[str, str] | None = None) -> Figure:
    """Two panels for each data set; two data sets in a row if there are several.

    Args:
        table: the bins.
        style: looks of methods.
        names: printed names of data sets; one that is not in it goes by its own name.
    """
    import matplotlib.pyplot as plt

    datasets = list(dict.fromkeys(table.dataset))
    labels = dict(zip(table.method, table.label, strict=True))
    looks = style.looks(list(labels))
    across = min(len(datasets), 2)
    side = (TWO_COLUMNS - across * (LEFT + GAP) - 2) / (len(REGIONS) * across)
    block = HEAD + side * (1 + HISTOGRAM) + FOOT
    nowhere = table.groupby("method").status.agg(lambda status: (status == "missing").all())
    entries = handles(looks, labels, set(nowhere[nowhere].index), markers=True)
    legend = LEGEND + max(legend_lines(TWO_COLUMNS, entries) - 1, 0) * legend_line()
    figure = plt.figure(figsize=size(TWO_COLUMNS, block * math.ceil(len(datasets) / across) + legend))
    for index, dataset in enumerate(datasets):
        rows = table[table.dataset == dataset]
        x, y = (index % across) * (TWO_COLUMNS / across), (index // across) * block
        for column, region in enumerate(REGIONS):
            left = x + LEFT + column * (side + GAP)
            top = place(figure, left, y + HEAD, side, side)
            bottom = place(figure, left, y + HEAD + side + 2.5, side, side * HISTOGRAM)
            name = (names or {}).get(dataset, dataset)
            title = REGIONS[region] if across == 1 else (f"{name}, {region}", region)[column > 0]
            _panel(top, bottom, rows, region, looks, first=column == 0, scale=min(1.0, side / 50))
            panel_title(top, _letter(len(REGIONS) * index + column), title)
    legend_below(figure, entries)
    return figure


def _panel(
    top: Axes, bottom: Axes, table: pd.DataFrame, region: str, looks: dict[str, Look], first: bool, scale: float
) -> None:  # fmt: skip
    """A diagram above its histogram; regions of a data set share the axis of the histogram."""
    draw_diagonal(top)
    sides(top)
    present = table[table.status == "ok"]
    shown = present[present.region == region]
    for method, rows in shown.groupby("method", sort=False):
        draw_line(top, rows, looks[method], scale)
        draw_counts(bottom, rows, looks[method])
    bottom.set(xlim=(0, 1), xticks=[0, 0.5, 1], xticklabels=["0", "0.5", "1"], xlabel="confidence")
    top.tick_params(labelbottom=False, labelleft=first)
    if shown.empty:
        say_missing(top)
        bottom.set_yticks([])
    else:
        finish_counts(bottom, present)
    bottom.tick_params(labelleft=first)
    if first:
        top.set_ylabel("accuracy")
        bottom.set_ylabel("share")
        for axes in (top, bottom):
            axes.yaxis.set_label_coords(-7.5 / (axes.get_position().width * TWO_COLUMNS), 0.5)


def _letter(index: int) -> str:
    return string.ascii_lowercase[index % 26]


FIGURE = reliability
