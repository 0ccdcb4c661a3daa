"""What the printed numbers say about how they were made: shares of foreground, and two calibration errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spectralcal.report.figures.axes import legend_below, panel_title
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.printed import paper_values
from spectralcal.report.results import Results
from spectralcal.report.style import FAINT, GRID, TWO_COLUMNS, size

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "What the printed tables say about themselves"
NEEDS = ()
#: it shows no study: the same numbers for every study and experiment
CONSTRUCTED = True
METHODS = {"UNet": "o", "UNet (Ours)": "*", "TransUNet": "s", "TransUNet (Ours)": "D"}
PALETTE = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00")


def forensics(results: Results, experiment: str) -> Drawn:
    """Share of foreground that printed IOU, SE and SP imply as one confusion matrix; ECE against the error rate that
    they imply; MCE against ECE.

    Args:
        results: has the paper's folder.
        experiment: unused; figures share one form.
    """
    table = frame(results)
    ratio = table.mce / table.ece
    caption = (
        "Printed numbers of Tables 1, 3 and 4 alone. (a) If IOU, SE and SP are of one confusion matrix, they imply a "
        "share of foreground, which belongs to the data and not to the method. (b) They imply an error rate as well; "
        "the ECE of all pixels of a network that is too sure cannot exceed it (dashed), the printed one does. "
        f"(c) The printed MCE is {ratio.min():.2f} to {ratio.max():.2f} times the ECE, as the larger of two numbers is "
        "to their mean (dashed: twice)."
    )
    return Drawn(draw(table), table, caption)


def frame(results: Results) -> pd.DataFrame:
    """Data set, method, implied share and error rate (percent), ece and mce as printed, nan if they are not."""
    overlap = {**paper_values(results.paper_folder, "table1"), **paper_values(results.paper_folder, "table3")}
    errors = paper_values(results.paper_folder, "table4")
    rows = []
    for dataset in dict.fromkeys(name for name, _, _ in overlap):
        for method in METHODS:
            found = [overlap.get((dataset, metric, method)) for metric in ("IOU", "SE", "SP")]
            if None in found:
                continue
            share, error = implied(*(cell.value / 100 for cell in found))
            ece, mce = (errors.get((dataset, metric, method)) for metric in ("ECE", "MCE"))
            rows.append({"dataset": dataset, "method": method, "foreground_share": 100 * share,
                         "error_rate": 100 * error, "ece": ece.value if ece else np.nan,
                         "mce": mce.value if mce else np.nan})  # fmt: skip
    return pd.DataFrame(rows)


def implied(iou: float, sensitivity: float, specificity: float) -> tuple[float, float]:
    """Share of foreground and error rate of the one confusion matrix that has these shares, from 0 to 1.

    With share s: iou (s + (1 - s)(1 - specificity)) = s sensitivity.
    """
    false = iou * (1 - specificity)
    share = false / (sensitivity - iou + false)
    return share, share * (1 - sensitivity) + (1 - share) * (1 - specificity)


def draw(table: pd.DataFrame) -> Figure:
    """Three panels."""
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D

    figure, grid = plt.subplots(1, 3, figsize=size(TWO_COLUMNS, 78), layout="constrained")
    datasets = list(dict.fromkeys(table.dataset))
    colors = dict(zip(datasets, PALETTE, strict=False))
    for row in table.itertuples():
        style = {"marker": METHODS[row.method], "color": colors[row.dataset], "markersize": 4.5, "linestyle": "none"}
        grid[0].plot(row.foreground_share, datasets.index(row.dataset), **style)
        grid[1].plot(row.error_rate, row.ece, **style)
        grid[2].plot(row.ece, row.mce, **style)
    names = [name.replace("->", "\n→ ") for name in datasets]
    grid[0].set_yticks(range(len(datasets)), names)
    grid[0].set(xlabel="implied share of foreground (%)", xlim=(0, None), ylim=(len(datasets) - 0.5, -0.5))
    for axes, slope in zip(grid[1:], (1, 2), strict=True):
        top = 1.05 * (table.error_rate.max() if slope == 1 else table.ece.max())
        axes.plot([0, top], [0, slope * top], color=FAINT, linestyle="--", linewidth=0.8, zorder=1)
    grid[1].set(xlabel="implied error rate (%)", ylabel="printed ECE (%)", xlim=(0, None), ylim=(0, None))
    grid[2].set(xlabel="printed ECE (%)", ylabel="printed MCE (%)", xlim=(0, None), ylim=(0, None))
    for letter, axes in zip("abc", grid, strict=True):
        axes.grid(color=GRID, linewidth=0.5)
        panel_title(axes, letter, "")
    entries = [Line2D([], [], marker=mark, color=FAINT, linestyle="none", label=name) for name, mark in METHODS.items()]
    entries += [Line2D([], [], marker="o", color=colors[name], linestyle="none", label=name.replace("->", " → "))
                for name in datasets]  # fmt: skip
    legend_below(figure, entries, columns=4)
    return figure


FIGURE = forensics
