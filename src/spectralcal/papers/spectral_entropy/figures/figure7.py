"""The paper's Figure 7: aggregate ranks, ranks by data set and metric, and how stable the order is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

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
from spectralcal.report.figures.ranking import rank_blocks
from spectralcal.report.figures.text import plain
from spectralcal.report.results import Results
from spectralcal.report.style import FAINT, GRID, TWO_COLUMNS, Look, Style, size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Ranks over data sets and metrics"
NEEDS = ()
METRICS = tuple(COLUMNS)
#: mm: strip of places, gap, a row, head and foot of a panel
STRIP, GAP, ROW, HEAD, FOOT = 44.0, 6.0, 5.5, 6.0, 11.0
#: mm: a cell of the heatmap beside the aggregate ranks, and the fewest columns that put it below them
CELL, MANY = 7.5, 9
#: dark for good ranks and frequent places; lightness alone tells them apart, so that greyscale does too
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
    hole = f" Not counted, because a method has no result there: {', '.join(left_out)}." if left_out else ""
    caption = (
        f"{opening(results, experiment, datasets, architecture)} Calibration under protocol '{protocol}'; "
        f"{cases_named(results, blocks)}. Rank 1 is best; means that tables print alike share the average "
        "of their ranks. "
        f"(a) Mean rank over {counted(int(ranked.sum()), 'column')} of (b), with the 95 % interval over resampled "
        f"patients (the same for all methods and metrics). (b) Ranks; darker is better; –: no result. (c) Share of "
        "these samples in which a method takes each place by its mean rank, in per cent."
        f"{hole}{hole_sentences(statuses, dict(zip(methods.method, methods.label, strict=True)))}"
    )
    names = {dataset: results.title(dataset) for dataset in datasets}
    return Drawn(draw(table, results.style, names), table, caption)


def frame(results: Results, experiment: str, architecture: str, protocol: str) -> tuple[pd.DataFrame, list[CaseScores]]:
    """Ranks and their stability.

    Returns:
        level (``rank``, of a data set and metric; ``aggregate``; ``place``), architecture, method, label, dataset,
        metric, value (mean in the printed unit), rank (mean rank for ``aggregate``), low, high (of the mean rank),
        counted (the column enters the mean rank), place, share (of samples in which the method takes it), status; and
        the scores that they were computed from.
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
        aggregate = {"rank": found.mean[index], "low": found.low[index], "high": found.high[index]}
        rows.append({"level": "aggregate", **common, **aggregate, "status": status})
        rows += [
            {"level": "place", **common, "place": number + 1, "share": share, "status": status}
            for number, share in enumerate(found.places[index])
            if np.isfinite(share)
        ]
    table = pd.DataFrame(rows)
    return table.assign(**{name: np.nan for name in ("place", "share") if name not in table}), blocks


def draw(table: pd.DataFrame, style: Style, names: Mapping[str, str]) -> Figure:
    """Aggregate ranks, heatmap and places, best method first; a wide heatmap stands below the other two.

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
        first = place(figure, left, HEAD, room * 0.5, body)
        third = place(figure, left + room * 0.5 + GAP, HEAD, room * 0.5 - GAP, body)
        second = place(figure, left, 2 * HEAD + body + FOOT, room, body)
    else:
        heat, strip = CELL * columns, STRIP
        side = room - heat - strip - 2 * GAP
        first = place(figure, left, HEAD, side, body)
        second = place(figure, left + side + GAP, HEAD, heat, body)
        third = place(figure, left + side + heat + 2 * GAP, HEAD, strip, body)
    for axes, letter, text in (
        (first, "a", "mean rank"),
        (second, "b", "ranks"),
        (third, "c", "place when resampled (%)"),
    ):
        panel_title(axes, letter, text)
        axes.spines["left"].set_visible(False)
    _aggregate(first, aggregate, style.looks(list(aggregate.method)))
    _heatmap(second, table[table.level == "rank"], methods, names, wide)
    _places(third, table[table.level == "place"], methods)
    for axes in (first, second, third):
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
        axes.plot(one.rank, row, marker=look.marker, color=look.color, markersize=8 if look.marker == "*" else 5,
                  markeredgecolor="white", markeredgewidth=0.5, zorder=3)  # fmt: skip
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


def _places(axes: Axes, table: pd.DataFrame, methods: Sequence[str]) -> None:
    """Share of samples by place, as shades and per cent."""
    axes.tick_params(axis="x", length=0)
    axes.spines["bottom"].set_visible(False)
    if table.empty:
        axes.set_xticks([])
        say_missing(axes, "nothing to rank")
        return
    count = int(table.place.max())
    shares = table.set_index(["method", "place"]).share
    grid = np.array([[shares.get((method, place + 1), np.nan) for place in range(count)] for method in methods])
    # Dark is much, as dark is good beside it: the map is turned.
    numbers = [[f"{100 * value:.0f}" if value >= 0.005 else "" for value in row] for row in grid]
    _shades(axes, 1 - grid, 1.0, numbers, lowest=0.0)
    axes.set_xticks(np.arange(count) + 0.5, range(1, count + 1))
    axes.set_xlabel("place")


def _shades(
    axes: Axes, grid: np.ndarray, highest: float, numbers: Sequence[Sequence[str]], lowest: float = 1.0
) -> None:  # fmt: skip
    """Cells as shades with their numbers, one high and one wide each; holes stay empty."""
    import seaborn
    from matplotlib.colors import LinearSegmentedColormap

    seaborn.heatmap(
        grid, vmin=lowest, vmax=highest, cmap=LinearSegmentedColormap.from_list("ranks", SHADES), cbar=False,
        mask=~np.isfinite(grid), annot=np.array(numbers), fmt="", annot_kws={"fontsize": 6},
        linewidths=0.8, linecolor="white", xticklabels=False, yticklabels=False, ax=axes,
    )  # fmt: skip


def _rank_text(rank: float) -> str:
    """``4``, ``4½``: narrower than a decimal; ties share whole or half ranks. A hole has a dash."""
    if not np.isfinite(rank):
        return "–"
    return f"{int(rank)}" + ("½" if rank % 1 else "")


FIGURE = figure7
