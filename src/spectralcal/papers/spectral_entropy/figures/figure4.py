"""The paper's Figure 4: cross-entropy against the spectral loss over architectures, in Dice and calibration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spectralcal.report.figures.axes import handles, legend_below, panel_title
from spectralcal.report.figures.case_scores import (
    COLUMNS,
    CaseScores,
    case_scores,
    cases_named,
    hole_sentences,
    metric_label,
    nan_mean,
    not_shown,
    overall_status,
)
from spectralcal.report.figures.choose import ARCHITECTURES, opening
from spectralcal.report.figures.compared import the_two
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.intervals import detectable_sentence, over_what, undecided
from spectralcal.report.figures.text import plain
from spectralcal.report.results import Results
from spectralcal.report.style import FAINT, GRID, INK, PAGE, TWO_COLUMNS, Look, Style, size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from spectralcal.statistics import Crossed

TITLE = "Architectures: cross-entropy against the spectral loss"
NEEDS = ()
METRICS = ("DSC", "ECE")
#: of the two methods from the middle of their row, so that neither hides the other
OFFSET = 0.17
NUMBERS = ("seed", "value", "low", "high", "p_value", "detectable", "shortage", "seeds", "patients")


def figure4(
    results: Results, experiment: str, *, baseline: str = "ce", ours: str = "spectral", protocol: str = "paper"
) -> Drawn:
    """Means of two methods by architecture, and their difference, paired by patient.

    Args:
        results: the study's results.
        experiment: name of the experiment; all of its data sets and architectures are shown.
        baseline: method to compare with.
        ours: method that is compared.
        protocol: protocol of the calibration error.

    Raises:
        ConfigError: the experiment does not have one of the methods.
        ResultError: the protocol was not scored, or not by case.
    """
    pair = the_two(results, experiment, baseline, ours)
    table, blocks = frame(results, experiment, pair, protocol)
    grid = results.config.experiments[experiment]
    networks = ", ".join(ARCHITECTURES.get(name, name) for name in grid.architectures)
    label = {method: results.label(method) for method in pair}
    names = {dataset: results.title(dataset) for dataset in grid.datasets}
    gone = _holes(table, names)
    caption = (
        f"{opening(results, experiment, grid.datasets, networks)} Protocol '{protocol}'; "
        f"{cases_named(results, blocks)}. "
        f"Large: means of {label[pair[0]]} and {label[pair[1]]}, joined by a line, with 95 % intervals "
        f"{over_what(table.seeds)}; small: single seeds, where there are several. Right of each: {label[pair[1]]} less "
        f"{label[pair[0]]}, paired by seed and patient, with its 95 % interval; filled where the interval "
        f"excludes zero; the shaded side is the better one.{_undecided(table, names)}{gone}"
        f"{not_shown(results, experiment, pair)}"
    )
    return Drawn(draw(table, results.style, pair, names), table, caption)


def frame(
    results: Results, experiment: str, pair: tuple[str, str], protocol: str
) -> tuple[pd.DataFrame, list[CaseScores]]:
    """Means and paired differences.

    Returns:
        dataset, architecture, metric, unit, method, label, level (``seed``, ``mean``, or ``difference``: `ours` less
        the baseline), seed, value with its 95 % interval low and high, p_value, detectable (smallest difference that
        would be found with 80 % power) and shortage (why it decides nothing) of differences, seeds and patients that
        entered, cases, status; and the scores that they were computed from.
    """
    grid, rows, blocks = results.config.experiments[experiment], [], []
    for dataset in grid.datasets:
        for architecture in grid.architectures:
            for metric in METRICS:
                scores = case_scores(results, experiment, dataset, architecture, metric, protocol)
                blocks.append(scores)
                common: dict[str, Any] = {"dataset": dataset, "architecture": architecture, "metric": metric}
                common |= {"unit": scores.column.unit, "cases": len(scores.cases)}
                status = scores.status
                for method in pair:
                    one = {**common, "method": method, "label": results.label(method), "status": status[method]}
                    rows.append({**one, "level": "mean", **_numbers(scores.mean(method))})
                    by_seed = nan_mean(scores.values[scores.methods.index(method)].T)
                    rows += [
                        {**one, "level": "seed", "seed": seed, "value": value}
                        for seed, value in zip(scores.seeds, by_seed, strict=True)
                        if np.isfinite(value)
                    ]
                found, both = scores.difference(pair[1], pair[0]), [status[method] for method in pair]
                rows.append(
                    {**common, "method": pair[1], "label": results.label(pair[1]), "level": "difference",
                     **_numbers(found), "p_value": found.p_value, "detectable": found.detectable,
                     "shortage": found.shortage, "status": both[0] if both[0] != "ok" else both[1]}
                )  # fmt: skip
    table = pd.DataFrame(rows)
    table = table.assign(**{name: np.nan for name in NUMBERS if name not in table})
    first = ["dataset", "architecture", "metric", "unit", "method", "label", "level"]
    return table[[*first, *NUMBERS, "cases", "status"]], blocks


def _numbers(found: Crossed) -> dict[str, float]:
    ends = {"value": found.estimate, "low": found.low, "high": found.high}
    there = np.isfinite(found.estimate)
    return {**ends, "seeds": found.seeds * there, "patients": found.patients * there}


def _undecided(table: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Sentences on hollow markers: where too little was run, and what could have been seen."""
    differences = table[(table.level == "difference") & table.value.notna()]
    shortages = {
        _name(dataset, architecture, names).replace("\n", " "): rows.shortage.iloc[0]
        for (dataset, architecture), rows in differences.groupby(["dataset", "architecture"], sort=False)
    }
    hollow = differences[~_excludes_zero(differences)]
    sizes = {metric: (rows.detectable, rows.unit.iloc[0]) for metric, rows in hollow.groupby("metric", sort=False)}
    return undecided(shortages, "Nothing is filled") + detectable_sentence(sizes)


def draw(table: pd.DataFrame, style: Style, pair: tuple[str, str], names: Mapping[str, str]) -> Figure:
    """A row for each architecture and data set; means and differences side by side for each metric.

    Args:
        table: the numbers.
        style: looks of methods.
        pair: baseline and compared method.
        names: printed names of the data sets.
    """
    import matplotlib.pyplot as plt

    keys = list(dict.fromkeys(zip(table.dataset, table.architecture, strict=True)))
    labels = dict(zip(table.method, table.label, strict=True))
    labels, found = {method: labels[method] for method in pair}, style.looks(pair)
    height = min(PAGE, 24.0 + 9.0 * len(keys))
    figure, grid = plt.subplots(
        1, 2 * len(METRICS), figsize=size(TWO_COLUMNS, height), layout="constrained", sharey=True,
        gridspec_kw={"width_ratios": [1.45, 1.0] * len(METRICS)},
    )  # fmt: skip
    for column, metric in enumerate(METRICS):
        means, differences = grid[2 * column : 2 * column + 2]
        rows = table[table.metric == metric]
        kind = COLUMNS[metric]
        panel_title(means, "ac"[column], metric_label(kind))
        panel_title(differences, "bd"[column], "difference")
        for place, key in enumerate(keys):
            mine = rows[(rows.dataset == key[0]) & (rows.architecture == key[1])]
            _means(means, mine, pair, found, place)
            _difference(differences, mine[mine.level == "difference"].iloc[0], found[pair[1]], place)
        _finish(means, differences, rows, kind.higher)
    grid[0].set_yticks(range(len(keys)), [plain(_name(*key, names)) for key in keys])
    grid[0].set_ylim(len(keys) - 0.5, -0.5)
    for axes in grid:
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
    nowhere = table[table.level == "mean"].groupby("method").status.agg(lambda status: (status == "missing").all())
    legend_below(figure, handles(found, labels, set(nowhere[nowhere].index), markers=True))
    return figure


def _means(axes: Axes, rows: pd.DataFrame, pair: tuple[str, str], found: dict[str, Look], place: int) -> None:
    means = rows[rows.level == "mean"].set_index("method").value
    if means.notna().all():
        axes.plot(means[list(pair)], [place - OFFSET, place + OFFSET], color=FAINT, linewidth=1.2, alpha=0.6, zorder=3)
    elif not means.notna().any():
        _hole(axes, place)
    for offset, method in zip((-OFFSET, OFFSET), pair, strict=True):
        look, seeds = found[method], rows[(rows.level == "seed") & (rows.method == method)]
        if len(seeds) > 1:
            small = {"s": 8 if look.marker == "*" else 5, "marker": look.marker, "linewidths": 0, "alpha": 0.6}
            axes.scatter(seeds.value, np.full(len(seeds), place + offset), color=look.color, zorder=2, **small)
        mean = rows[(rows.level == "mean") & (rows.method == method)].iloc[0]
        if np.isfinite(mean.low):
            axes.plot([mean.low, mean.high], [place + offset] * 2, color=look.color, linewidth=0.7, zorder=2)
        if np.isfinite(mean.value):
            marker = {"marker": look.marker, "markersize": 8 if look.marker == "*" else 5}
            marker |= {"markeredgecolor": "white", "markeredgewidth": 0.5}
            axes.plot(mean.value, place + offset, color=look.color, zorder=look.order + 3, **marker)


def _difference(axes: Axes, row: Any, look: Look, place: int) -> None:
    if not np.isfinite(row.value):
        _hole(axes, place)
        return
    sure = _excludes_zero(row) and not row.shortage
    if np.isfinite(row.low):
        axes.plot([row.low, row.high], [place, place], color=look.color, linewidth=1.1, zorder=3)
    face = look.color if sure else "white"
    axes.plot(row.value, place, marker="o", markersize=4.2, color=look.color, markerfacecolor=face, zorder=4)


def _excludes_zero(rows: Any) -> Any:
    return (rows.low > 0) | (rows.high < 0)


def _hole(axes: Axes, place: int) -> None:
    from matplotlib.transforms import blended_transform_factory

    middle = blended_transform_factory(axes.transAxes, axes.transData)
    axes.text(
        0.5, place, "missing", transform=middle, ha="center", va="center", color=FAINT, style="italic",
        bbox={"color": "white", "pad": 1.0}, zorder=9,
    )  # fmt: skip


def _finish(means: Axes, differences: Axes, rows: pd.DataFrame, higher: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    means.set_xlabel(f"{rows.unit.iloc[0]}, {'higher' if higher else 'lower'} is better")
    differences.set_xlabel("percentage points" if rows.unit.iloc[0] == "%" else rows.unit.iloc[0])
    for axes in (means, differences):
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.grid(axis="y", color=GRID, linewidth=0.5)
        axes.set_axisbelow(True)
    if not rows.value.notna().any():
        for axes in (means, differences):
            axes.set_xticks([])
        return
    shown = rows[rows.level == "difference"]
    reach = float(np.nanmax(np.abs(shown[["value", "low", "high"]].to_numpy()), initial=0.0)) * 1.15 or 1.0
    differences.set_xlim(-reach, reach)
    differences.axvline(0, color=INK, linewidth=0.6, zorder=1)
    differences.axvspan(*((0, reach) if higher else (-reach, 0)), color=GRID, alpha=0.5, linewidth=0, zorder=0)


def _name(dataset: str, architecture: str, names: Mapping[str, str]) -> str:
    network = ARCHITECTURES.get(architecture, architecture)
    return f"{names[dataset]},\n{network}" if len(names) > 1 else network


def _holes(table: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Sentences on methods that lack something, by data set and architecture."""
    means, statuses, labels = table[table.level == "mean"], {}, {}
    for (dataset, architecture, method), rows in means.groupby(["dataset", "architecture", "method"], sort=False):
        key = f"{dataset}/{architecture}/{method}"
        place = _name(dataset, architecture, names).replace("\n", " ")
        statuses[key], labels[key] = overall_status(list(rows.status)), f"{rows.label.iloc[0]} ({place})"
    return hole_sentences(statuses, labels)


FIGURE = figure4
