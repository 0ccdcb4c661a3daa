"""The paper's Figure 3: power spectral density of confidence maps by method, for three readings of the map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spectralcal.report.figures.axes import (
    handles,
    legend_below,
    limit_bands,
    line_style,
    log_axis,
    panel_title,
    reference_line,
    say_missing,
)
from spectralcal.report.figures.choose import chosen_cells, counted, in_order, missing_note, opening, patients_of, pick
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.intervals import over_what
from spectralcal.report.results import Results
from spectralcal.report.style import FAINT, GRID, TWO_COLUMNS, Style, loss_of, size
from spectralcal.statistics import crossed_many
from spectralcal.study.grid import Cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Power spectral density of confidence maps"
NEEDS = ()
MAPS = {"max_logit": "maximum logit", "max_prob": "maximum probability", "margin": "margin of the top two logits"}
#: log10 power of a constant map, which has no power; far below any measured one
FLOOR = -30.0
CURVES = ("map", "frequency", "spacing_mm", "log10_power", "low", "high", "log10_ratio", "ratio_low", "ratio_high")


def figure3(results: Results, experiment: str, *, dataset: str = "", architecture: str = "") -> Drawn:
    """Radial power spectra and their ratio to cross-entropy.

    Args:
        results: the study's results.
        experiment: name of the experiment.
        dataset: data set to show; empty: the experiment's first (the paper shows BraTS2020 only).
        architecture: architecture to show; empty: the experiment's first.
    """
    dataset = pick(results, experiment, "datasets", dataset)
    architecture = pick(results, experiment, "architectures", architecture)
    table = frame(results, experiment, dataset, architecture)
    bands = results.config.evaluation.spectral_bands
    gone = list(dict.fromkeys(table[table.status == "missing"].label))
    cases = counted(int(table.cases.max()), f"{results.side} case")
    caption = (
        f"{opening(results, experiment, [dataset], architecture)} Top: radial power spectral density of three "
        f"confidence maps (mean removed, Hamming taper) on one patch in each of {cases}; mean of the logarithm over "
        "cases and seeds. Bottom: ratio to cross-entropy on the same cases. Bands around lines: 95 % intervals "
        f"{over_what(table.seeds)}, cut off where they are much wider than the lines' spread. Shading: the {bands} "
        f"bands of the spectral loss.{missing_note(gone)}"
    )
    return Drawn(draw(table, results.style, bands, results.unit(dataset)), table, caption)


def frame(results: Results, experiment: str, dataset: str, architecture: str) -> pd.DataFrame:
    """Mean log spectra by method, map and frequency.

    Returns:
        dataset, architecture, method, label, map, frequency (cycles/voxel), spacing_mm (NaN if unknown or not the same
        along all axes), log10_power, low, high (mean and 95 % interval), log10_ratio, ratio_low, ratio_high (to the
        method ``ce``, paired by seed and case), cases, seeds, status (``ok`` or ``missing``).
    """
    patients = patients_of(results, experiment, dataset)
    spectra = {
        method: {cell: arrays for cell in cells if (arrays := results.spectra(cell)) is not None}
        for method, cells in chosen_cells(results, experiment, dataset, architecture).items()
    }
    present = [entry for by_cell in spectra.values() for entry in by_cell.values()]
    cases = [str(name) for name in present[0]["cases"]] if present else []
    owners = [patients.get(case, case) for case in cases]
    rows = []
    for method, by_cell in spectra.items():
        identity = {"dataset": dataset, "architecture": architecture, "method": method, "label": results.label(method)}
        if not by_cell:
            rows.append(pd.DataFrame([{**identity, "cases": 0, "seeds": 0, "status": "missing"}]))
            continue
        first = next(iter(by_cell.values()))
        common = {"cases": len(cases), "seeds": len(by_cell), "status": "ok"}
        for kind in MAPS:
            values, base = _log_power(by_cell, kind, cases), _log_power(spectra.get("ce", {}), kind, cases)
            both = [seed for seed in values if seed in base]
            axis = {"map": kind, "frequency": first["frequency"].astype(float), "spacing_mm": _spacing(first)}
            power = _with_interval(list(values.values()), owners, ("log10_power", "low", "high"))
            ratio = _with_interval(
                [values[seed] - base[seed] for seed in both], owners, ("log10_ratio", "ratio_low", "ratio_high")
            )
            rows.append(pd.DataFrame({**identity, **axis, **power, **ratio, **common}))
    table = pd.concat(rows, ignore_index=True)
    return table.assign(**{name: np.nan for name in CURVES if name not in table})


def draw(table: pd.DataFrame, style: Style, bands: int = 5, unit: str = "mm") -> Figure:
    """Draw the spectra (top) and their ratios to cross-entropy (bottom), a column for each map.

    Args:
        table: the numbers.
        style: looks of methods.
        bands: of the spectral loss, shaded.
        unit: of the spacings.
    """
    import matplotlib.pyplot as plt

    labels = dict(zip(table.method, table.label, strict=True))
    looks = style.looks(list(labels))
    figure, grid = plt.subplots(
        2, len(MAPS), figsize=size(TWO_COLUMNS, 100), layout="constrained", sharex=True,
        gridspec_kw={"height_ratios": [1.25, 1]},
    )  # fmt: skip
    for column, (kind, name) in enumerate(MAPS.items()):
        top, bottom = grid[:, column]
        panel_title(top, "abc"[column], name)
        shown = table[table["map"] == kind]
        for axes in (top, bottom):
            _shade(axes, bands)
        for method, rows in shown.groupby("method", sort=False):
            style = line_style(looks[method])
            top.plot(rows.frequency, 10.0**rows.log10_power, **style)
            top.fill_between(
                rows.frequency, 10.0**rows.low, 10.0**rows.high, color=style["color"], alpha=0.13, linewidth=0
            )
            if loss_of(method) == "ce" or not rows.log10_ratio.notna().any():
                continue
            bottom.plot(rows.frequency, 10.0**rows.log10_ratio, **style)
            edges = 10.0**rows.ratio_low, 10.0**rows.ratio_high
            bottom.fill_between(rows.frequency, *edges, color=style["color"], alpha=0.16, linewidth=0)
        _finish(top, bottom, shown, unit, first=column == 0)
    missing = set(table[table.status == "missing"].method)
    legend_below(figure, handles(looks, labels, missing))
    return figure


def _log_power(by_cell: dict[Cell, dict[str, np.ndarray]], kind: str, cases: list[str]) -> dict[int, np.ndarray]:
    """Seed -> (cases, F) log10 power; NaN where a volume has no such frequency."""
    by_seed = {}
    for cell, entry in by_cell.items():
        power = entry[f"psd_{kind}"].astype(float)[in_order(cases, entry["cases"], str(cell))]
        logs = np.full_like(power, FLOOR)
        np.log10(power, out=logs, where=power > 10.0**FLOOR)
        by_seed[cell.seed] = np.where(np.isfinite(power), logs, np.nan)
    return by_seed


def _with_interval(
    by_seed: list[np.ndarray], patients: list[str], names: tuple[str, str, str]
) -> dict[str, np.ndarray | float]:
    """Mean over seeds and patients with its interval, each (F,), of one (cases, F) array per seed; NaN without any."""
    if not by_seed:
        return dict.fromkeys(names, np.nan)
    return dict(zip(names, crossed_many(np.moveaxis(np.stack(by_seed), -1, 0), patients), strict=True))


def _spacing(entry: dict[str, np.ndarray]) -> float:
    """Voxel size if it is one for all cases and axes, to the precision of image headers, else NaN."""
    spacing = np.ravel(entry.get("spacing_mm", np.nan)).astype(float)
    return float(spacing.mean()) if np.ptp(spacing) <= 1e-4 * spacing.mean() else np.nan


def _shade(axes: Axes, bands: int) -> None:
    for band in range(0, bands, 2):
        axes.axvspan(band * 0.5 / bands, (band + 1) * 0.5 / bands, color=GRID, alpha=0.5, linewidth=0, zorder=0)


def _finish(top: Axes, bottom: Axes, shown: pd.DataFrame, unit: str, first: bool) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter

    plain = FuncFormatter(lambda value, _: f"{value:g}")
    if shown.empty:
        say_missing(top)
        say_missing(bottom)
        return
    top.set_yscale("log")
    limit_bands(top, 10.0**shown.log10_power, 10.0 ** pd.concat([shown.low, shown.high]), log=True)
    measured = shown.frequency[shown.log10_power.notna()]
    for axes in (top, bottom):
        axes.set_xscale("log")
        axes.set_xlim(measured.min() * 0.95, 0.5)
        axes.xaxis.set_major_locator(FixedLocator([0.02, 0.05, 0.1, 0.2, 0.5]))
        axes.xaxis.set_major_formatter(plain)
        axes.xaxis.set_minor_formatter(NullFormatter())
    bottom.set_xlabel("frequency (cycles/voxel)")
    reference_line(bottom, 1.0)
    if shown.log10_ratio.notna().any():
        limit_bands(bottom, 10.0**shown.log10_ratio, 10.0 ** pd.concat([shown.ratio_low, shown.ratio_high]), log=True)
        bottom.set_yscale("log")  # before the limits are read: a linear axis may reach below zero
        low, high = bottom.get_ylim()
        bottom.set_ylim(min(low, 0.9), max(high, 1.1))
        log_axis(bottom)
    else:
        say_missing(bottom, "no cross-entropy to compare with")
    spacing = shown.spacing_mm.dropna().unique()
    if len(spacing) == 1:
        above = top.secondary_xaxis("top", functions=(lambda f: f / spacing[0], lambda f: f * spacing[0]))
        above.set_xlabel(f"cycles/{unit}", color=FAINT)
        above.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        above.xaxis.set_major_formatter(plain)
        above.xaxis.set_minor_formatter(NullFormatter())
    if first:
        top.set_ylabel("power spectral density")
        bottom.set_ylabel("ratio to CE")


FIGURE = figure3
