"""The paper's Figure 8: spectra of label and predictions, with their correlation, and coherence by frequency beside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spectralcal.papers.spectral_correlation.figures._view import View, bare, named, nothing, read_view
from spectralcal.report.figures.axes import legend_below, line_style
from spectralcal.report.figures.choose import counted
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.intervals import over_what
from spectralcal.report.figures.text import plain
from spectralcal.report.pairing import tables
from spectralcal.report.results import Results
from spectralcal.report.style import TWO_COLUMNS, size
from spectralcal.report.summary import case_means
from spectralcal.statistics import crossed
from spectralcal.study.conditions import TEST

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Spectra of predictions and of the label"
NEEDS = ("views",)
COLUMNS = ("kind", "method", "label", "band", "mean", "low", "high", "seeds", "patients")
#: scores of all test cases, in the order of the axis
BANDS = {
    "spectral_correlation": "log\namplitudes", "coherence_low": "low\nthird", "coherence_middle": "middle\nthird",
    "coherence_high": "high\nthird",
}  # fmt: skip


def figure8(results: Results, experiment: str, *, dataset: str = "", architecture: str = "") -> Drawn:
    """Log amplitudes of the label and of each method's probability, for the largest class of one slice; below, the
    agreement over all test cases.

    Args:
        results: the study's results.
        experiment: whose methods are shown.
        dataset: data set; empty: the experiment's first.
        architecture: network; empty: the experiment's first.
    """
    view = read_view(results, experiment, dataset, architecture)
    if view is None:
        return nothing(results, experiment, COLUMNS)
    index = largest_class(view.references[TEST])
    table = frame(results, experiment, view, index)
    scores = table[table.kind == "all cases"]
    name = results.classes(view.dataset)[index - 1]
    caption = (
        f"Study {results.config.study}, experiment {experiment}: {named(results, view)} Above: log(1 + |FFT|) of the "
        f"label and of the probability of its largest class, {name}, zero frequency in the middle, on one scale; below "
        "each its Pearson correlation with the label's. Below: that correlation, and the coherence (with phase) in "
        f"thirds of the radii, means over classes of {counted(int(scores.patients.max()), 'patient')}; bars: 95 % "
        f"intervals {over_what(scores.seeds)}."
    )
    return Drawn(draw(view, table, index, results), table, caption)


def largest_class(reference: np.ndarray) -> int:
    """The foreground class with most pixels, the first of equals."""
    return 1 + int(np.argmax(np.bincount(reference.ravel(), minlength=2)[1:]))


def log_amplitude(field: np.ndarray) -> np.ndarray:
    """log(1 + |FFT|) of (H, W), zero frequency in the middle."""
    return np.fft.fftshift(np.log1p(np.abs(np.fft.fft2(field))))


def frame(results: Results, experiment: str, view: View, index: int) -> pd.DataFrame:
    """Correlation of the slice that is shown, and agreement over all cases with intervals."""
    label = log_amplitude((view.references[TEST] == index).astype(float)).ravel()
    rows = []
    for method in view.methods:
        own = log_amplitude(view.probabilities[TEST][method][index].astype(float)).ravel()
        rows.append({"kind": "this slice", "method": method, "label": results.label(method),
                     "band": "spectral_correlation", "mean": float(np.corrcoef(own, label)[0, 1])})  # fmt: skip
    scores = results.scores(experiment)
    scores = scores[(scores.dataset == view.dataset) & (scores.architecture == view.architecture)]
    for method in view.methods:
        for band in BANDS:
            chosen = case_means(scores[(scores.method == method) & (scores.metric == band)])
            if not len(chosen):
                continue
            values, patients = tables(chosen, [method])
            interval = crossed(values[method], patients)
            rows.append({"kind": "all cases", "method": method, "label": results.label(method), "band": band,
                         "mean": interval.estimate, "low": interval.low, "high": interval.high,
                         "seeds": interval.seeds, "patients": interval.patients})  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def draw(view: View, table: pd.DataFrame, index: int, results: Results) -> Figure:
    """Maps above, agreement below."""
    import matplotlib.pyplot as plt

    columns = 1 + len(view.methods)
    side = min(TWO_COLUMNS / columns, 44.0)
    width = max(side * columns, 110.0)
    figure = plt.figure(figsize=size(width, side + 74), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=[side + 16, 58])
    grid = upper.subplots(1, columns, squeeze=False)[0]
    label = log_amplitude((view.references[TEST] == index).astype(float))
    maps = [label, *(log_amplitude(view.probabilities[TEST][m][index].astype(float)) for m in view.methods)]
    shown = table[table.kind == "this slice"]
    for axes, field, text in zip(grid, maps, ("label", *map(results.label, view.methods)), strict=True):
        axes.imshow(field, cmap="magma", vmin=0, vmax=label.max())
        bare(axes)
        axes.set_title(plain(text), loc="center")
    for axes, value in zip(grid[1:], shown["mean"], strict=True):
        axes.set_xlabel(f"correlation {value:.3f}")
    axes = lower.subplots()
    looks = results.style.looks(view.methods)
    every = table[table.kind == "all cases"]
    for lane, method in enumerate(view.methods):
        rows = every[every.method == method]
        x = np.array([list(BANDS).index(band) for band in rows.band]) + 0.12 * (lane - (len(view.methods) - 1) / 2)
        style = {**line_style(looks[method], markers=True), "linestyle": "none"}
        axes.errorbar(x, rows["mean"], [rows["mean"] - rows.low, rows.high - rows["mean"]], elinewidth=0.8,
                      label=plain(results.label(method)), **style)  # fmt: skip
    axes.set_xticks(range(len(BANDS)), BANDS.values())
    axes.set_ylabel("agreement with the label")
    legend_below(figure, axes.get_legend_handles_labels()[0])
    return figure


FIGURE = figure8
