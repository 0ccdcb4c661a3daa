"""The drawing of accuracy against calibration: a panel for each data set, and one more where methods crowd."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spectralcal.report.figures.axes import handles, legend_below, log_axis, panel_title, say_missing
from spectralcal.report.figures.case_scores import metric_label
from spectralcal.report.style import FAINT, PAGE, TWO_COLUMNS, Look, Style, size
from spectralcal.report.summary import Column

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

#: ratio of the largest to the smallest error from which the axis is logarithmic
DECADE = 4.0
#: most data sets side by side
ACROSS = 3
#: in mm: height of a panel, what stands beside it, and the distance below which two markers cover each other
HEIGHT, BESIDE, TOUCH = 46.0, 15.0, 3.5
#: share of a panel's area that methods may fill and still be enlarged
SMALL = 0.25
MARGIN = 0.06
#: broad and light: it may run along a bar
STAIRS = "#d0d0d0"
DOT = {"markersize": 6.0, "markeredgewidth": 0, "alpha": 0.5, "zorder": 1.5}

#: a data set, and whether it is its enlarged part
Slot = tuple[str, bool]


@dataclass(frozen=True)
class Frame:
    """Limits of a panel.

    Attributes:
        x, y: lowest and highest value.
        log: the error is on a logarithmic axis.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    log: bool

    def places(self, x: Sequence[float], y: Sequence[float]) -> np.ndarray:
        """(points, 2) as shares of the panel's width and height."""
        ends, values = np.array([self.x, self.y]), np.stack([x, y]).astype(float)
        if self.log:
            ends[1], values[1] = np.log(ends[1]), np.log(values[1])
        return ((values - ends[:, :1]) / (ends[:, 1:] - ends[:, :1])).T


def draw(
    table: pd.DataFrame,
    style: Style,
    metrics: tuple[str, str],
    names: Mapping[str, str],
    columns: Mapping[tuple[str, str], Column],
    baseline: str,
) -> Figure:
    """A panel for each data set, and below it (beside it if there is one) the part of it where methods crowd.

    Args:
        table: the numbers.
        style: looks of methods.
        metrics: along and up the page.
        names: printed names of the data sets.
        columns: (data set, metric) -> how it is printed.
        baseline: the method that the bars are differences from.
    """
    import matplotlib.pyplot as plt

    labels = dict(zip(table.method, table.label, strict=True))
    looks = style.looks(list(labels))
    rows = {dataset: _valued(table[table.dataset == dataset]) for dataset in names}
    frames = {dataset: whole_frame(shown) for dataset, shown in rows.items() if len(shown)}
    parts = crowded_parts(table)
    slots = _slots(list(names), parts)
    width = 110.0 if len(slots[0]) == 1 else TWO_COLUMNS
    high = min(62.0 if len(slots) == 1 else 55.0, (PAGE - 14.0) / len(slots))
    figure, grid = plt.subplots(
        len(slots), len(slots[0]), figsize=size(width, 14.0 + high * len(slots)), layout="constrained", squeeze=False
    )
    letters = itertools.cycle("abcdefghijklmnopqrstuvwxyz")
    for axes, slot in zip(grid.flat, [slot for line in slots for slot in line], strict=True):
        if slot is None:
            axes.set_axis_off()
            continue
        dataset, enlarged = slot
        if len(names) + len(parts) > 1:
            panel_title(axes, next(letters), names[dataset] + (", enlarged" if enlarged else ""))
        for axis, metric in zip("xy", metrics, strict=True):
            column = columns[dataset, metric]
            better = "higher" if column.higher else "lower"
            axes.set(**{f"{axis}label": f"{metric_label(column)}, {better} is better"})
        if dataset not in frames:
            say_missing(axes)
            axes.set(xticks=[], yticks=[])
            continue
        frame, higher = (parts if enlarged else frames)[dataset], columns[dataset, metrics[0]].higher
        _panel(axes, rows[dataset], frame, looks, higher)
        for row in rows[dataset][(rows[dataset].level == "mean") & (rows[dataset].method == baseline)].itertuples():
            dotted = {"color": looks[baseline].color, "linewidth": 0.6, "linestyle": (0, (1, 2)), "zorder": 1.2}
            axes.axvline(row.x, **dotted)
            axes.axhline(row.y, **dotted)
        if dataset in parts and not enlarged:
            _outline(axes, parts[dataset])
    nowhere = table.status.isin(["missing", "undefined"]).groupby(table.method).all()
    legend_below(figure, _entries(looks, labels, set(nowhere[nowhere].index), has_dots(table)))
    return figure


def has_dots(table: pd.DataFrame) -> bool:
    """Whether a method has several seeds: a single one lies under its mean."""
    return bool((_valued(table[table.level == "seed"]).groupby(["dataset", "method"]).size() > 1).any())


def crowded_parts(table: pd.DataFrame) -> dict[str, Frame]:
    """Limits of the enlarged part by data set, where methods crowd."""
    across = max(2, min(table.dataset.nunique(), ACROSS))
    panel, by_data_set = np.array([TWO_COLUMNS / across - BESIDE, HEIGHT]), {}
    for dataset, rows in _valued(table).groupby("dataset", sort=False):
        if part := crowded_part(rows, panel):
            by_data_set[str(dataset)] = part
    return by_data_set


def whole_frame(rows: pd.DataFrame) -> Frame:
    """Limits that hold means, bars and the dots of seeds."""
    means = rows[rows.level == "mean"].y
    return _around(rows, bool(means.min() > 0 and means.max() > DECADE * means.min()))


def crowded_part(rows: pd.DataFrame, panel: np.ndarray) -> Frame | None:
    """Limits around the largest group of methods whose markers cover each other.

    Args:
        rows: of one data set.
        panel: about how wide and high the panel of all methods is, in mm.

    Returns:
        None if no two do, or if the group fills most of the panel: enlarging it would show nothing new.
    """
    from scipy.sparse.csgraph import connected_components

    means, frame = rows[rows.level == "mean"], whole_frame(rows)
    place = panel * frame.places(means.x, means.y)
    apart = np.linalg.norm(place[:, None] - place[None], axis=-1)
    _, group = connected_components(apart < TOUCH, directed=False)
    sizes = np.bincount(group)
    if sizes.max() < 2:
        return None
    part = _around(rows[rows.method.isin(means.method[group == sizes.argmax()])], frame.log)
    if np.diff(frame.places(part.x, part.y), axis=0).prod() > SMALL:
        return None
    return part


def _around(rows: pd.DataFrame, log: bool) -> Frame:
    x, y = (rows[[axis, f"{axis}_low", f"{axis}_high"]].to_numpy(float).ravel() for axis in "xy")
    if not log:
        return Frame(_span(x), _span(y), False)
    low, high = _span(np.log(y[y > 0]))  # a bar may end below zero
    return Frame(_span(x), (math.exp(low), math.exp(high)), True)


def _span(values: np.ndarray) -> tuple[float, float]:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = MARGIN * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def _valued(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows.x.notna() & rows.y.notna()]


def _slots(datasets: Sequence[str], parts: Mapping[str, Frame]) -> list[list[Slot | None]]:
    """What stands where: lines of (data set, enlarged), None for an empty place."""
    if len(datasets) == 1:
        return [[(datasets[0], False), *([(datasets[0], True)] if parts else [])]]
    across, out = min(len(datasets), ACROSS), []
    for start in range(0, len(datasets), across):
        line = datasets[start : start + across]
        empty: list[Slot | None] = [None] * (across - len(line))
        out.append([*((name, False) for name in line), *empty])
        if not parts.keys().isdisjoint(line):
            out.append([*((name, True) if name in parts else None for name in line), *empty])
    return out


def _panel(axes: Axes, rows: pd.DataFrame, frame: Frame, looks: Mapping[str, Look], higher: bool) -> None:
    means = rows[rows.level == "mean"]
    for row in means.itertuples():
        look = looks[row.method]
        seeds = rows[(rows.level == "seed") & (rows.method == row.method)]
        if len(seeds) > 1:
            for one in seeds.itertuples():  # whose dot it is, where colours are close
                axes.plot([row.x, one.x], [row.y, one.y], color=look.color, linewidth=0.5, alpha=0.3, zorder=1.4)
            axes.plot(seeds.x, seeds.y, ".", color=look.color, **DOT)
        bars = {"color": look.color, "linewidth": 0.7, "alpha": 0.8, "zorder": 2}
        axes.plot([row.x_low, row.x_high], [row.y, row.y], **bars)
        axes.plot([row.x, row.x], [row.y_low, row.y_high], **bars)
        axes.plot(row.x, row.y, markerfacecolor="white" if row.beaten_by else look.color, zorder=look.order + 2,
                  **_marker(look))  # fmt: skip
    front = means[means.front].sort_values(["x", "y"])
    if len(front) > 1:
        # The corners of the staircase lie on the worse side: between two methods nothing better is known.
        axes.step(front.x, front.y, where="pre" if higher else "post", color=STAIRS, linewidth=1.8, zorder=1)
    axes.set(xlim=frame.x, ylim=frame.y)
    if frame.log:
        log_axis(axes)


def _marker(look: Look) -> dict:
    return {"marker": look.marker, "markersize": 8.5 if look.marker == "*" else 5, "color": look.color,
            "markeredgecolor": look.color, "markeredgewidth": 0.8, "linestyle": "none"}  # fmt: skip


def _outline(axes: Axes, part: Frame) -> None:
    """Where the enlarged part is."""
    from matplotlib.patches import Rectangle

    (left, right), (low, high) = part.x, part.y
    axes.add_patch(
        Rectangle((left, low), right - left, high - low, fill=False, edgecolor=FAINT, linewidth=0.5, zorder=0.5)
    )


def _entries(looks: Mapping[str, Look], labels: Mapping[str, str], missing: set[str], dots: bool) -> list[Line2D]:
    """Markers as in the panels: dashes of other figures would promise lines that this one does not have."""
    from matplotlib.lines import Line2D

    entries = handles(looks, labels, missing, markers=True)
    for method, entry in zip(labels, entries, strict=True):
        if method not in missing:
            entry.set(**_marker(looks[method]))
    if dots:
        entries.append(Line2D([], [], linestyle="none", marker=".", color=FAINT, label="one seed", **DOT))
    return entries
