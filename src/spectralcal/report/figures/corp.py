"""CORP reliability diagrams, whose bins the labels choose, and the parts of the Brier score that they show."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spectralcal.metrics import CalibrationHistogram, isotonic_fit
from spectralcal.metrics import corp as parts_of
from spectralcal.report.figures.axes import handles, legend_below, line_style, panel_title, say_missing
from spectralcal.report.figures.choose import chosen_datasets, each_region, missing_note, opening, pick
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.reliability_bins import FEW, draw_diagonal, sides
from spectralcal.report.results import Results
from spectralcal.report.style import FAINT, GRID, TWO_COLUMNS, Look, Style, size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "CORP reliability diagrams and parts of the Brier score"
NEEDS = ()
REGIONS = {"all": "all voxels", "union": "union of foregrounds"}
#: confidences at which a seed's recalibration is read
CONFIDENCES = np.linspace(0, 1, 201)
#: heights in mm: of the two panels together, of the legend
HEIGHT, LEGEND = 92.0, 10.0
#: data sets side by side
ACROSS = 2
#: smallest miscalibration that the axis resolves
SMALLEST = 1e-6
NUMBERS = ("confidence", "recalibrated", "score", "miscalibration", "discrimination", "uncertainty")


def corp(results: Results, experiment: str, *, architecture: str = "", dataset: str = "") -> Drawn:
    """Isotonic recalibration of the top label's confidence, and miscalibration against refinement.

    Args:
        results: the study's results.
        experiment: name of the experiment.
        architecture: architecture to show; empty: the experiment's first.
        dataset: data set to show; empty: all of the experiment.

    Raises:
        ResultError: a region was not scored.
    """
    architecture = pick(results, experiment, "architectures", architecture)
    datasets = chosen_datasets(results, experiment, dataset)
    table = frame(results, experiment, datasets, architecture)
    nowhere = [name for name, rows in table.groupby("label", sort=False) if (rows.status == "missing").all()]
    caption = (
        f"{opening(results, experiment, datasets, architecture)} Diagrams: accuracy of the top label by isotonic "
        f"regression on its confidence, {results.side} voxels of a seed pooled, shown where a block has at least {FEW} "
        "voxels. Beside or below: the two parts of the top label's Brier score, what this recalibration would remove "
        "(miscalibration) and what would remain (refinement: uncertainty - discrimination); both are better towards "
        "the lower left corner, grey lines connect equal Brier scores. Thin lines and small markers: seeds; thick "
        "lines and large markers: their "
        f"mean.{missing_note(nowhere)}"
    )
    names = {name: results.title(name) for name in datasets}
    return Drawn(draw(table, results.style, names), table, caption)


def frame(results: Results, experiment: str, datasets: Sequence[str], architecture: str) -> pd.DataFrame:
    """Recalibration and parts of the score of every seed.

    Returns:
        dataset, architecture, region, method, label, seed, kind (``fit`` or ``parts``), confidence and recalibrated
        (of a fit), score, miscalibration, discrimination and uncertainty (of the parts), status. One row with status
        ``missing`` for a cell without results.

    Raises:
        ResultError: a region was not scored.
    """
    parts = []
    for identity, histogram in each_region(results, experiment, datasets, architecture, REGIONS):
        if histogram is None:
            parts.append(pd.DataFrame([{**identity, "kind": "parts", "status": "missing"}]))
            continue
        fit = {"confidence": CONFIDENCES, "recalibrated": _recalibrated(histogram)}
        parts.append(pd.DataFrame({**identity, "kind": "fit", **fit, "status": "ok"}).dropna())
        scored = parts_of(histogram)._asdict()
        parts.append(pd.DataFrame([{**identity, "kind": "parts", **scored, "status": "ok"}]))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(**{name: np.nan for name in NUMBERS if name not in table})


def _recalibrated(histogram: CalibrationHistogram) -> np.ndarray:
    """Accuracy by isotonic regression at :data:`CONFIDENCES`; nan beyond the blocks that have voxels enough."""
    fit = isotonic_fit(histogram)
    kept = fit.count >= FEW
    if not kept.any():
        return np.full(CONFIDENCES.size, np.nan)
    # Constant within a block, a straight line to the next.
    ends = np.stack([fit.lower[kept], fit.upper[kept]], axis=1).ravel()
    return np.interp(CONFIDENCES, ends, np.repeat(fit.rate[kept], 2), left=np.nan, right=np.nan)


def draw(table: pd.DataFrame, style: Style, names: Mapping[str, str]) -> Figure:
    """A diagram and its parts for each region of each data set, two data sets side by side.

    Args:
        table: the numbers.
        style: looks of methods.
        names: data set -> printed name.
    """
    import matplotlib.pyplot as plt

    labels = dict(zip(table.method, table.label, strict=True))
    looks = style.looks(list(labels))
    panels = list(itertools.product(names.items(), REGIONS.items()))
    across = len(REGIONS) * min(len(names), ACROSS)
    bands, alone = -(-len(panels) // across), len(names) == 1
    shape = (1, 2 * across) if alone else (2 * bands, across)
    figure, grid = plt.subplots(
        *shape, figsize=size(TWO_COLUMNS, (HEIGHT / 2 if alone else HEIGHT * bands) + LEGEND), layout="constrained",
        squeeze=False,
    )  # fmt: skip
    # Two axes for each panel: below each other, or side by side where there is one data set.
    pairs = grid.reshape(-1, 2) if alone else grid.reshape(bands, 2, across).swapaxes(1, 2).reshape(-1, 2)
    letters = itertools.cycle("abcdefghijklmnopqrstuvwxyz")
    for index, ((dataset, name), (region, title)) in enumerate(panels):
        rows = table[(table.dataset == dataset) & (table.region == region) & (table.status == "ok")]
        diagram, parts = pairs[index]
        panel_title(diagram, next(letters), title if alone else f"{name},\n{title}")
        first = alone or index % across == 0
        _diagram(diagram, rows[rows.kind == "fit"], looks, first)
        _parts(parts, rows[rows.kind == "parts"], looks, first)
    for axes in pairs[len(panels) :].flat:  # the last line need not be full
        axes.set_axis_off()
    nowhere = table.groupby("method").status.agg(lambda status: (status == "missing").all())
    legend_below(figure, handles(looks, labels, set(nowhere[nowhere].index), markers=True))
    return figure


def _diagram(axes: Axes, rows: pd.DataFrame, looks: Mapping[str, Look], first: bool) -> None:
    draw_diagonal(axes)
    axes.set_aspect("equal")
    sides(axes)
    if rows.empty:
        say_missing(axes)
    for method, mine in rows.groupby("method", sort=False):
        style = line_style(looks[method])
        seeds = mine.pivot(index="confidence", columns="seed", values="recalibrated")
        if seeds.shape[1] > 1:
            for seed in seeds:
                axes.plot(seeds.index, seeds[seed], **{**style, "linewidth": 0.4, "alpha": 0.45, "linestyle": "-"})
        axes.plot(seeds.index, seeds.mean(axis=1, skipna=False), **style)
    axes.set_xlabel("confidence")
    if first:
        axes.set_ylabel("recalibrated")


def _parts(axes: Axes, rows: pd.DataFrame, looks: Mapping[str, Look], first: bool) -> None:
    if rows.empty:
        say_missing(axes)
        axes.set(xticks=[], yticks=[])
        return
    rows = rows.assign(x=1e3 * rows.miscalibration.clip(lower=SMALLEST),
                       y=1e3 * (rows.uncertainty - rows.discrimination))  # fmt: skip
    axes.set_xscale("log")
    for method, mine in rows.groupby("method", sort=False):
        look = looks[method]
        common = {"color": look.color, "marker": look.marker, "linestyle": "none"}
        if len(mine) > 1:
            axes.plot(mine.x, mine.y, **common, markersize=2.4, alpha=0.6, markeredgewidth=0, zorder=2)
        hollow = look.marker == "o"  # cross-entropy lies on top; what it covers should be seen
        axes.plot(mine.x.mean(), mine.y.mean(), **common, markersize=7 if look.marker == "*" else 4.8,
                  markerfacecolor="none" if hollow else look.color, markeredgewidth=0.9 if hollow else 0.4,
                  markeredgecolor=look.color if hollow else "white", zorder=look.order + 3 * (1 + hollow))  # fmt: skip
    _isolines(axes, rows)
    axes.set_xlabel("miscalibration (×10⁻³)")
    if first:
        axes.set_ylabel("refinement (×10⁻³)")


def _isolines(axes: Axes, rows: pd.DataFrame) -> None:
    """Room around the points, and lines of equal sums."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    left, right = rows.x.min() / 1.6, rows.x.max() * 1.6
    room = 0.12 * max(rows.y.max() - rows.y.min(), 1e-3 * rows.y.max())
    low, high = rows.y.min() - room, rows.y.max() + room
    x = np.geomspace(left, right, 200)
    for level in MaxNLocator(7).tick_values(low + left, high + right):
        axes.plot(x, level - x, color=GRID, linewidth=0.7, zorder=1)
    axes.set(xlim=(left, right), ylim=(low, high))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    decades = np.log10(right / left)
    subs = (1.0, 2.0, 5.0) if decades < 1.5 else (1.0, 3.0) if decades < 2.5 else (1.0,)
    axes.xaxis.set_major_locator(LogLocator(subs=subs))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.spines[["left", "bottom"]].set_color(FAINT)


FIGURE = corp
