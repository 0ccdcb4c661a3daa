"""The curves behind the paper's Table 4: Dice and calibration error over the options of the spectral loss."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spectralcal.base.errors import ConfigError, choices
from spectralcal.papers.spectral_entropy.swept import SWEPT, by_value
from spectralcal.papers.spectral_entropy.tables.table4 import COLUMNS, PROTOCOL, SYMBOLS, swept_option
from spectralcal.report.figures.axes import legend_below, panel_title, say_missing
from spectralcal.report.figures.case_scores import CaseScores, case_scores
from spectralcal.report.figures.choose import ARCHITECTURES, counted, missing_note, pick
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.intervals import detectable_sentence, over_what
from spectralcal.report.figures.text import names_width, plain
from spectralcal.report.results import Results
from spectralcal.report.style import FAINT, INK, MM, TWO_COLUMNS, Style, loss_of, size
from spectralcal.report.summary import summarize

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Dice and calibration error over the options of the spectral loss"
NEEDS = ()
#: spread of positive values from which their axis is logarithmic
WIDE = 5.0


def sensitivity(
    results: Results, experiment: str, *, experiments: tuple[str, ...] = (), dataset: str = "", architecture: str = ""
) -> Drawn:
    """Dice and ECE over the value of the option that each experiment varies, one column per experiment.

    Args:
        results: the study's results.
        experiment: the first column.
        experiments: further columns; none by default.
        dataset: data set to show; empty: the first experiment's first.
        architecture: architecture to show; empty: the first experiment's first.

    Raises:
        ConfigError: an experiment that the study does not have, or without that data set or architecture.
    """
    names = (experiment, *experiments)
    for name in names:
        if name not in results.config.experiments:
            known = choices(results.config.experiments)
            raise ConfigError(f"sensitivity, options.experiments: unknown experiment '{name}'; expected {known}")
    dataset = pick(results, experiment, "datasets", dataset)
    architecture = pick(results, experiment, "architectures", architecture)
    table = pd.concat([frame(results, name, dataset, architecture) for name in names], ignore_index=True)
    seeds = sorted({seed for name in names for seed in results.config.experiments[name].seeds})
    network = ARCHITECTURES.get(architecture, architecture)
    gone = list(dict.fromkeys(table[table.status == "missing"].label))
    listed = ("seed " if len(seeds) == 1 else "seeds ") + ", ".join(map(str, seeds))
    caption = (
        f"Study {results.config.study}, experiment{'s' * (len(names) > 1)} {', '.join(names)}: "
        f"{results.title(dataset)}, {network}, {listed}. Mean over "
        f"{counted(int(table.cases.max()), f'{results.side} case')}{' and seeds' * (len(seeds) > 1)}, "
        f"protocol '{PROTOCOL}'.{_key(table, listed)}{missing_note(gone)}"
    )
    return Drawn(draw(table, results.style), table, caption)


def _key(table: pd.DataFrame, seeds: str) -> str:
    """Sentences on what is drawn, each after a space, and nothing else.

    Args:
        table: the numbers.
        seeds: their names.
    """
    scored, said = table[table["mean"].notna()], []
    others = bool(scored.position.isna().any())
    if scored.default.any():
        said.append("Star and dotted line: the default, the same cell in every column.")
    if table.difference_low.notna().any():
        rows = table[table.difference_low.notna()]
        sizes = {
            metric: (of.difference_detectable, of.unit.iloc[0]) for metric, of in rows.groupby("metric", sort=False)
        }
        said.append(
            f"Bars{' and bands' * others}: 95 % intervals {over_what(rows.seeds)}, "
            f"{counted(int(table.patients.max()), 'patient')} and {seeds}, of the paired "
            "difference from the default in the unit of the axis, drawn around the mean; the intervals of the "
            "means themselves, which also contain the variation between patients, are in the CSV."
            f"{detectable_sentence(sizes)}"
        )
    if others:
        said.append("Grey: methods that do not have the option.")
    if table.paper_value.notna().any():
        said.append("Diamonds: the paper's numbers on this data set.")
    if (table["mean"].isna() & table.position.notna()).any():
        said.append("Crosses: missing.")
    return "".join(f" {sentence}" for sentence in said)


def frame(results: Results, experiment: str, dataset: str, architecture: str) -> pd.DataFrame:
    """Rows of :func:`spectralcal.report.summary.summarize` for one experiment.

    Returns:
        experiment, option (the one that varies; empty unless there is exactly one), setting (its value as text),
        position (its value, or a running number if it is none), default (the loss without options), difference,
        difference_low and difference_high (paired by seed and patient, from the default), difference_detectable (the
        smallest that would be detected with 80 % power), and the summary's columns; methods without the option have no
        setting.
    """
    for kind, name in (("datasets", dataset), ("architectures", architecture)):
        pick(results, experiment, kind, name)
    option, values = swept_option(results, experiment)
    paper = by_value(results, option if option in SWEPT else None)
    rows = summarize(results, experiment, COLUMNS, PROTOCOL, paper)
    rows = rows[(rows.dataset == dataset) & (rows.architecture == architecture)]
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values.values())
    order = {name: float(value) if numeric else float(index) for index, (name, value) in enumerate(values.items())}
    default = next((name for name in values if "@" not in name), None)
    scores = {c.metric: case_scores(results, experiment, dataset, architecture, c.metric, PROTOCOL) for c in COLUMNS}
    paired = [_difference(scores[row.metric], row.method, default) for row in rows.itertuples()]
    return rows.assign(
        experiment=experiment,
        option=option,
        setting=rows.method.map({name: str(value) for name, value in values.items()}),
        position=rows.method.map(order).astype(float),
        default=rows.method == default,
        **{
            f"difference{end}": [entry[i] for entry in paired]
            for i, end in enumerate(("", "_low", "_high", "_detectable"))
        },
    )


def _difference(scores: CaseScores, method: str, default: str | None) -> tuple[float, float, float, float]:
    """Paired difference of a method from the default, its interval and what is detectable; NaN where there is none."""
    if default is None or method == default:
        return (np.nan,) * 4
    interval = scores.difference(method, default)
    return interval.estimate, interval.low, interval.high, interval.detectable


def draw(table: pd.DataFrame, style: Style) -> Figure:
    """Metrics in rows, experiments in columns; a row shares its axis."""
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D

    names = list(dict.fromkeys(table.experiment))
    width = min(TWO_COLUMNS, 24 + 56 * len(names))
    figure, grid = plt.subplots(
        len(COLUMNS), len(names), figsize=size(width, 92), layout="constrained", sharey="row", sharex="col",
        squeeze=False,
    )  # fmt: skip
    swept = table[table.position.notna()]
    loss = loss_of(swept.method.iloc[0]) if len(swept) else "spectral"
    color = style.looks([loss])[loss].color
    label = next(iter([*swept[swept.default].label, *swept.label]), "")
    for column, name in enumerate(names):
        for row, metric in enumerate(COLUMNS):
            axes = grid[row, column]
            rows = table[(table.experiment == name) & (table.metric == metric.metric)]
            if row == 0:
                panel_title(axes, "abcdefghijklmnopqrstuvwxyz"[column % 26], _title(rows))
            _panel(axes, rows, color)
            if column == 0:
                axes.set_ylabel(f"{metric.metric} ({metric.unit})")
        _values(grid[-1, column], table[(table.experiment == name) & table.position.notna()])
    entries = [
        Line2D([], [], color=color, marker="o", markersize=3.5, label=plain(label)),
        Line2D([], [], color=color, marker="*", markersize=7, linestyle="none", label="default"),
    ] * bool(label)
    if (table.position.isna() & table["mean"].notna()).any():
        entries.append(Line2D([], [], color=FAINT, label=", ".join(dict.fromkeys(table[table.position.isna()].label))))
    if table.paper_value.notna().any():
        entries.append(Line2D([], [], color=INK, label="paper", **_PAPER))
    if entries:
        legend_below(figure, entries)
    return figure


_PAPER = {"marker": "d", "markersize": 3.5, "markerfacecolor": "white", "linestyle": (0, (1, 1.2)), "linewidth": 0.8}


def _title(rows: pd.DataFrame) -> str:
    option = rows.option.iloc[0]
    return f"{option} {SYMBOLS.get(option, '')}".strip() or rows.experiment.iloc[0]


def _panel(axes: Axes, rows: pd.DataFrame, color: str) -> None:
    swept = rows[rows.position.notna()].sort_values("position")
    scored = swept[swept["mean"].notna()]
    for _, other in rows[rows.position.isna() & rows["mean"].notna()].iterrows():
        if np.isfinite(other.difference_low):
            axes.axhspan(*_around(other), color=FAINT, alpha=0.2, linewidth=0, zorder=0)
        axes.axhline(other["mean"], color=FAINT, linewidth=0.9, zorder=1)
    printed = swept[swept.paper_value.notna()]
    axes.plot(printed.position, printed.paper_value, color=INK, zorder=2, **_PAPER)
    axes.plot(scored.position, scored["mean"], color=color, linewidth=1.2, zorder=3)
    for _, row in scored[scored.difference_low.notna()].iterrows():
        axes.plot([row.position] * 2, _around(row), color=color, linewidth=0.9, zorder=4)
    axes.plot(scored.position, scored["mean"], "o", color=color, markersize=3.5, zorder=4)
    default = scored[scored.default]
    axes.plot(
        default.position, default["mean"], "*", color=color, markersize=8, markeredgecolor="white", mew=0.4, zorder=5
    )
    for height in default["mean"]:  # what the bars are differences from
        axes.axhline(height, color=color, linewidth=0.7, linestyle=(0, (1, 2.5)), zorder=2)
    gone = swept[swept["mean"].isna()]
    axes.plot(
        gone.position, np.full(len(gone), 0.03), "x", color=FAINT, markersize=4, transform=axes.get_xaxis_transform()
    )
    if swept.empty:
        say_missing(axes, "no single option varies")


def _around(row: pd.Series) -> tuple[float, float]:
    """Interval of the difference, moved from the difference to the mean."""
    shift = row["mean"] - row.difference
    return row.difference_low + shift, row.difference_high + shift


def _values(axes: Axes, rows: pd.DataFrame) -> None:
    """Ticks at the values that were tried, on a logarithmic axis if they spread widely."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    tried = rows.drop_duplicates("position").sort_values("position")
    if tried.empty:
        axes.set_xticks([])
        return
    low, high = tried.position.min(), tried.position.max()
    if low > 0 and high / low >= WIDE:
        axes.set_xscale("log")
        axes.set_xlim(low / (high / low) ** 0.08, high * (high / low) ** 0.08)
    else:
        margin = 0.08 * (high - low) or 0.5
        axes.set_xlim(low - margin, high + margin)
    axes.xaxis.set_major_locator(FixedLocator(tried.position.tolist()))
    axes.xaxis.set_major_formatter(FixedFormatter(tried.setting.tolist()))
    axes.xaxis.set_minor_locator(NullLocator())
    if _crowded(tried, axes):
        for text in axes.get_xticklabels():
            text.set(rotation=60, ha="right", rotation_mode="anchor")


def _crowded(tried: pd.DataFrame, axes: Axes) -> bool:
    """Whether the names of neighbouring values would touch on a line."""
    place = axes.transScale.transform(np.column_stack([tried.position, np.zeros(len(tried))]))[:, 0]
    low, high = axes.transScale.transform([(limit, 0) for limit in axes.get_xlim()])[:, 0]
    across = axes.get_subplotspec().get_gridspec().ncols
    width = axes.figure.get_size_inches()[0] / MM * 0.8 / across  # what is left beside labels and gaps
    needed = [names_width([name]) for name in tried.setting]
    apart = np.diff(place) / (high - low) * width
    return bool((apart < [(a + b) / 2 + 1.5 for a, b in pairwise(needed)]).any())


FIGURE = sensitivity
