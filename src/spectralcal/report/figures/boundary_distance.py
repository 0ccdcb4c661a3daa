"""Calibration by distance to the predicted boundary: where over- and underconfidence sit.

Cells that were scored without it show the distance to the reference's boundary, which is chosen by the labels: a
calibrated network is not at 0 there (:mod:`spectralcal.metrics.distance_bands`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from spectralcal.report.figures.axes import (
    handles,
    legend_below,
    limit_bands,
    line_style,
    log_axis,
    panel_title,
    say_missing,
)
from spectralcal.report.figures.choose import chosen_cells, counted, in_order, missing_note, opening, patients_of, pick
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.intervals import over_what
from spectralcal.report.results import Results
from spectralcal.report.style import FAINT, INK, TWO_COLUMNS, Style, size
from spectralcal.statistics import CrossedMany, crossed_many, pooled_ratio
from spectralcal.study.grid import Cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Calibration by distance to the boundary"
NEEDS = ()
PANELS = {"gap": "confidence − accuracy", "ece": "ECE"}
#: whose boundary -> the word for it
BOUNDARIES = {"prediction": "predicted boundary", "reference": "reference's boundary"}
#: caption's warning about the reference's boundary
FLOOR = (
    " The labels choose these bands, so even a calibrated network is not at 0 in them: it looks overconfident next to "
    "the boundary and underconfident a little farther away. The stored numbers do not say by how much: compare "
    "methods, and do not read the shape as miscalibration."
)
COLUMNS = ("boundary", "lower_mm", "upper_mm", "count", "gap", "gap_low", "gap_high", "ece", "ece_low", "ece_high")


def boundary_distance(results: Results, experiment: str, *, dataset: str = "", architecture: str = "") -> Drawn:
    """Signed gap and calibration error of the top label in bands of distance to the predicted boundary, or, if a cell
    was scored without it, to the reference's.

    Args:
        results: the study's results.
        experiment: name of the experiment.
        dataset: data set to show; empty: the experiment's first.
        architecture: architecture to show; empty: the experiment's first.
    """
    dataset = pick(results, experiment, "datasets", dataset)
    architecture = pick(results, experiment, "architectures", architecture)
    table = frame(results, experiment, dataset, architecture)
    by = next(iter(table.boundary.dropna()), "reference")
    gone = list(dict.fromkeys(table[table.status == "missing"].label))
    caption = (
        f"{opening(results, experiment, [dataset], architecture)} Top label in bands of distance to the nearest "
        f"boundary voxel of the {by}, voxels of "
        f"{counted(int(table.cases.max()), f'{results.side} case')} and all seeds "
        "pooled. Left of 0: background; right: structures. (a) Mean confidence minus accuracy, above 0: overconfident. "
        "(b) Expected calibration error of the band's voxels. Bands around lines: 95 % intervals "
        f"{over_what(table.seeds)}, cut off where they are much wider than the lines' spread. Below: share of "
        "all voxels; a band without voxels has no point."
        f"{FLOOR if by == 'reference' else ''}{missing_note(gone)}"
    )
    return Drawn(draw(table, results.style, results.unit(dataset)), table, caption)


def frame(results: Results, experiment: str, dataset: str, architecture: str) -> pd.DataFrame:
    """One row per method and band.

    Returns:
        dataset, architecture, method, label, boundary (whose: ``prediction`` or ``reference``), lower_mm, upper_mm
        (signed ends of the band in the data set's unit, negative outside), count (voxels of all seeds), gap and ece
        with their 95 % intervals over seeds and patients (NaN without a voxel), cases, seeds, status (``ok`` or
        ``missing``).

    Raises:
        ResultError: a cell was scored before there were bands, or cells have different cases.
    """
    patients = patients_of(results, experiment, dataset)
    chosen = chosen_cells(results, experiment, dataset, architecture)
    by = _boundary(results, [cell for cells in chosen.values() for cell in cells])
    rows = []
    for method, cells in chosen.items():
        identity = {"dataset": dataset, "architecture": architecture, "method": method, "label": results.label(method)}
        by_cell = {cell: arrays for cell in cells if (arrays := results.distance_calibration(cell, by)) is not None}
        if not by_cell:
            rows.append(pd.DataFrame([{**identity, "cases": 0, "seeds": 0, "status": "missing"}]))
            continue
        cases, sums = _summed(by_cell)
        edges = next(iter(by_cell.values()))["edges_mm"]
        numbers: dict[str, np.ndarray] = {"count": sums["count"].sum((1, 2, 3)).astype(np.int64)}
        for name, of in _gaps(sums, [patients.get(case, case) for case in cases]).items():
            numbers |= {name: of.estimate, f"{name}_low": of.low, f"{name}_high": of.high}
        common = {
            "boundary": by,
            "lower_mm": edges[:, 0],
            "upper_mm": edges[:, 1],
            "cases": len(cases),
            "seeds": len(by_cell),
        }
        rows.append(pd.DataFrame({**identity, **common, **numbers, "status": "ok"}))
    table = pd.concat(rows, ignore_index=True)
    table = table.assign(**{name: np.nan for name in COLUMNS if name not in table})
    return table[["dataset", "architecture", "method", "label", *COLUMNS, "cases", "seeds", "status"]]


def draw(table: pd.DataFrame, style: Style, unit: str = "mm") -> Figure:
    """The two measures over the bands, and below them the voxels that the bands hold; distances are in `unit`."""
    import matplotlib.pyplot as plt

    labels = dict(zip(table.method, table.label, strict=True))
    looks = style.looks(list(labels))
    figure, grid = plt.subplots(
        2, 2, figsize=size(TWO_COLUMNS, 82), layout="constrained", sharex=True,
        gridspec_kw={"height_ratios": [5, 1]},
    )  # fmt: skip
    shown = table[table.status == "ok"]
    for letter, (above, below), (name, title) in zip("ab", grid.T, PANELS.items(), strict=True):
        panel_title(above, letter, title)
        if shown.empty:
            say_missing(above)
            for axes in (above, below):
                axes.set(xticks=[], yticks=[])
            continue
        for method, rows in shown.groupby("method", sort=False):
            style = line_style(looks[method], markers=True)
            place = np.arange(len(rows)) + 0.5
            above.plot(place, rows[name], **style)
            low, high = rows[f"{name}_low"], rows[f"{name}_high"]
            above.fill_between(place, low, high, color=style["color"], alpha=0.13, linewidth=0)
        _finish(above, below, shown, name, unit)
    grid[0, 0].set_ylabel("difference")
    grid[0, 1].set_ylabel("error")
    missing = set(table[table.status == "missing"].method)
    legend_below(figure, handles(looks, labels, missing, markers=True))
    return figure


def _boundary(results: Results, cells: list[Cell]) -> Literal["prediction", "reference"]:
    """The boundary that every cell with results was scored by."""
    scored = [cell for cell in cells if results.case_calibration(cell) is not None]
    known = [results.distance_calibration(cell, "prediction") is not None for cell in scored]
    return "prediction" if known and all(known) else "reference"


def _summed(by_cell: dict[Cell, dict[str, np.ndarray]]) -> tuple[list[str], dict[str, np.ndarray]]:
    """Cases, and the sums (bands, bins, seeds, cases)."""
    cases = [str(name) for name in next(iter(by_cell.values()))["cases"]]
    orders = {cell: in_order(cases, arrays["cases"], str(cell)) for cell, arrays in by_cell.items()}
    names = ("count", "confidence", "hits")
    return cases, {
        name: np.stack([by_cell[cell][name][order] for cell, order in orders.items()])
        .astype(float)
        .transpose(2, 3, 0, 1)
        for name in names
    }


def _gaps(sums: dict[str, np.ndarray], patients: Sequence[str]) -> dict[str, CrossedMany]:
    """``gap`` and ``ece`` of the pooled voxels of each band, with intervals; NaN where there are none.

    The calibration error is linear as long as no bin changes from over- to underconfident: each bin counts with the
    sign that it has over all seeds and cases. Its interval is one of the logarithm.
    """
    excess, count = sums["confidence"] - sums["hits"], sums["count"].sum(1)  # (bands, bins, seeds, cases), without bins
    sign = np.sign(excess.sum((-2, -1), keepdims=True))
    gap, ece = (crossed_many(pooled_ratio(total.sum(1), count, patients)) for total in (excess, sign * excess))
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.exp(np.where(ece.estimate > 0, (ece.high - ece.estimate) / ece.estimate, 0.0))
    ends = ece.estimate / factor, np.minimum(ece.estimate * factor, 1.0)
    return {"gap": gap, "ece": CrossedMany(ece.estimate, *ends)}


def _finish(above: Axes, below: Axes, shown: pd.DataFrame, name: str, unit: str) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    bands = shown[shown.method == shown.method.iloc[0]]
    middle = int((bands.upper_mm <= 0).sum())
    for axes in (above, below):
        axes.axvline(middle, color=FAINT, linewidth=0.6, zorder=1)
        axes.set_xlim(0, len(bands))
    limit_bands(above, shown[name], pd.concat([shown[f"{name}_low"], shown[f"{name}_high"]]), log=name == "ece")
    if name == "gap":
        above.axhline(0, color=INK, linewidth=0.6, zorder=1)
        for text, place, side in (("outside", middle - 0.15, "right"), ("inside", middle + 0.15, "left")):
            above.text(
                place, 0.98, text, ha=side, va="top", color=FAINT, style="italic", fontsize=6.5,
                transform=above.get_xaxis_transform(),
            )  # fmt: skip
    elif (shown[name] > 0).any():
        log_axis(above)
    share = (bands["count"] / bands["count"].sum()).to_numpy()
    floor = 10.0 ** np.floor(np.log10(share[share > 0].min()) - 0.1)
    below.bar(np.arange(len(bands)) + 0.5, share, width=0.86, color=FAINT, alpha=0.6, linewidth=0)
    below.set_yscale("log")
    below.set_ylim(floor, 1)
    below.yaxis.set_major_locator(FixedLocator([floor, 1]))
    below.yaxis.set_minor_locator(NullLocator())
    exponent = round(np.log10(floor))
    below.yaxis.set_major_formatter(FuncFormatter(lambda value, _: "1" if value == 1 else f"$10^{{{exponent}}}$"))
    ends = bands.upper_mm.to_numpy()[:-1]
    below.set_xticks(np.arange(1, len(bands)), [f"{abs(end):g}" for end in ends])
    below.set_xlabel(f"distance to the {BOUNDARIES[bands.boundary.iloc[0]]} ({unit})")
    if name == "gap":
        below.set_ylabel("share")


FIGURE = boundary_distance
