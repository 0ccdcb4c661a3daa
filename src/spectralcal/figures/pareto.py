"""Accuracy against calibration: which methods no other one beats in both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spectralcal.figures._axes import handles, legend_below, log_axis, panel_title, say_missing
from spectralcal.figures._bootstrap import patient_draws
from spectralcal.figures._case_scores import (
    COLUMNS,
    CaseScores,
    case_scores,
    cases_named,
    hole_sentences,
    metric_label,
    overall_status,
)
from spectralcal.figures._choose import opening, pick
from spectralcal.figures._drawn import Drawn
from spectralcal.figures.style import FAINT, TWO_COLUMNS, Look, looks, size
from spectralcal.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Accuracy against calibration"
NEEDS = ()
#: ratio of the largest to the smallest error from which the axis is logarithmic
DECADE = 4.0
NUMBERS = ("x", "x_low", "x_high", "y", "y_low", "y_high", "share")


def pareto(
    results: Results,
    experiment: str,
    *,
    architecture: str = "",
    accuracy: str = "DSC",
    calibration: str = "ECE",
    protocol: str = "paper",
) -> Drawn:
    """All methods by two metrics, with the Pareto front of their means.

    Intervals are of the difference to the mean of all compared methods, patient by patient: how hard the patients are
    is common to all methods and does not blur their comparison.

    Args:
        results: the study's results.
        experiment: name of the experiment; a panel for each of its data sets.
        architecture: architecture to show; empty: the experiment's first.
        accuracy: metric along the page.
        calibration: metric up the page.
        protocol: protocol of the calibration error.

    Raises:
        ConfigError: an unknown metric.
        ResultError: the protocol was not scored, or not by case.
    """
    architecture = pick(results, experiment, "architectures", architecture)
    metrics = (accuracy, calibration)
    table, blocks = frame(results, experiment, architecture, metrics, protocol)
    datasets = results.config.experiments[experiment].datasets
    names = {dataset: results.title(dataset) for dataset in datasets}
    statuses, labels = _statuses(table), dict(zip(table.method, table.label, strict=True))
    shares = table[table.share.notna()].groupby("dataset", sort=False)
    listed = "; ".join(
        (f"{names[dataset]}: " if len(names) > 1 else "")
        + ", ".join(f"{row.label} {100 * row.share:.0f}" for row in rows.itertuples() if row.share >= 0.005)
        for dataset, rows in shares
    )
    caption = (
        f"{opening(results, experiment, datasets, architecture)} Calibration under protocol '{protocol}'; "
        f"{cases_named(results, blocks)}. Means over cases; bars: 95 % bootstrap intervals over patients "
        "of the difference to "
        "the mean of all methods, so that what the patients have in common does not count. Line and filled markers: "
        "the methods that no other one beats in both means. Per cent of samples of resampled patients in which a "
        f"method is one of them: {listed or 'none'}.{hole_sentences(statuses, labels)}"
    )
    return Drawn(draw(table, metrics, names), table, caption)


def frame(
    results: Results, experiment: str, architecture: str, metrics: tuple[str, str], protocol: str
) -> tuple[pd.DataFrame, list[CaseScores]]:
    """Means by method.

    Returns:
        dataset, architecture, method, label, x and y (means over cases of the two metrics in their printed units) with
        intervals, front (no other method is at least as good in both and better in one), share (of samples of
        resampled patients in which it is on the front), status; and the scores that they were computed from.
    """
    rows, all_blocks = [], []
    for dataset in results.config.experiments[experiment].datasets:
        blocks = [case_scores(results, experiment, dataset, architecture, metric, protocol) for metric in metrics]
        all_blocks += blocks
        means = np.stack([block.means for block in blocks])  # (2, methods)
        compared = np.isfinite(means).all(0)
        signs = np.array([-1.0 if block.column.higher else 1.0 for block in blocks])
        front, share = np.zeros(len(compared), dtype=bool), np.full(len(compared), np.nan)
        if compared.any():
            front[compared] = undominated(signs[:, None] * means[:, compared])
            drawn = [block.resampled(patient_draws(block.patients))[:, compared] for block in blocks]
            share[compared] = undominated(signs[:, None, None] * np.stack(drawn)).mean(0)
        spans = [_intervals(block, compared) for block in blocks]
        for index, method in enumerate(blocks[0].methods):
            row: dict[str, Any] = {"dataset": dataset, "architecture": architecture, "method": method}
            row |= {"label": results.label(method)}
            for axis, mean, (low, high) in zip("xy", means, spans, strict=True):
                row |= {axis: mean[index], f"{axis}_low": low[index], f"{axis}_high": high[index]}
            status = overall_status([block.status[method] for block in blocks])
            rows.append({**row, "front": bool(front[index]), "share": share[index], "status": status})
    table = pd.DataFrame(rows)
    return table[["dataset", "architecture", "method", "label", *NUMBERS[:-1], "front", "share", "status"]], all_blocks


def undominated(values: np.ndarray) -> np.ndarray:
    """Methods that no other one beats: (..., methods) boolean.

    Args:
        values: (metrics, ..., methods), lower is better; a method dominates another if it is nowhere worse and
            somewhere better.
    """
    mine, theirs = values[..., :, None], values[..., None, :]
    dominated = (theirs <= mine).all(0) & (theirs < mine).any(0)
    return ~dominated.any(-1)


def _intervals(block: CaseScores, compared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(methods,) ends of the intervals around the means: of each method less the mean of all, by patient."""
    from spectralcal.statistics import bootstrap_mean

    low, high = np.full((2, len(compared)), np.nan)
    if not compared.any():
        return low, high
    relative = block.by_case - block.by_case[compared].mean(0)  # NaN for a case that a method lacks
    for index in np.flatnonzero(compared):
        found = bootstrap_mean(relative[index], np.array(block.patients))
        shift = block.means[index] - found.estimate
        low[index], high[index] = found.low + shift, found.high + shift
    return low, high


def draw(table: pd.DataFrame, metrics: tuple[str, str], names: Mapping[str, str]) -> Figure:
    """A panel for each data set.

    Args:
        table: the numbers.
        metrics: along and up the page.
        names: printed names of the data sets.
    """
    import matplotlib.pyplot as plt

    labels = dict(zip(table.method, table.label, strict=True))
    found, across = looks(list(labels)), min(len(names), 3)
    down = math.ceil(len(names) / across)
    width = {1: 110.0, 2: TWO_COLUMNS, 3: TWO_COLUMNS}[across]
    figure, grid = plt.subplots(
        down, across, figsize=size(width, 14.0 + 62.0 * down), layout="constrained", squeeze=False
    )
    for axes in grid.flat[len(names) :]:
        axes.set_axis_off()
    for index, (axes, (dataset, name)) in enumerate(zip(grid.flat, names.items(), strict=False)):
        shown = table[(table.dataset == dataset) & table.x.notna() & table.y.notna()]
        if len(names) > 1:
            panel_title(axes, "abcdefghijklmnopqrstuvwxyz"[index], name)
        for axis, metric in zip("xy", metrics, strict=True):
            better = "higher" if COLUMNS[metric].higher else "lower"
            axes.set(**{f"{axis}label": f"{metric_label(COLUMNS[metric])}, {better} is better"})
        if shown.empty:
            say_missing(axes)
            axes.set(xticks=[], yticks=[])
            continue
        _panel(axes, shown, metrics, found)
    missing = {method for method, status in _statuses(table).items() if status in ("missing", "undefined")}
    legend_below(figure, handles(found, labels, missing, markers=True))
    return figure


def _panel(axes: Axes, table: pd.DataFrame, metrics: tuple[str, str], found: dict[str, Look]) -> None:
    for row in table.itertuples():
        look = found[row.method]
        bars = {"color": look.color, "linewidth": 0.7, "alpha": 0.8, "zorder": 2}
        axes.plot([row.x_low, row.x_high], [row.y, row.y], **bars)
        axes.plot([row.x, row.x], [row.y_low, row.y_high], **bars)
        axes.plot(row.x, row.y, marker=look.marker, markersize=8.5 if look.marker == "*" else 5, color=look.color,
                  markerfacecolor=look.color if row.front else "white", markeredgecolor=look.color,
                  markeredgewidth=0.8, zorder=look.order + 2)  # fmt: skip
    front = table[table.front].sort_values(["x", "y"])
    if len(front) > 1:
        # The corners of the staircase lie on the worse side: between two methods nothing better was found.
        worse_first = COLUMNS[metrics[0]].higher
        axes.step(front.x, front.y, where="pre" if worse_first else "post", color=FAINT, linewidth=0.8, zorder=1)
    if table.y.min() > 0 and table.y.max() > DECADE * table.y.min():
        axes.set_yscale("log")
        log_axis(axes)


def _statuses(table: pd.DataFrame) -> dict[str, str]:
    return {method: overall_status(list(rows.status)) for method, rows in table.groupby("method", sort=False)}


FIGURE = pareto
