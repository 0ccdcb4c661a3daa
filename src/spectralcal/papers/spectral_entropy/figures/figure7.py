"""The paper's Figure 7: aggregate ranks with their intervals, and ranks by data set and metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spectralcal.report.figures.axes import panel_title, place
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
from spectralcal.report.figures.intervals import detectable_sentence, over_what, undecided
from spectralcal.report.figures.ranking import Ranking, rank_blocks
from spectralcal.report.figures.text import plain
from spectralcal.report.results import Results
from spectralcal.report.style import FAINT, GRID, TWO_COLUMNS, Look, Style, size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Ranks over data sets and metrics"
NEEDS = ()
METRICS = tuple(COLUMNS)
#: mm: gap, a row, head and foot of a panel
GAP, ROW, HEAD, FOOT = 6.0, 5.5, 6.0, 11.0
#: mm: a cell of the heatmap beside the aggregate ranks, and the fewest columns that put it below them
CELL, MANY = 7.5, 9
NUMBERS = ("rank", "low", "high", "behind", "behind_low", "behind_high", "detectable", "seeds", "patients", "shortage")
#: dark for good ranks; lightness alone tells them apart, so that greyscale does too
SHADES = ("#0b2a52", "#5f83aa", "#f3f3ef")


def figure7(results: Results, experiment: str, *, architecture: str = "", protocol: str = "paper") -> Drawn:
    """Ranks of all methods over all data sets and the six metrics.

    Args:
        results: the study's results.
        experiment: name of the experiment.
        architecture: architecture to show; empty: the experiment's first.
        protocol: protocol of the calibration errors.

    Raises:
        ResultError: the protocol was not scored, or not by case.
    """
    architecture = pick(results, experiment, "architectures", architecture)
    table, blocks = frame(results, experiment, architecture, protocol)
    datasets = results.config.experiments[experiment].datasets
    methods = table[table.level == "aggregate"]
    statuses = dict(zip(methods.method, methods.status, strict=True))
    ranked = table[table.level == "rank"].groupby(["dataset", "metric"], sort=False).counted.first()
    left_out = [
        results.title(dataset) + ("" if not counts.any() else f" ({', '.join(counts.index[~counts])})")
        for dataset, counts in ((dataset, ranked[dataset].astype(bool)) for dataset in datasets)
        if not counts.all()
    ]
    columns = counted(int(ranked.sum()), "column")
    hole = f" Not counted, because a method has no result there: {', '.join(left_out)}." if left_out else ""
    caption = (
        f"{opening(results, experiment, datasets, architecture)} Calibration under protocol '{protocol}'; "
        f"{cases_named(results, blocks)}. Rank 1 is best; means that tables print alike share the average "
        f"of their ranks. (a) Rank within each seed and patient, mean over these and {columns} of (b), with its 95 % "
        f"interval {over_what(methods.seeds)}; hollow: not distinguishable from the first (paired difference, "
        f"Bonferroni's correction for all others).{_undecided(methods)} (b) Ranks of the means; darker is better; –: "
        "no result."
        f"{hole}{hole_sentences(statuses, dict(zip(methods.method, methods.label, strict=True)))}"
    )
    names = {dataset: results.title(dataset) for dataset in datasets}
    return Drawn(draw(table, results.style, names), table, caption)


def frame(results: Results, experiment: str, architecture: str, protocol: str) -> tuple[pd.DataFrame, list[CaseScores]]:
    """Ranks of means, and mean ranks.

    Returns:
        level (``rank``: of the means of a data set and metric; ``aggregate``: within seeds and patients, mean over
        these and the counted columns), architecture, method, label, dataset, metric, value (mean in the printed unit),
        rank, counted (the column enters the mean rank), status; and of the aggregate low, high (95 %), behind (mean
        rank less that of the first) with its interval behind_low and behind_high and its smallest value that would be
        found with 80 % power (detectable), distinct (behind the first beyond doubt), seeds, patients (fewest of a data
        set), shortage (why none is distinct); and the scores that they were computed from.
    """
    grid = results.config.experiments[experiment]
    blocks = [
        case_scores(results, experiment, dataset, architecture, metric, protocol)
        for dataset in grid.datasets
        for metric in METRICS
    ]
    found, rows = rank_blocks(blocks), []
    for index, method in enumerate(blocks[0].methods):
        common = {"architecture": architecture, "method": method, "label": results.label(method)}
        for row, block in enumerate(blocks):
            rows.append(
                {"level": "rank", **common, "dataset": block.dataset, "metric": block.column.metric,
                 "value": block.means[index], "rank": found.ranks[row, index], "counted": bool(found.counted[row]),
                 "status": block.status[method]}
            )  # fmt: skip
        status = overall_status([block.status[method] for block in blocks])
        rows.append({"level": "aggregate", **common, **_aggregated(found, method), "status": status})
    table = pd.DataFrame(rows)
    return table.assign(**{name: np.nan for name in NUMBERS if name not in table}), blocks


def _aggregated(found: Ranking, method: str) -> dict[str, Any]:
    if method not in found.mean:
        return {"distinct": False}
    mean, behind = found.mean[method], found.behind.get(method)
    numbers = {"rank": mean.estimate, "low": mean.low, "high": mean.high, "seeds": mean.seeds}
    numbers |= {"patients": mean.patients, "shortage": mean.shortage, "distinct": False}
    if behind is not None:
        numbers |= {"behind": behind.estimate, "behind_low": behind.low, "behind_high": behind.high}
        numbers |= {"detectable": behind.detectable, "distinct": behind.low > 0 and not behind.shortage}
    return numbers


def _undecided(methods: pd.DataFrame) -> str:
    """Sentences on hollow markers: what is too few, or what could have been seen."""
    short = [reason for reason in methods.shortage.dropna() if reason]
    hollow = methods[methods.behind.notna() & ~methods.distinct.astype(bool)]
    said = undecided(dict.fromkeys(["all"], short[0]), "No method is distinguished from it") if short else ""
    return said + detectable_sentence({"mean rank": (hollow.detectable, "")})


def draw(table: pd.DataFrame, style: Style, names: Mapping[str, str]) -> Figure:
    """Aggregate ranks and heatmap, best method first; a wide heatmap stands below.

    Args:
        table: the numbers.
        style: looks of methods.
        names: printed names of the data sets.
    """
    import matplotlib.pyplot as plt

    aggregate = table[table.level == "aggregate"].sort_values("rank", kind="stable")  # holes come last
    methods, labels = list(aggregate.method), list(aggregate.label)
    columns, body = len(names) * len(METRICS), ROW * len(aggregate)
    wide = columns >= MANY
    left = 3.0 + max(text_width(label) for label in labels)
    room = TWO_COLUMNS - left - 3.0
    figure = plt.figure(figsize=size(TWO_COLUMNS, (2 if wide else 1) * (HEAD + body + FOOT) + 4.0 * wide))
    if wide:
        first = place(figure, left, HEAD, room, body)
        second = place(figure, left, 2 * HEAD + body + FOOT, room, body)
    else:
        heat = CELL * columns
        side = room - heat - GAP
        first = place(figure, left, HEAD, side, body)
        second = place(figure, left + side + GAP, HEAD, heat, body)
    for axes, letter, text in ((first, "a", "mean rank"), (second, "b", "ranks of means")):
        panel_title(axes, letter, text)
        axes.spines["left"].set_visible(False)
    _aggregate(first, aggregate, style.looks(list(aggregate.method)))
    _heatmap(second, table[table.level == "rank"], methods, names, wide)
    for axes in (first, second):
        rows = np.arange(len(methods)) + (0 if axes is first else 0.5)  # a cell of the heatmaps begins at its number
        axes.set(ylim=(rows[-1] + 0.5, rows[0] - 0.5), ylabel="")
        axes.set_yticks(rows, [plain(label) for label in labels], rotation=0)
        axes.tick_params(axis="y", length=0, labelleft=axes is first or (wide and axes is second))
    return figure


def _aggregate(axes: Axes, aggregate: pd.DataFrame, found: Mapping[str, Look]) -> None:
    for row, one in enumerate(aggregate.itertuples()):
        if not np.isfinite(one.rank):
            middle = axes.get_yaxis_transform()
            axes.text(0.5, row, "no result", transform=middle, ha="center", va="center", color=FAINT, style="italic")
            continue
        look = found[one.method]
        axes.plot([one.low, one.high], [row, row], color=look.color, linewidth=1.1, zorder=2)
        filled = row == 0 or one.distinct
        axes.plot(one.rank, row, marker=look.marker, color=look.color, markersize=8 if look.marker == "*" else 5,
                  markerfacecolor=look.color if filled else "white", markeredgewidth=0.5 if filled else 0.9,
                  markeredgecolor="white" if filled else look.color, zorder=3)  # fmt: skip
    compared = int(aggregate["rank"].notna().sum())
    axes.set_xlabel("mean rank, 1 is best")
    axes.grid(axis="y", color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    if compared:
        axes.set(xlim=(0.8, compared + 0.2), xticks=range(1, compared + 1))
    else:
        axes.set_xticks([])


def _heatmap(
    axes: Axes, table: pd.DataFrame, methods: Sequence[str], names: Mapping[str, str], wide: bool
) -> None:  # fmt: skip
    """Ranks as shades and numbers; a hole is hatched."""
    keys = [(dataset, metric) for dataset in names for metric in METRICS]
    ranks = table.set_index(["method", "dataset", "metric"])["rank"]
    grid = np.array([[ranks[method, *key] for key in keys] for method in methods], dtype=float)
    _shades(axes, grid, len(methods), numbers=[[_rank_text(value) for value in row] for row in grid])
    for row, column in np.argwhere(~np.isfinite(grid)):
        axes.fill_between([column, column + 1], row, row + 1, facecolor="white", edgecolor=GRID, hatch="////",
                          linewidth=0)  # fmt: skip
        axes.text(column + 0.5, row + 0.5, _rank_text(np.nan), ha="center", va="center", color=FAINT)
    axes.set_xticks(np.arange(len(keys)) + 0.5, [metric for _, metric in keys], rotation=90 if wide else 0)
    axes.tick_params(axis="x", length=0)
    axes.spines["bottom"].set_visible(False)
    for index, name in enumerate(names.values() if len(names) > 1 else ()):
        start = index * len(METRICS)
        if start:
            axes.axvline(start, color="white", linewidth=2.5)
        axes.annotate(plain(name), (start + len(METRICS) / 2, 0), xycoords=("data", "axes fraction"),
                      xytext=(0, -26 if wide else -13), textcoords="offset points", ha="center", va="top")  # fmt: skip


def _shades(axes: Axes, grid: np.ndarray, highest: float, numbers: Sequence[Sequence[str]]) -> None:
    """Cells as shades with their numbers, one high and one wide each; holes stay empty."""
    import seaborn
    from matplotlib.colors import LinearSegmentedColormap

    seaborn.heatmap(
        grid, vmin=1.0, vmax=highest, cmap=LinearSegmentedColormap.from_list("ranks", SHADES), cbar=False,
        mask=~np.isfinite(grid), annot=np.array(numbers), fmt="", annot_kws={"fontsize": 6},
        linewidths=0.8, linecolor="white", xticklabels=False, yticklabels=False, ax=axes,
    )  # fmt: skip


def _rank_text(rank: float) -> str:
    """``4``, ``4½``: narrower than a decimal; ties share whole or half ranks. A hole has a dash."""
    if not np.isfinite(rank):
        return "–"
    return f"{int(rank)}" + ("½" if rank % 1 else "")


FIGURE = figure7
