"""Data-set reliability histograms: how the test cases' own reliability diagrams spread, method by method."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spectralcal.base.errors import ResultError
from spectralcal.report.figures.axes import panel_title, place, say_missing
from spectralcal.report.figures.choose import chosen_cells, counted, missing_note, opening, pick
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.reliability_bins import FEW
from spectralcal.report.results import Results
from spectralcal.report.style import FAINT, TWO_COLUMNS, Style, size
from spectralcal.study.grid import Cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

TITLE = "Data-set reliability histograms"
NEEDS = ()
#: bins of the accuracy: as many as there are bins of confidence
BINS = 15
COLUMNS = ("confidence_low", "confidence_high", "accuracy_low", "accuracy_high", "diagrams", "share", "mean_confidence",
           "mean_accuracy", "cases", "seeds")  # fmt: skip
#: lengths in mm
LEFT, GAP, HEAD, FOOT, BAR = 11.0, 4.0, 6.0, 9.5, 11.0
ACROSS = 4


def reliability_histograms(
    results: Results, experiment: str, *, dataset: str = "", architecture: str = "", region: str = "all"
) -> Drawn:
    """Joint histogram of confidence and accuracy over the reliability diagrams of single cases.

    A pooled diagram hides whether cases err together or cancel out: here each case (and seed) has one entry in every
    column, the bin of its accuracy (after Barfoot et al. 2024, average calibration losses for segmentation).

    Args:
        results: the study's results.
        experiment: name of the experiment.
        dataset: data set to show; empty: the experiment's first.
        architecture: architecture to show; empty: the experiment's first.
        region: voxels of the diagrams: "all", "reference", "union" or "boundary".
    """
    dataset = pick(results, experiment, "datasets", dataset)
    architecture = pick(results, experiment, "architectures", architecture)
    table = frame(results, experiment, dataset, architecture, region)
    gone = list(dict.fromkeys(table[table.status == "missing"].label))
    caption = (
        f"{opening(results, experiment, [dataset], architecture)} Reliability diagrams of single cases and seeds "
        f"({counted(int(table.cases.max()), f'{results.side} case')}, region '{region}'): in each bin of "
        "confidence, the share of "
        f"diagrams by accuracy, in {BINS} bins; a case counts where it has at least {FEW} voxels. Line: mean over the "
        f"diagrams at the mean confidence.{missing_note(gone)}"
    )
    return Drawn(draw(table, results.style), table, caption)


def frame(results: Results, experiment: str, dataset: str, architecture: str, region: str = "all") -> pd.DataFrame:
    """One row per method, bin of confidence and bin of accuracy that contains a diagram.

    Returns:
        dataset, architecture, method, label, region, ends of both bins, diagrams (cases and seeds), share (of the
        diagrams in that bin of confidence), mean_confidence and mean_accuracy of the bin of confidence over its
        diagrams, cases, seeds, status (``ok`` or ``missing``).

    Raises:
        ResultError: the region was not scored.
    """
    parts = []
    for method, cells in chosen_cells(results, experiment, dataset, architecture).items():
        identity = {"dataset": dataset, "architecture": architecture, "method": method, "label": results.label(method),
                    "region": region}  # fmt: skip
        bins = [arrays for cell in cells if (arrays := _bins(results, cell, region)) is not None]
        if not bins:
            parts.append(pd.DataFrame([{**identity, "cases": 0, "seeds": 0, "status": "missing"}]))
            continue
        stacked = {name: np.concatenate([arrays[name][:, 0] for arrays in bins]) for name in bins[0]}
        rows = joint(stacked["count"], stacked["confidence"], stacked["accuracy"])
        cases = max(len(arrays["count"]) for arrays in bins)
        parts.append(pd.DataFrame(rows).assign(**identity, cases=cases, seeds=len(bins), status="ok"))
    table = pd.concat(parts, ignore_index=True)
    first = ["dataset", "architecture", "method", "label", "region"]
    return table.reindex(columns=[*first, *COLUMNS, "status"])


def joint(count: np.ndarray, confidence: np.ndarray, accuracy: np.ndarray) -> list[dict[str, float]]:
    """Rows of the joint histogram.

    Args:
        count, confidence, accuracy: (diagrams, bins); bins of fewer than :data:`FEW` voxels do not count, because their
            accuracy is mostly chance. An accuracy on an edge is in the lower bin, as confidences are.
    """
    bins, rows = count.shape[1], []
    for column in range(bins):
        there = count[:, column] >= FEW
        if not there.any():
            continue
        values = accuracy[there, column]
        place = np.clip(np.ceil(values * BINS - 1e-9).astype(int) - 1, 0, BINS - 1)
        means = {"mean_confidence": confidence[there, column].mean(), "mean_accuracy": values.mean()}
        for row, number in enumerate(np.bincount(place, minlength=BINS)):
            if number:
                ends = {"confidence_low": column / bins, "confidence_high": (column + 1) / bins,
                        "accuracy_low": row / BINS, "accuracy_high": (row + 1) / BINS}  # fmt: skip
                rows.append({**ends, "diagrams": number, "share": number / there.sum(), **means})
    return rows


def draw(table: pd.DataFrame, style: Style) -> Figure:
    """A square panel for each method."""
    import matplotlib.pyplot as plt

    labels = dict(zip(table.method, table.label, strict=True))
    looks = style.looks(list(labels))
    across = min(ACROSS, len(labels))
    side = (TWO_COLUMNS - LEFT - BAR - (ACROSS - 1) * GAP) / ACROSS
    down = math.ceil(len(labels) / across)
    block = HEAD + side
    width = LEFT + across * side + (across - 1) * GAP + BAR
    figure = plt.figure(figsize=size(max(width, 85), down * block + FOOT))
    shown: AxesImage | None = None
    for index, (method, label) in enumerate(labels.items()):
        column, row = index % across, index // across
        axes = place(figure, LEFT + column * (side + GAP), row * block + HEAD, side, side)
        panel_title(axes, "abcdefghijklmnopqrstuvwxyz"[index % 26], label)
        last = index + across >= len(labels)
        _finish(axes, left=column == 0, bottom=last)
        rows = table[(table.method == method) & (table.status == "ok") & table.share.notna()]
        if rows.empty:
            say_missing(axes)
            continue
        shown = _panel(axes, rows, looks[method].color)
    if shown is not None:
        bar = place(figure, LEFT + across * side + (across - 1) * GAP + 2, HEAD, 2, side)
        scale = figure.colorbar(shown, cax=bar, ticks=[0, 0.5, 1])
        scale.outline.set_visible(False)
        bar.set_title("share", fontsize=6.5, pad=6)
    return figure


def _bins(results: Results, cell: Cell, region: str) -> dict[str, np.ndarray] | None:
    arrays = results.case_calibration(cell, region)
    if arrays is None:
        return None
    if "count" not in arrays:
        raise ResultError(f"{cell}: expected voxels of region '{region}', found none; evaluate the cell again")
    return {name: arrays[name] for name in ("count", "confidence", "accuracy")}


def _panel(axes: Axes, rows: pd.DataFrame, color: str) -> AxesImage:
    from matplotlib.patheffects import Normal, Stroke

    bins = round(1 / (rows.confidence_high - rows.confidence_low).iloc[0])
    grid = np.full((BINS, bins), np.nan)
    place = (
        np.rint(rows[name] * size).astype(int) for name, size in (("accuracy_low", BINS), ("confidence_low", bins))
    )
    grid[tuple(place)] = rows.share
    shown = axes.imshow(grid, extent=(0, 1, 0, 1), origin="lower", cmap="Greys", vmin=0, vmax=1, zorder=0)
    line = rows.drop_duplicates("confidence_low").sort_values("confidence_low")
    rim = [Stroke(linewidth=2.2, foreground="white"), Normal()]
    axes.plot(
        line.mean_confidence, line.mean_accuracy, "o-", color=color, linewidth=1.1, markersize=2.2, path_effects=rim,
        zorder=3, clip_on=False,
    )  # fmt: skip
    return shown


def _finish(axes: Axes, left: bool, bottom: bool) -> None:
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.6, linestyle=(0, (4, 3)), zorder=2)
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    axes.set_xticklabels(["0", "0.5", "1"])
    axes.set_yticklabels(["0", "0.5", "1"])
    axes.tick_params(labelleft=left, labelbottom=bottom)
    if left:
        axes.set_ylabel("accuracy")
    if bottom:
        axes.set_xlabel("confidence")


FIGURE = reliability_histograms
