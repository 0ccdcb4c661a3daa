"""Dice and calibration error over the level of noise, a panel for each kind and reading of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spectralcal.papers.spectral_correlation.columns import DSC, ECE
from spectralcal.papers.spectral_correlation.tested import NOISE, UnderCondition, conditions
from spectralcal.report.figures.axes import handles, legend_below, line_style, say_missing
from spectralcal.report.figures.choose import counted, opening, pick
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.intervals import over_what
from spectralcal.report.results import Results
from spectralcal.report.style import GRID, TWO_COLUMNS, size
from spectralcal.report.summary import summarize
from spectralcal.study.conditions import TEST, condition_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Noise: Dice and calibration error over its level"
NEEDS = ()
METRICS = (DSC, ECE)


def noise(results: Results, experiment: str, *, dataset: str = "", architecture: str = "") -> Drawn:
    """Means under every condition of the study that is noise; level 0 is the test without noise.

    Args:
        results: the study's results.
        experiment: whose methods are drawn.
        dataset: data set; empty: the experiment's first.
        architecture: network; empty: the experiment's first.
    """
    dataset = pick(results, experiment, "datasets", dataset)
    architecture = pick(results, experiment, "architectures", architecture)
    table = frame(results, experiment, dataset, architecture)
    scored = table[table["mean"].notna()]
    patients = counted(int(scored.patients.max()), "patient") if len(scored) else "no patient"
    caption = (
        f"{opening(results, experiment, [dataset], architecture)} Means over {patients}; bars: 95 % intervals "
        f"{over_what(scored.seeds)}. Level 0: without noise. Every method sees the same noise."
    )
    return Drawn(draw(results, table), table, caption)


def frame(results: Results, experiment: str, dataset: str, architecture: str) -> pd.DataFrame:
    """Rows of :func:`spectralcal.report.summary.summarize` with condition, kind and level."""
    parts = []
    names = conditions(results, dataset, noise=True)
    kinds = {name: _kind(results, name) for name in names}
    clean = summarize(UnderCondition(results, experiment, dataset), experiment, METRICS, "paper")
    parts += [
        clean.assign(condition=TEST, kind=kind, level=0.0) for kind in dict.fromkeys(k for k, _ in kinds.values())
    ]
    for name in names:
        rows = summarize(UnderCondition(results, experiment, dataset, name), experiment, METRICS, "paper")
        parts.append(rows.assign(condition=name, kind=kinds[name][0], level=kinds[name][1]))
    table = pd.concat(parts, ignore_index=True) if parts else clean.assign(condition=TEST, kind="", level=0.0)
    return table[table.architecture == architecture].reset_index(drop=True)


def _kind(results: Results, condition: str) -> tuple[str, float]:
    """Words for what the noise is, and its level."""
    entry = condition_of(results.config, condition).corrupt[-1]
    options = dict(entry.arguments)
    level = float(options.pop("level", options.pop("variance", np.nan)))
    said = ", ".join(str(value).replace("_", " and ") for value in options.values())
    return f"{NOISE[entry.name]}{f': {said}' if said else ''}", level


def draw(results: Results, table: pd.DataFrame) -> Figure:
    """Metrics in rows, kinds in columns; levels are placed by their order."""
    import matplotlib.pyplot as plt

    kinds = [kind for kind in dict.fromkeys(table.kind) if kind]
    width = min(TWO_COLUMNS, 30 + 48 * max(len(kinds), 1))
    figure, grid = plt.subplots(
        len(METRICS), max(len(kinds), 1), figsize=size(width, 96), layout="constrained", sharey="row", squeeze=False
    )
    methods = list(dict.fromkeys(table.method))
    looks = results.style.looks(methods)
    if not kinds:
        say_missing(grid[0, 0], "the study tests no noise")
    for column, kind in enumerate(kinds):
        levels = sorted(set(table[table.kind == kind].level))
        grid[0, column].set_title(kind)
        for row, metric in enumerate(METRICS):
            axes = grid[row, column]
            for lane, method in enumerate(methods):
                rows = table[(table.kind == kind) & (table.metric == metric.metric) & (table.method == method)]
                rows = rows[rows["mean"].notna()].sort_values("level")
                x = np.array([levels.index(level) for level in rows.level]) + 0.06 * (lane - (len(methods) - 1) / 2)
                axes.plot(x, rows["mean"], **line_style(looks[method], markers=True))
                axes.vlines(x, rows.low, rows.high, color=looks[method].color, linewidth=0.7)
            axes.set_xticks(range(len(levels)), [f"{level:g}" for level in levels])
            axes.grid(color=GRID, linewidth=0.5)
            if column == 0:
                axes.set_ylabel(f"{metric.metric} ({metric.unit})")
        grid[-1, column].set_xlabel("level")
    legend_below(figure, handles(looks, {method: results.label(method) for method in methods}, markers=True))
    return figure


FIGURE = noise
