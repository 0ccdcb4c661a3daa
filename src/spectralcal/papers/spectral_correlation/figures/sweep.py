"""Dice, distance and calibration error over the weight of the term, a line for each reading of its sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spectralcal.base.errors import ConfigError, choices
from spectralcal.papers.spectral_correlation.arms import SPATIAL, is_arm
from spectralcal.papers.spectral_correlation.columns import DSC, ECE, HD95
from spectralcal.report.figures.axes import legend_below
from spectralcal.report.figures.choose import counted, opening, pick
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.intervals import over_what
from spectralcal.report.printed import paper_values
from spectralcal.report.results import Results
from spectralcal.report.style import GRID, INK, TWO_COLUMNS, size
from spectralcal.report.summary import summarize
from spectralcal.report.units import in_units
from spectralcal.study.methods import loss_options, method_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "The weight of the term, under each reading of its sum"
NEEDS = ()
COLUMNS = (DSC, HD95, ECE)
MARKS = ("o", "s", "^", "D", "v", "P", "X")
PALETTE = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#332288")


def sweep(
    results: Results, experiment: str, *, experiments: tuple[str, ...] = (), dataset: str = "", architecture: str = ""
) -> Drawn:
    """A panel for each metric; the loss without the term is the weight 0 of every reading.

    Args:
        results: the study's results.
        experiment: its methods of the loss with the term are drawn.
        experiments: further ones; none by default.
        dataset: data set; empty: the experiment's first.
        architecture: network; empty: the experiment's first.

    Raises:
        ConfigError: an experiment that the study does not have, or without that data set or network.
    """
    names = (experiment, *experiments)
    for name in names:
        if name not in results.config.experiments:
            known = choices(results.config.experiments)
            raise ConfigError(f"sweep, options.experiments: unknown experiment '{name}'; expected {known}")
    dataset = pick(results, experiment, "datasets", dataset)
    architecture = pick(results, experiment, "architectures", architecture)
    table = frame(results, names, dataset, architecture)
    scored = table[table["mean"].notna()]
    patients = counted(int(scored.patients.max()), "patient") if len(scored) else "no patient"
    caption = (
        f"{opening(results, experiment, [dataset], architecture)} Means over {patients}, with the weight λ of the "
        f"term; dotted line: the spatial loss without it. Bars: 95 % intervals {over_what(scored.seeds)}."
    )
    if table.paper_value.notna().any():
        caption += " Diamonds: the paper's numbers on this data set."
    return Drawn(draw(results, table, dataset), table, caption)


def frame(results: Results, names: tuple[str, ...], dataset: str, architecture: str) -> pd.DataFrame:
    """Rows of :func:`spectralcal.report.summary.summarize` with weight and reading; each method once."""
    parts = []
    for name in names:
        rows = summarize(results, name, COLUMNS, "paper")
        parts.append(rows[(rows.dataset == dataset) & (rows.architecture == architecture)])
    rows = pd.concat(parts, ignore_index=True).drop_duplicates(["method", "metric"], ignore_index=True)
    kinds = {method: _kind(results, method) for method in rows.method.unique()}
    rows = rows[[kinds[method] is not None for method in rows.method]]
    printed = paper_values(results.paper_folder, "table6")
    found = [printed.get((results.paper_dataset(dataset), row.metric, f"lambda={kinds[row.method][1]}"))
             if kinds[row.method][0] == "as printed" else None for row in rows.itertuples()]  # fmt: skip
    return rows.assign(
        reading=[kinds[method][0] for method in rows.method],
        weight=[kinds[method][1] for method in rows.method],
        paper_value=[value.value if value else np.nan for value in found],
    ).reset_index(drop=True)


def _kind(results: Results, method: str) -> tuple[str, float] | None:
    """Reading and weight of a method; None for what is neither the spatial loss nor a sum with the term."""
    if is_arm(results.config, method, SPATIAL):
        return "", 0.0
    options = loss_options(results.config, method)
    if method_of(results.config, method).loss != "scc" or options["base"] == "none":
        return None
    names = {"form": "one_minus", "combine": "add", "input": "probabilities", "spectrum": "complex", "band": "all",
             "onesided": False, "reduce": "batch", "include_background": False}  # fmt: skip
    said = [f"{key} {options[key]}" for key, usual in names.items() if options[key] != usual]
    return ", ".join(said).replace("_", " ") or "as printed", float(options["weight"])


def draw(results: Results, table: pd.DataFrame, dataset: str) -> Figure:
    """Metrics side by side."""
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D

    figure, grid = plt.subplots(1, len(COLUMNS), figsize=size(TWO_COLUMNS, 68), layout="constrained")
    readings = list(dict.fromkeys(reading for reading in table.reading if reading))
    for axes, column in zip(grid, in_units(results, COLUMNS, [dataset]), strict=True):
        rows = table[table.metric == column.metric]
        plain = rows[(rows.reading == "") & rows["mean"].notna()]
        for value in plain["mean"]:
            axes.axhline(value, color=INK, linewidth=0.8, linestyle=":", zorder=1)
        for index, reading in enumerate(readings):
            of = rows[(rows.reading == reading) & rows["mean"].notna()].sort_values("weight")
            color, mark = PALETTE[index % len(PALETTE)], MARKS[index % len(MARKS)]
            axes.plot(of.weight, of["mean"], marker=mark, color=color, markersize=3.5, linewidth=1, zorder=3)
            known = of[of.low.notna()]
            axes.vlines(known.weight, known.low, known.high, color=color, linewidth=0.8, zorder=2)
        printed = rows[rows.paper_value.notna()].sort_values("weight")
        axes.plot(printed.weight, printed.paper_value, "d", color=INK, markerfacecolor="white", markersize=4, zorder=2)
        axes.set(xlabel="weight λ", ylabel=f"{column.metric} ({column.unit})", xlim=(0, 1))
        axes.grid(color=GRID, linewidth=0.5)
    entries = [Line2D([], [], color=PALETTE[i % len(PALETTE)], marker=MARKS[i % len(MARKS)], markersize=3.5, label=name)
               for i, name in enumerate(readings)]  # fmt: skip
    entries.append(Line2D([], [], color=INK, linestyle=":", label="without the term"))
    if table.paper_value.notna().any():
        entries.append(Line2D([], [], color=INK, marker="d", linestyle="none", markerfacecolor="white", label="paper"))
    legend_below(figure, entries, columns=3)
    return figure


FIGURE = sweep
