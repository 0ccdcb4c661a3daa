"""Critical-difference diagrams: average ranks over patients, Friedman's test and Nemenyi's groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spectralcal.report.figures.axes import panel_title, place, say_missing
from spectralcal.report.figures.case_scores import (
    COLUMNS,
    CaseScores,
    case_scores,
    cases_named,
    hole_sentences,
    overall_status,
    text_width,
)
from spectralcal.report.figures.choose import counted, opening, pick
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.text import plain
from spectralcal.report.results import Results
from spectralcal.report.style import FAINT, INK, PAGE, TWO_COLUMNS, Look, Style, size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Critical differences of average ranks"
NEEDS = ()
METRICS = tuple(COLUMNS)
LEVEL = 0.05
#: mm: heights of title, ruler, axis, a bar and a label; between panels; from a label to its edge
HEAD, RULER, AXIS, BAR, LINE, GAP, MARK = 7.0, 4.5, 8.5, 1.7, 3.9, 4.0, 5.0
#: mm of the longest name from which the diagrams stand one below the other
LONG = 19.0
NUMBERS = ("mean_rank", "low", "high", "statistic", "p_value", "critical_difference")


def critical_difference(
    results: Results, experiment: str, *, architecture: str = "", metric: str = "", protocol: str = ""
) -> Drawn:
    """One diagram for each metric, with patients as blocks.

    Demsar (2006) ranks over data sets; a study has too few of them, and patients are what is drawn at random here.

    Args:
        results: the study's results.
        experiment: name of the experiment; patients of all of its data sets are ranked together.
        architecture: architecture to show; empty: the experiment's first.
        metric: the only one to show; empty: all six.
        protocol: protocol of the calibration errors; empty: the headline one.

    Raises:
        ConfigError: an unknown metric.
        ResultError: the protocol was not scored, or not by case.
    """
    architecture = pick(results, experiment, "architectures", architecture)
    protocol = protocol or results.protocol
    table, blocks = frame(results, experiment, architecture, (metric,) if metric else METRICS, protocol)
    datasets = results.config.experiments[experiment].datasets
    methods = table[table.level == "method"]
    statuses = {method: overall_status(list(rows.status)) for method, rows in methods.groupby("method", sort=False)}
    caption = (
        f"{opening(results, experiment, datasets, architecture)} Calibration under protocol '{protocol}'; "
        f"{cases_named(results, blocks)}. Average rank of each method over patients (mean over seeds, "
        "cases and classes; 1 is best, ties averaged), over patients alone: nothing is said about other trainings. "
        f"Friedman's test says whether methods differ at all; bars join methods that Nemenyi's "
        f"test at {LEVEL:g} cannot tell apart, their average ranks being less than the critical difference (CD) from "
        "each other. Not corrected for the number of metrics."
        f"{hole_sentences(statuses, dict(zip(methods.method, methods.label, strict=True)))}"
    )
    return Drawn(draw(table, results.style), table, caption)


def frame(
    results: Results, experiment: str, architecture: str, metrics: Sequence[str], protocol: str
) -> tuple[pd.DataFrame, list[CaseScores]]:
    """Average ranks and groups.

    Returns:
        metric, level (``method`` or ``bar``: a group that cannot be told apart), method, label, mean_rank, low, high
        (ends of a bar), statistic and p_value (Friedman's), critical_difference (Nemenyi's), patients (with a value of
        every compared method), status; and the scores that they were computed from. Methods without results do not
        compete.
    """
    from spectralcal.statistics import friedman_test

    grid, rows, blocks = results.config.experiments[experiment], [], []
    for metric in metrics:
        found = [case_scores(results, experiment, name, architecture, metric, protocol) for name in grid.datasets]
        blocks += found
        values = np.concatenate([patient_means(block) for block in found])  # (patients, methods)
        compared = np.isfinite(values).any(0)
        complete = values[:, compared][np.isfinite(values[:, compared]).all(1)]
        common: dict[str, Any] = {"metric": metric, "patients": len(complete)}
        mean_ranks = np.full(len(compared), np.nan)
        if compared.sum() > 2 and len(complete) > 1:
            test = friedman_test(complete, lower_is_better=not found[0].column.higher, level=LEVEL)
            mean_ranks[compared] = test.average_ranks
            common |= {"statistic": test.statistic, "p_value": test.p_value}
            common |= {"critical_difference": test.critical_difference}
            rows += [
                {**common, "level": "bar", "low": low, "high": high, "status": "ok"}
                for low, high in cliques(test.average_ranks, test.critical_difference)
            ]
        rows += [
            {**common, "level": "method", "method": method, "label": results.label(method), "mean_rank": mean_ranks[i],
             "status": overall_status([block.status[method] for block in found])}
            for i, method in enumerate(found[0].methods)
        ]  # fmt: skip
    table = pd.DataFrame(rows)
    table = table.assign(**{name: np.nan for name in NUMBERS if name not in table})
    return table[["metric", "level", "method", "label", *NUMBERS, "patients", "status"]], blocks


def patient_means(block: CaseScores) -> np.ndarray:
    """(patients, methods) mean over the cases of each patient; NaN where a case has no value."""
    names = np.array(block.patients, dtype=object)
    unique = dict.fromkeys(block.patients)
    if not unique:
        return np.empty((0, len(block.methods)))
    return np.stack([block.by_case[:, names == name].mean(1) for name in unique])


def cliques(mean_ranks: np.ndarray, critical_difference: float) -> list[tuple[float, float]]:
    """Lowest and highest average rank of each largest group of two or more methods closer than the critical
    difference, groups inside of others left out."""
    ordered = np.sort(mean_ranks)
    found: list[tuple[int, int]] = []
    for start in range(len(ordered)):
        stop = int(np.searchsorted(ordered, ordered[start] + critical_difference, side="left")) - 1
        if stop > start and (not found or stop > found[-1][1]):
            found.append((start, stop))
    return [(float(ordered[start]), float(ordered[stop])) for start, stop in found]


def draw(table: pd.DataFrame, style: Style) -> Figure:
    """Six diagrams in two columns, or in one where names are long."""
    import matplotlib.pyplot as plt

    methods = table[table.level == "method"]
    labels = dict(zip(methods.method, methods.label, strict=True))
    found, margin = style.looks(list(labels)), MARK + max(text_width(label) for label in labels.values())
    metrics = list(dict.fromkeys(table.metric))
    across = min(2, len(metrics)) if margin < LONG + MARK else 1
    width = (TWO_COLUMNS - 4.0 - GAP * 2 * (across - 1)) / across
    rows, lanes = math.ceil(len(metrics) / across), math.ceil(len(labels) / 2)
    bars = int((table.level == "bar").groupby(table.metric).sum().max())
    ruler = RULER if across == 2 else 0.0  # wide diagrams have it beside their title
    fixed = ruler + AXIS + 1.0
    squeeze = min(1.0, ((PAGE - GAP) / rows - HEAD - fixed) / (BAR * bars + LINE * lanes))
    body = fixed + squeeze * (BAR * bars + LINE * lanes)
    figure = plt.figure(figsize=size(TWO_COLUMNS, rows * (HEAD + body) + GAP))
    for index, metric in enumerate(metrics):
        row, column = divmod(index, across)
        x, y = 2.0 + column * (width + 2 * GAP), HEAD + row * (HEAD + body)
        axes = place(figure, x, y, width, body)
        axes.set(xlim=(0, width), ylim=(body, 0), xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        panel_title(axes, "abcdef"[index], metric)
        shown = table[table.metric == metric]
        ranked = shown[(shown.level == "method") & shown.mean_rank.notna()]
        if ranked.empty:
            methods_there = int((shown[shown.level == "method"].status != "missing").sum())
            say_missing(axes, f"{counted(methods_there, 'method')}, {counted(int(shown.patients.iloc[0]), 'patient')} "
                              "with all: three and two are needed")  # fmt: skip
            continue
        one = ranked.iloc[0]
        p_value = "p < 0.001" if one.p_value < 0.001 else f"p = {one.p_value:.3f}"
        axes.set_title(f"Friedman {p_value}, {counted(int(one.patients), 'patient')}", loc="right", fontsize=6.5)
        _diagram(axes, ranked, shown[shown.level == "bar"], found, _Places(margin, width, ruler, squeeze))
    return figure


@dataclass(frozen=True)
class _Places:
    """Where things are in a diagram, in mm from its upper left corner.

    Attributes:
        margin: from the edge to the end of a label's line, on both sides.
        width: of the diagram.
        ruler: height of the ruler's own line; 0 puts it beside the title.
        squeeze: of bars and labels, so that six diagrams fit on a page.
    """

    margin: float
    width: float
    ruler: float
    squeeze: float

    @property
    def axis(self) -> float:
        return self.ruler + 4.5

    def bar(self, index: int) -> float:
        return self.axis + 2.4 + self.squeeze * BAR * index

    def label(self, bars: int, index: int) -> float:
        return self.axis + 4.8 + self.squeeze * (BAR * bars + LINE * index)

    def rank(self, rank: float, count: int) -> float:
        left, right = self.margin + 3.0, self.width - self.margin - 3.0
        return left + (rank - 1) / (count - 1) * (right - left)


def _diagram(
    axes: Axes, ranked: pd.DataFrame, bars: pd.DataFrame, found: dict[str, Look], at: _Places
) -> None:  # fmt: skip
    """Axis of ranks with its ruler, bars below it, and methods on both sides."""
    count = len(ranked)
    difference = ranked.critical_difference.iloc[0]
    ends, y = [at.rank(1, count), at.rank(1 + difference, count)], 1.8 if at.ruler else -2.6
    fits = difference <= count - 1
    if fits:
        axes.plot(ends, [y, y], color=INK, linewidth=0.8, marker="|", markersize=4, clip_on=False)
    text = f"CD = {difference:.2f}" + ("" if fits else ", wider than the axis")
    axes.text(ends[1] + 1.5 if fits else ends[0], y, text, va="center", fontsize=6.5)
    axes.plot([at.rank(1, count), at.rank(count, count)], [at.axis] * 2, color=FAINT, linewidth=0.8, zorder=1)
    for rank in range(1, count + 1):
        x = at.rank(rank, count)
        axes.plot([x, x], [at.axis - 1.0, at.axis], color=FAINT, linewidth=0.8, zorder=1)
        axes.text(x, at.axis - 1.6, str(rank), ha="center", va="bottom", fontsize=6.5)
    for index, bar in enumerate(bars.itertuples()):
        span = [at.rank(bar.low, count) - 0.6, at.rank(bar.high, count) + 0.6]
        axes.plot(span, [at.bar(index)] * 2, color=INK, linewidth=2.0, solid_capstyle="butt", zorder=4)
    ordered = ranked.sort_values("mean_rank", kind="stable")
    half = math.ceil(count / 2)
    for left, rows in ((True, ordered[:half]), (False, ordered[half:][::-1])):
        edge, beyond = (at.margin, at.margin - 1.0) if left else (at.width - at.margin, at.width - at.margin + 1.0)
        for index, row in enumerate(rows.itertuples()):
            look, x, y = found[row.method], at.rank(row.mean_rank, count), at.label(len(bars), index)
            axes.plot([x, x, edge], [at.axis, y, y], color=look.color, linewidth=0.9, zorder=2)
            axes.plot(x, at.axis, marker=look.marker, markersize=7 if look.marker == "*" else 4.2, color=look.color,
                      markeredgecolor="white", markeredgewidth=0.4, zorder=5)  # fmt: skip
            axes.text(beyond, y, plain(row.label), ha="right" if left else "left", va="center", fontsize=6.5)


FIGURE = critical_difference
