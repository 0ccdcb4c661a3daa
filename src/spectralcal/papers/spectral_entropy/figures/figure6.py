"""The paper's Figure 6: distributions of per-case Dice and calibration error, baseline against ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spectralcal.report.figures.axes import handles, legend_below, panel_title, say_missing
from spectralcal.report.figures.case_scores import (
    COLUMNS,
    CaseScores,
    case_scores,
    cases_named,
    hole_sentences,
    metric_label,
    not_shown,
    overall_status,
)
from spectralcal.report.figures.choose import opening, pick
from spectralcal.report.figures.compared import the_two
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.intervals import over_what
from spectralcal.report.figures.spread import variance_ratio
from spectralcal.report.figures.text import plain
from spectralcal.report.results import Results
from spectralcal.report.style import FAINT, PAGE, TWO_COLUMNS, Look, Style, size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Per-case distributions of Dice and calibration error"
NEEDS = ()
METRICS = ("DSC", "ECE")
#: a density of fewer cases shows the kernel and not the cases
FEWEST = 10
NUMBERS = ("case", "patient", "value", "low", "high", "sd", "ratio", "ratio_low", "ratio_high", "ratio_detectable",
           "cases", "seeds")  # fmt: skip


def figure6(
    results: Results,
    experiment: str,
    *,
    architecture: str = "",
    baseline: str = "ce",
    ours: str = "spectral",
    protocol: str = "paper",
) -> Drawn:
    """Every test case by two methods, their means, spreads and the ratio of their variances.

    Args:
        results: the study's results.
        experiment: name of the experiment; all of its data sets are shown (the paper shows BraTS2020 only).
        architecture: architecture to show; empty: the experiment's first.
        baseline: method to compare with.
        ours: method that is compared.
        protocol: protocol of the calibration error.

    Raises:
        ConfigError: the experiment does not have one of the methods.
        ResultError: the protocol was not scored, or not by case.
    """
    architecture = pick(results, experiment, "architectures", architecture)
    pair = the_two(results, experiment, baseline, ours)
    table, blocks = frame(results, experiment, architecture, pair, protocol)
    datasets = results.config.experiments[experiment].datasets
    base, mine = (results.label(method) for method in pair)
    few = [block for block in blocks if len(block.cases) < FEWEST]
    density = f" No density below {FEWEST} cases." if few else ""
    caption = (
        f"{opening(results, experiment, datasets, architecture)} Protocol '{protocol}'; "
        f"{cases_named(results, blocks)}. Dots: "
        f"{results.side} cases, mean over classes and seeds, joined between methods; half violins: their "
        "density; large: mean "
        f"with its 95 % interval {over_what(table.seeds)}; grey bar: one standard deviation over cases to either side "
        f"of the mean. Variance ratio: {mine} over {base}, of the variances over the same cases, each the mean over "
        f"seeds, with its 95 % interval; below 1, {mine} varies less.{_detectable(table)}{density}{_holes(table)}"
        f"{not_shown(results, experiment, pair)}"
    )
    names = {dataset: results.title(dataset) for dataset in datasets}
    return Drawn(draw(table, results.style, pair, names), table, caption)


def frame(
    results: Results, experiment: str, architecture: str, pair: tuple[str, str], protocol: str
) -> tuple[pd.DataFrame, list[CaseScores]]:
    """Cases and their summary.

    Returns:
        dataset, architecture, metric, unit, method, label, level (``case`` or ``summary``), case, patient, value (of
        the case, or the mean over seeds and patients with its interval low and high), sd (over cases: root of the
        variances' mean over seeds), ratio, ratio_low, ratio_high (variance of `ours` over the baseline's, in the
        summary of `ours`), ratio_detectable (smallest ratio above 1 that would be found with 80 % power), cases (that
        the ratio is of, or that have a value), seeds, status; and the scores that they were computed from.
    """
    parts, blocks = [], []
    for dataset in results.config.experiments[experiment].datasets:
        for metric in METRICS:
            scores = case_scores(results, experiment, dataset, architecture, metric, protocol)
            blocks.append(scores)
            patients, status = np.array(scores.patients), scores.status
            for method in pair:
                values = scores.of(method)
                common = {"dataset": dataset, "architecture": architecture, "metric": metric}
                common |= {"unit": scores.column.unit, "method": method, "label": results.label(method)}
                common |= {"status": status[method]}
                cases = {"level": "case", "case": scores.cases, "patient": patients, "value": values}
                parts.append(pd.DataFrame({**common, **cases}))
                (by_seed,), found = scores.by_seed(method), scores.mean(method)
                known = by_seed[:, np.isfinite(by_seed).all(0)]
                summary = {"level": "summary", "value": found.estimate, "low": found.low, "high": found.high}
                summary |= {"cases": known.shape[1] * bool(known.size), "seeds": len(known)}
                summary |= {"sd": np.sqrt(known.var(1, ddof=1).mean()) if summary["cases"] > 1 else np.nan}
                if method == pair[1]:
                    first, second = scores.by_seed(*pair)
                    ratio = variance_ratio(second, first, patients)
                    summary |= {"ratio": ratio.ratio, "ratio_low": ratio.low, "ratio_high": ratio.high}
                    summary |= {"ratio_detectable": ratio.detectable, "cases": ratio.cases}
                parts.append(pd.DataFrame([{**common, **summary}]))
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    table = table.assign(**{name: np.nan for name in NUMBERS if name not in table})
    first_columns = ["dataset", "architecture", "metric", "unit", "method", "label", "level"]
    return table[[*first_columns, *NUMBERS, "status"]], blocks


def draw(table: pd.DataFrame, style: Style, pair: tuple[str, str], names: Mapping[str, str]) -> Figure:
    """A row of panels for each data set, a column for each metric.

    Args:
        table: the numbers.
        style: looks of methods.
        pair: baseline and compared method.
        names: printed names of the data sets.
    """
    import matplotlib.pyplot as plt

    labels = dict(zip(table.method, table.label, strict=True))
    labels, found = {method: labels[method] for method in pair}, style.looks(pair)
    height = min(PAGE, 10.0 + (46.0 if len(names) == 1 else 38.0) * len(names))
    figure, grid = plt.subplots(
        len(names), len(METRICS), figsize=size(TWO_COLUMNS, height), layout="constrained", squeeze=False
    )
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    for row, (dataset, name) in enumerate(names.items()):
        for column, metric in enumerate(METRICS):
            axes, shown = grid[row, column], table[(table.dataset == dataset) & (table.metric == metric)]
            panel_title(axes, next(letters), metric if len(names) == 1 else f"{name}, {metric}")
            _panel(axes, shown, pair, found, labels)
            better = "higher" if COLUMNS[metric].higher else "lower"
            axes.set_xlabel(f"{metric_label(COLUMNS[metric])}, {better} is better")
    missing = {method for method in pair if (table[table.method == method].status == "missing").all()}
    legend_below(figure, handles(found, labels, missing, markers=True))
    return figure


def _panel(
    axes: Axes, table: pd.DataFrame, pair: tuple[str, str], found: dict[str, Look], labels: Mapping[str, str]
) -> None:
    """Two rows of dots, joined case by case, with densities and means on the outer sides."""
    axes.set(ylim=(2.0, -1.0), yticks=[0, 1], yticklabels=[plain(labels[method]) for method in pair])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    cases = table[table.level == "case"].pivot_table(index="case", columns="method", values="value", sort=False)
    if cases.empty:
        axes.set_xticks([])
        say_missing(axes)
        return
    cases = cases.reindex(columns=pair)
    for values in cases.dropna().to_numpy():
        axes.plot(values, [0, 1], color=FAINT, linewidth=0.4, alpha=0.5, zorder=1)
    for place, outwards, method in zip((0, 1), (-1, 1), pair, strict=True):
        values, look = cases[method].dropna().to_numpy(), found[method]
        summary = table[(table.level == "summary") & (table.method == method)].iloc[0]
        if not values.size:
            axes.text(0.5, place, "missing", transform=axes.get_yaxis_transform(), ha="center", va="center",
                      color=FAINT, style="italic", bbox={"color": "white", "pad": 1.0})  # fmt: skip
            continue
        small = {"s": 12 if look.marker == "*" else 8, "marker": look.marker, "linewidths": 0, "alpha": 0.75}
        axes.scatter(values, np.full(values.size, place), color=look.color, zorder=3, **small)
        _density(axes, values, place + 0.12 * outwards, outwards, look.color)
        _summary(axes, summary, place + 0.3 * outwards, look)
    ours = table[(table.level == "summary") & (table.method == pair[1])].iloc[0]
    axes.set_title(_said(ours), loc="right", fontsize=6.5)
    if len(cases) < FEWEST:
        axes.set_ylim(1.6, -0.6)


def _density(axes: Axes, values: np.ndarray, base: float, outwards: int, color: str) -> None:
    if values.size < FEWEST or np.ptp(values) == 0:
        return
    from scipy.stats import gaussian_kde

    margin = 0.15 * np.ptp(values)
    grid = np.linspace(values.min() - margin, values.max() + margin, 200)
    curve = gaussian_kde(values)(grid)
    edge = base + outwards * 0.75 * curve / curve.max()
    axes.fill_between(grid, base, edge, color=color, alpha=0.25, linewidth=0, zorder=0)
    axes.plot(grid, edge, color=color, linewidth=0.7, zorder=0)


def _summary(axes: Axes, row: Any, place: float, look: Look) -> None:
    """Mean with its interval on top of one standard deviation."""
    if np.isfinite(row.sd):
        ends = [row.value - row.sd, row.value + row.sd]
        axes.plot(ends, [place, place], color=FAINT, linewidth=3.5, alpha=0.45, solid_capstyle="butt", zorder=2)
    if np.isfinite(row.low):
        axes.plot([row.low, row.high], [place, place], color=look.color, linewidth=1.2, zorder=4)
    axes.plot(row.value, place, marker=look.marker, markersize=8 if look.marker == "*" else 5, color=look.color,
              markeredgecolor="white", markeredgewidth=0.5, zorder=5)  # fmt: skip


def _said(row: Any) -> str:
    if not np.isfinite(row.ratio):
        return "variance ratio: none"
    span = f" [{_short(row.ratio_low)}, {_short(row.ratio_high)}]" if np.isfinite(row.ratio_low) else ""
    return f"variance ratio {_short(row.ratio)}{span}, n = {int(row.cases)}"


def _short(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.3g}"


def _detectable(table: pd.DataFrame) -> str:
    """Sentence on what could have been seen, where an interval has 1 in it."""
    rows = table[(table.ratio_low <= 1) & (table.ratio_high >= 1) & table.ratio_detectable.notna()]
    if rows.empty:
        return ""
    least, most = rows.ratio_detectable.min(), rows.ratio_detectable.max()
    span = dict.fromkeys((_short(least), _short(most)))
    return f" Smallest detectable ratio (power 80 %), or its inverse: {' to '.join(span)}."


def _holes(table: pd.DataFrame) -> str:
    summary = table[table.level == "summary"]
    statuses = {method: overall_status(list(rows.status)) for method, rows in summary.groupby("method", sort=False)}
    return hole_sentences(statuses, dict(zip(summary.method, summary.label, strict=True)))


FIGURE = figure6
