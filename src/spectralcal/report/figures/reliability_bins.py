"""Reliability diagrams: pooled bins with their band over seeds and patients, and how they are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spectralcal.base.errors import ResultError, choices
from spectralcal.report.figures.axes import line_style
from spectralcal.report.figures.choose import in_order
from spectralcal.report.results import Results
from spectralcal.report.style import FAINT, INK, Look
from spectralcal.statistics import crossed_many, pooled_ratio
from spectralcal.study.grid import Cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: voxels below which a bin is not joined to the others
FEW = 50


def reliability_rows(
    results: Results, method: str, cells: list[Cell], region: str, patients: dict[str, str]
) -> pd.DataFrame:
    """Top-label reliability of a method, voxels of all cells (seeds) and cases pooled.

    Returns:
        One row per bin: method, label, region, lower, upper, count (voxels), confidence, accuracy (NaN in empty bins),
        low and high (95 % interval of the accuracy over seeds and patients, over patients alone with one seed; of the
        ratio's linear part, so that ends of a bin that few patients have may lie beyond 0 and 1), ece (of the pooled
        voxels), cases, seeds, status. One row with status ``missing`` if no cell has results.

    Raises:
        ResultError: the region was not scored, or cells have different cases.
    """
    identity = {"method": method, "label": results.label(method), "region": region}
    by_cell = {cell: histograms for cell in cells if (histograms := results.calibration(cell)) is not None}
    if not by_cell:
        return pd.DataFrame([{**identity, "cases": 0, "seeds": 0, "status": "missing"}])
    for cell, histograms in by_cell.items():
        if region not in histograms:
            raise ResultError(
                f"{cell}: expected voxels of region '{region}', found {choices(histograms)}; evaluate the cell again"
            )
    pooled = None
    for histograms in by_cell.values():
        pooled = histograms[region] if pooled is None else pooled.merge(histograms[region])
    bins = pooled.reliability()
    count, hits, cases = _case_bins(results, list(by_cell), region)
    band = crossed_many(pooled_ratio(hits, count, [patients.get(case, case) for case in cases]))
    return pd.DataFrame(
        {
            **identity,
            **bins._asdict(),
            "low": band.low,
            "high": band.high,
            "ece": pooled.ece(),
            "cases": len(cases),
            "seeds": len(by_cell),
            "status": "ok",
        }
    )


def draw_diagonal(axes: Axes) -> None:
    """The ideal line, square axes from 0 to 1 with the same ticks."""
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.6, linestyle=(0, (4, 3)), zorder=1)
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    axes.set_xticklabels(["0", "0.5", "1"])
    axes.set_yticklabels(["0", "0.5", "1"])


def draw_line(axes: Axes, rows: pd.DataFrame, look: Look, scale: float = 1.0) -> None:
    """One method's diagram: accuracy at the mean confidence of each bin, with the band.

    A bin of fewer than :data:`FEW` voxels is an open marker off the line: its accuracy is mostly chance. `scale`
    shrinks markers in small panels.
    """
    shown, rare = rows[rows["count"] >= FEW], rows[rows["count"].between(1, FEW - 1)]
    style: dict[str, Any] = line_style(look, markers=True)
    style["markersize"] *= scale
    axes.fill_between(shown.confidence, shown.low, shown.high, color=look.color, alpha=0.15, linewidth=0, zorder=1)
    axes.plot(shown.confidence, shown.accuracy, clip_on=False, **style)
    open_marker = {
        "linestyle": "none",
        "markerfacecolor": "white",
        "markeredgecolor": look.color,
        "markeredgewidth": 0.6,
    }
    axes.plot(rare.confidence, rare.accuracy, clip_on=False, **{**style, **open_marker})


def draw_counts(axes: Axes, rows: pd.DataFrame, look: Look, filled: bool = False) -> None:
    """Share of voxels in each bin, as steps on a logarithmic axis."""
    share = rows["count"].to_numpy(float) / max(rows["count"].sum(), 1)
    edges = np.append(rows.lower, rows.upper.iloc[-1])
    share = np.where(share > 0, share, np.nan)
    if filled:
        axes.stairs(np.nan_to_num(share), edges, baseline=1e-9, fill=True, color=look.color, alpha=0.45, linewidth=0)
    else:
        style = line_style(look)
        axes.stairs(share, edges, baseline=None, color=style["color"], linestyle=style["linestyle"], linewidth=0.8)


def finish_counts(axes: Axes, table: pd.DataFrame, ticks: bool = True) -> None:
    """Decades from the rarest bin of `table` up to all voxels; `ticks` labels both ends, else only the lower."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    share = table["count"] / table.groupby(["dataset", "method", "region"])["count"].transform("sum")
    floor = int(np.floor(np.log10(share[share > 0].min()))) if (share > 0).any() else -3
    floor = min(floor, -1)
    axes.set_yscale("log")
    axes.set_ylim(10.0**floor, 1.0)
    axes.yaxis.set_major_locator(FixedLocator([10.0**floor, 1.0] if ticks else [10.0**floor]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: "1" if value == 1 else f"$10^{{{floor}}}$"))


def sides(axes: Axes) -> None:
    """Which side of the diagonal is which."""
    common = {"color": FAINT, "fontsize": 6, "style": "italic", "transform": axes.transAxes}
    axes.text(0.04, 0.96, "under-confident", ha="left", va="top", **common)
    axes.text(0.97, 0.04, "over-confident", ha="right", va="bottom", **common)


def label_ece(axes: Axes, text: str) -> None:
    """A number in the corner below the diagonal."""
    axes.text(0.97, 0.06, text, ha="right", va="bottom", color=INK, fontsize=6.5, transform=axes.transAxes)


def _case_bins(results: Results, cells: list[Cell], region: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Voxels and correct voxels by bin, seed and case, (bins, seeds, cases); and the cases."""
    names: list[str] = []
    counts, hits = [], []
    for cell in cells:
        arrays = results.case_calibration(cell, region)
        names = names or [str(name) for name in arrays["cases"]]
        order = in_order(names, arrays["cases"], str(cell))
        voxels = arrays["count"][order, 0].astype(float)  # row 0 is the top label
        counts.append(voxels)
        hits.append(np.where(voxels > 0, voxels * np.nan_to_num(arrays["accuracy"][order, 0]), 0.0))
    stacked = (np.moveaxis(np.stack(values), -1, 0) for values in (counts, hits))
    return *stacked, names
