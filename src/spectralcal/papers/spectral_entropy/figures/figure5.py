"""The paper's Figure 5: a radar over six metrics, and beside it the same numbers as dots, which are easier to read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spectralcal.report.figures.axes import handles, legend_below, line_style, panel_title, place, say_missing
from spectralcal.report.figures.case_scores import (
    COLUMNS,
    CaseScores,
    case_scores,
    cases_named,
    hole_sentences,
    overall_status,
    text_width,
)
from spectralcal.report.figures.choose import opening, pick
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.intervals import over_what
from spectralcal.report.results import Results
from spectralcal.report.style import FAINT, GRID, TWO_COLUMNS, Look, Style, size
from spectralcal.statistics import Crossed, crossed, together

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Six metrics at once"
NEEDS = ()
METRICS = tuple(COLUMNS)
#: relative difference up to which means are equal
EQUAL = 1e-12
#: how far below 0 and above 1 intervals are shown
BEYOND = 0.5
#: mm: a legend entry without its text; edges of radar and dots, height above them
ENTRY = 13.0
RADAR, DOTS, HEAD = 60.0, 74.0, 6.0


def figure5(
    results: Results, experiment: str, *, dataset: str = "", architecture: str = "", protocol: str = "paper"
) -> Drawn:
    """Normalised scores of all methods, as a polygon and as dots with intervals.

    The paper does not say how its axes are scaled (docs/ambiguities.md, F4). Here each metric of each data set goes
    linearly from 0, the worst mean of the compared methods, to 1, the best; data sets are averaged. Methods with equal
    means are all at 1.

    Args:
        results: the study's results.
        experiment: name of the experiment.
        dataset: data set to show; empty: the mean over all of the experiment, for methods that have all of them.
        architecture: architecture to show; empty: the experiment's first.
        protocol: protocol of the calibration errors.

    Raises:
        ResultError: the protocol was not scored, or not by case.
    """
    architecture = pick(results, experiment, "architectures", architecture)
    datasets = results.config.experiments[experiment].datasets
    if dataset:
        datasets = (pick(results, experiment, "datasets", dataset),)
    table, blocks = frame(results, experiment, datasets, architecture, protocol)
    methods = table.drop_duplicates("method")
    statuses = dict(zip(methods.method, methods.status, strict=True))
    over = "" if len(datasets) == 1 else ", mean over the data sets"
    ends = " Below the metrics: means at 0 and at 1." if len(datasets) == 1 else ""
    areas = methods[methods.area.notna()].sort_values("area", ascending=False, kind="stable")
    listed = ", ".join(f"{row.label} {row.area:.2f}" for row in areas.itertuples())
    caption = (
        f"{opening(results, experiment, datasets, architecture)} Calibration under protocol '{protocol}'; "
        f"{cases_named(results, blocks)}. Each axis goes from the worst (0) to the best mean (1) of the "
        f"methods shown{over}; "
        "equal methods are all at 1. The scale depends on the compared methods and says nothing about the size of "
        f"differences. (a) As a radar. (b) The same numbers{_bars(table, results.label(results.baseline(experiment)))}"
        f".{ends} Area of the polygon as a share of the hexagon, which changes with the order of the axes: "
        f"{listed or 'none'}.{hole_sentences(statuses, dict(zip(methods.method, methods.label, strict=True)))}"
    )
    return Drawn(draw(table, results.style), table, caption)


def frame(
    results: Results, experiment: str, datasets: Sequence[str], architecture: str, protocol: str
) -> tuple[pd.DataFrame, list[CaseScores]]:
    """Normalised scores.

    Returns:
        architecture, method, label, metric, score (0 worst to 1 best, mean over data sets), low and high (95 % interval
        of the paired difference to the baseline, around the score), detectable (smallest such difference that would be
        found with 80 % power; none for the baseline itself), seeds (fewest of a data set), worst and best (means in
        `unit` at the ends of the axis; NaN for several data sets), unit, area (of the method's polygon over the
        hexagon's), status; and the scores that they were computed from. A method that lacks a metric of a data set has
        no score.
    """
    blocks, scores, spans, ends = [], [], [], []
    for metric in METRICS:
        scored = [case_scores(results, experiment, name, architecture, metric, protocol) for name in datasets]
        blocks += scored
        complete = complete_methods(scored)
        ends.append(_ends(scored, complete))
        scores.append(np.mean([normalised(block.means, block.column.higher, complete) for block in scored], axis=0))
        spans.append(_intervals(scored, complete, results.baseline(experiment)))
    methods = blocks[0].methods
    statuses = {method: overall_status([block.status[method] for block in blocks]) for method in methods}
    rows = []
    whole = np.isfinite(scores).all(0)
    for column, method in enumerate(methods):
        area = polygon_area(np.array(scores)[:, column]) if whole[column] else np.nan
        for row, metric in enumerate(METRICS):
            rows.append(
                {"architecture": architecture, "method": method, "label": results.label(method), "metric": metric,
                 "score": scores[row][column], **_around(spans[row].get(method), scores[row][column]), **ends[row],
                 "area": area, "status": statuses[method]}
            )  # fmt: skip
    return pd.DataFrame(rows), blocks


def complete_methods(blocks: Sequence[CaseScores]) -> np.ndarray:
    """(methods,) has a mean in every data set."""
    return np.isfinite([block.means for block in blocks]).all(0)


def _ends(blocks: Sequence[CaseScores], complete: np.ndarray) -> dict[str, float | str]:
    """Means at the ends of an axis, if it has one scale."""
    units = dict.fromkeys(block.column.unit for block in blocks)
    ends = {"worst": np.nan, "best": np.nan, "unit": " or ".join(units)}
    if len(blocks) == 1 and complete.any():
        low, high = blocks[0].means[complete].min(), blocks[0].means[complete].max()
        ends |= {"worst": low, "best": high} if blocks[0].column.higher else {"worst": high, "best": low}
    return ends


def normalised(means: np.ndarray, higher: bool, among: np.ndarray) -> np.ndarray:
    """Means (..., methods) from the worst (0) to the best (1) of `among` (methods,); others are NaN; equals are 1."""
    values = np.where(among, means if higher else -means, np.nan)
    if not among.any():
        return values
    worst, best = np.nanmin(values, -1, keepdims=True), np.nanmax(values, -1, keepdims=True)
    span = best - worst
    # Equal up to the rounding of a mean is equal.
    equal = span <= EQUAL * np.maximum(np.abs(best), np.abs(worst))
    return np.where(equal, np.where(among, 1.0, np.nan), (values - worst) / np.where(equal, 1.0, span))


def polygon_area(scores: np.ndarray) -> float:
    """Area of a radar's polygon with radii `scores` (n,) over that of the polygon with radii 1."""
    return float((scores * np.roll(scores, -1)).sum() / len(scores))


def _intervals(blocks: Sequence[CaseScores], complete: np.ndarray, baseline: str) -> dict[str, Crossed]:
    """Paired difference of each complete method to the baseline, on the normalised scale, mean over data sets; empty if
    the baseline is not complete."""
    names = [method for method, there in zip(blocks[0].methods, complete, strict=True) if there]
    if baseline not in names:
        return {}
    by_method = {}
    for name in names:
        each = [crossed(_on_scale(block, name, baseline, complete) / len(blocks), block.patients) for block in blocks]
        by_method[name] = together(each, sum(one.estimate for one in each))
    return by_method


def _on_scale(block: CaseScores, method: str, baseline: str, complete: np.ndarray) -> np.ndarray:
    """(seeds, cases) how much better a method is than the baseline, in units of the axis length."""
    first, second = block.by_seed(method, baseline) * (1 if block.column.higher else -1)
    difference, size, span = first - second, np.abs(block.means[complete]).max(), np.ptp(block.means[complete])
    if span > EQUAL * size:
        return difference / span
    return np.where(np.abs(difference) <= EQUAL * size, 0.0, np.nan)  # an axis without length


def _around(interval: Crossed | None, score: float) -> dict[str, float]:
    if interval is None:
        return {"low": np.nan, "high": np.nan, "detectable": np.nan, "seeds": 0}
    ends = {"low": score + interval.low - interval.estimate, "high": score + interval.high - interval.estimate}
    return {**ends, "detectable": interval.detectable or np.nan, "seeds": interval.seeds}


def _bars(table: pd.DataFrame, baseline: str) -> str:
    """What the bars are, after "The same numbers"; empty without any."""
    if table.low.isna().all():
        return ""
    cut = table.low.min() < -BEYOND or table.high.max() > 1 + BEYOND
    return (
        f", with 95 % intervals {over_what(table.seeds)} of the difference to {baseline}, paired by seed and patient, "
        f"around them and on the same scale: an interval that contains {baseline}'s score does not distinguish the two"
        f"{'; some are longer than the panel' * bool(cut)}"
    )


def draw(table: pd.DataFrame, style: Style) -> Figure:
    """Radar at the left, dots at the right."""
    import matplotlib.pyplot as plt

    labels = dict(zip(table.method, table.label, strict=True))
    looks = style.looks(list(labels))
    shown = table[table.score.notna()]
    lanes = list(dict.fromkeys(shown.method))
    height = max(RADAR, 4.0 + len(METRICS) * max(10.0, 1.5 * len(lanes)))
    legend_rows = math.ceil(sum(text_width(label) + ENTRY for label in labels.values()) / (TWO_COLUMNS - ENTRY))
    figure = plt.figure(figsize=size(TWO_COLUMNS, HEAD + height + 14.5 + 3.8 * legend_rows))
    behind = place(figure, 14.0, HEAD, RADAR, height)
    behind.set(xticks=[], yticks=[])
    behind.spines[:].set_visible(False)
    panel_title(behind, "a", "")
    square = place(figure, 14.0, HEAD + 2.0 + (height - RADAR) / 2, RADAR, RADAR)
    radar = figure.add_axes(square.get_position(), projection="polar")
    square.remove()
    dots = place(figure, TWO_COLUMNS - DOTS - 5.0, HEAD, DOTS, height)
    panel_title(dots, "b", "")
    _radar(radar, shown, looks)
    _dots(dots, shown, lanes, looks)
    if shown.empty:
        say_missing(behind)
        say_missing(dots)
    legend_below(figure, handles(looks, labels, set(labels) - set(lanes), markers=True))
    return figure


def _radar(axes: Axes, table: pd.DataFrame, looks: dict[str, Look]) -> None:
    angles = 2 * np.pi * np.arange(len(METRICS)) / len(METRICS)
    axes.set_theta_offset(np.pi / 2)
    axes.set_theta_direction(-1)
    closed = np.append(angles, angles[0])
    for level in (0.25, 0.5, 0.75, 1.0):
        axes.plot(closed, np.full(len(closed), level), color=FAINT if level == 1 else GRID, linewidth=0.6, zorder=1)
    for angle in angles:
        axes.plot([angle, angle], [0, 1], color=GRID, linewidth=0.6, zorder=1)
    for angle, metric in zip(angles, METRICS, strict=True):
        across = {0: "center", 1: "left", -1: "right"}[int(np.sign(round(np.sin(angle), 6)))]
        up = "bottom" if np.cos(angle) > 0.9 else "top" if np.cos(angle) < -0.9 else "center"
        axes.text(angle, 1.08, metric, ha=across, va=up)
    for method, rows in table.groupby("method", sort=False):
        values = rows.set_index("metric").score.reindex(METRICS).to_numpy()
        if np.isfinite(values).all():
            axes.plot(closed, np.append(values, values[0]), **line_style(looks[method], markers=True), clip_on=False)
    axes.set(ylim=(0, 1.0), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.grid(visible=False)


def _axis_name(table: pd.DataFrame, metric: str) -> str:
    """The metric, and the means at 0 and at 1 where there is one data set."""
    row = table[table.metric == metric].head(1)
    if row.empty or not np.isfinite(row.worst.item()):
        return metric
    decimals = COLUMNS[metric].decimals
    return f"{metric}\n{row.worst.item():.{decimals}f} to\n{row.best.item():.{decimals}f} {row.unit.item()}"


def _dots(axes: Axes, table: pd.DataFrame, lanes: Sequence[str], looks: dict[str, Look]) -> None:
    """A row for each metric, a lane in it for each method."""
    beyond = min(np.nan_to_num([-table.low, table.high - 1]).max(initial=0.0) + 0.03, BEYOND)
    axes.set(xlim=(-beyond, 1 + beyond), ylim=(len(METRICS) - 0.5, -0.5), xticks=[0, 0.25, 0.5, 0.75, 1])
    axes.set_xticklabels(["0\nworst", "0.25", "0.5", "0.75", "1\nbest"])
    axes.set_yticks(range(len(METRICS)), [_axis_name(table, metric) for metric in METRICS])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("normalised mean")
    for row in range(len(METRICS)):
        if row % 2 == 0:
            axes.axhspan(row - 0.5, row + 0.5, color=GRID, alpha=0.4, linewidth=0, zorder=0)
    for lane, method in enumerate(lanes):
        look, rows = looks[method], table[table.method == method]
        place_in_row = (lane + 0.5) / len(lanes) * 0.86 - 0.43
        for row in rows.itertuples():
            y = METRICS.index(row.metric) + place_in_row
            axes.plot([row.low, row.high], [y, y], color=look.color, linewidth=0.8, zorder=2)
            axes.plot(row.score, y, marker=look.marker, markersize=5.5 if look.marker == "*" else 3.2, zorder=3,
                      color=look.color, markeredgecolor="white", markeredgewidth=0.3)  # fmt: skip


FIGURE = figure5
