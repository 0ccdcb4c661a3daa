"""Estimated against true calibration error, where a phantom's posterior is known.

The true error of a class is E|E[q | p] - p| (:func:`spectralcal.metrics.true_calibration_error`). Cells that were
scored without it show the mean of |p - q| instead, the distance to the posterior, which is no calibration error: the
calibrated base rate is far from the posterior.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spectralcal.base.errors import ResultError
from spectralcal.report.figures.axes import handles, legend_below, panel_title, say_missing
from spectralcal.report.figures.choose import chosen_cells, counted, missing_note, opening, pick
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.intervals import over_what
from spectralcal.report.results import Results
from spectralcal.report.style import FAINT, TWO_COLUMNS, Look, Style, size
from spectralcal.report.summary import check_finite
from spectralcal.statistics import crossed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Estimated against true calibration error"
NEEDS = ()
METRICS = ("ECE", "SCE", "TACE")
#: estimate -> the true error of the same probabilities: of the top label, or the mean over classes
TRUTHS = {"ECE": "true_ECE", "SCE": "true_SCE", "TACE": "true_SCE"}
DISTANCE = "distance_to_posterior"
#: its name in older cells
_OLD_DISTANCE = "true_calibration_error"
COLUMNS = ("metric", "measure", "level", "case", "patient", "truth", "truth_low", "truth_high", "estimate",
           "estimate_low", "estimate_high", "rho", "seeds")  # fmt: skip


def true_calibration(
    results: Results,
    experiment: str,
    *,
    dataset: str = "",
    architecture: str = "",
    protocol: str = "",
    truth: str = "truth",
) -> Drawn:
    """What the estimates of calibration are worth: each case's estimate against its true error.

    Args:
        results: the study's results.
        experiment: name of the experiment.
        dataset: data set with a known posterior; empty: the experiment's first.
        architecture: architecture to show; empty: the experiment's first.
        protocol: protocol of the estimates; empty: the headline one.
        truth: voxels of the true error: "truth" for all, "truth-boundary" for the band around the boundary.

    Raises:
        ResultError: the data set has no true calibration error, the protocol was not scored, or a score is not finite
            although its status is ok.
    """
    dataset = pick(results, experiment, "datasets", dataset)
    architecture = pick(results, experiment, "architectures", architecture)
    protocol = protocol or results.protocol
    table = frame(results, experiment, dataset, architecture, protocol, truth)
    cases = table[table.level == "case"].case.nunique()
    gone = list(table[table.status == "missing"].label)
    against = (
        f"the distance to the posterior ('{truth}'), the mean of |p - q| over voxels and classes, which is no "
        "calibration error: what the network does not know adds to it"
        if (table.measure == DISTANCE).any()
        else f"the true error ('{truth}'), E|E[q | p] - p| in the estimates' bins of p: of the top label for ECE, mean "
        "over classes for SCE and TACE"
    )
    caption = (
        f"{opening(results, experiment, [dataset], architecture)} Estimates of protocol '{protocol}' against "
        f"{against}; p: predicted, q: true probabilities. "
        f"Small: {counted(cases, f'{results.side} case')}, mean over seeds; large: "
        f"mean over cases with 95 % intervals {over_what(table.seeds)}; ρ: Spearman's rank correlation over "
        f"all cases and methods.{missing_note(gone)}"
    )
    return Drawn(draw(table, results.style), table, caption)


def frame(
    results: Results, experiment: str, dataset: str, architecture: str, protocol: str, truth: str
) -> pd.DataFrame:
    """Pairs of truth and estimate.

    Returns:
        dataset, architecture, method, label, metric, measure (what the truth is), level (``case``, ``mean``), case,
        patient, truth and estimate with their intervals (level ``mean`` only), rho (Spearman's, over all cases and
        methods of a metric), seeds (level ``mean``), status.
    """
    scores = results.scores(experiment)
    scores = scores[(scores.dataset == dataset) & (scores.architecture == architecture)]
    scores = scores.assign(metric=scores.metric.replace(_OLD_DISTANCE, DISTANCE))
    known = set(scores[scores.protocol == truth].metric) >= set(TRUTHS.values())
    parts = []
    for metric in METRICS:
        measure = TRUTHS[metric] if known else DISTANCE
        by_seed = pd.concat(
            {"estimate": _scores(scores, metric, protocol, dataset), "truth": _scores(scores, measure, truth, dataset)},
            axis=1, join="inner",
        )  # fmt: skip
        pairs = by_seed.groupby(["method", "case", "patient"]).mean()
        rho = _spearman(pairs.truth, pairs.estimate)
        for method in chosen_cells(results, experiment, dataset, architecture):
            identity = {"dataset": dataset, "architecture": architecture, "method": method, "metric": metric}
            identity |= {"measure": measure}
            identity |= {"label": results.label(method), "rho": rho}
            if method not in pairs.index.get_level_values("method"):
                continue
            mine = pairs.loc[method].reset_index()
            parts.append(mine.assign(**identity, level="case", status="ok"))
            mean = {**identity, "level": "mean", "status": "ok"}
            for name in ("truth", "estimate"):
                values = by_seed.loc[method][name].unstack("seed")
                interval = crossed(values.to_numpy().T, values.index.get_level_values("patient"))
                mean |= {"seeds": interval.seeds}
                mean |= {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}
            parts.append(pd.DataFrame([mean]))
    present = {method for part in parts for method in part.method}
    for method in chosen_cells(results, experiment, dataset, architecture):
        if method not in present:
            unscored = {
                "dataset": dataset,
                "architecture": architecture,
                "method": method,
                "label": results.label(method),
            }
            parts.append(pd.DataFrame([{**unscored, "status": "missing"}]))
    table = pd.concat(parts, ignore_index=True)
    table = table.assign(**{name: np.nan for name in COLUMNS if name not in table})
    return table[["dataset", "architecture", "method", "label", *COLUMNS, "status"]]


def draw(table: pd.DataFrame, style: Style) -> Figure:
    """A panel for each metric: truth to the right, estimate upwards."""
    import matplotlib.pyplot as plt

    methods = list(dict.fromkeys(table.method))
    missing = set(table[table.status == "missing"].method)
    labels = dict(zip(table.method, table.label, strict=True))
    looks = style.looks(methods)
    figure, grid = plt.subplots(1, len(METRICS), figsize=size(TWO_COLUMNS, 66), layout="constrained")
    for letter, axes, metric in zip("abc", grid, METRICS, strict=True):
        panel_title(axes, letter, metric)
        shown = table[table.metric == metric]
        if shown.empty:
            say_missing(axes)
            continue
        for method, rows in shown.groupby("method", sort=False):
            _points(axes, rows, looks[method])
        rho = shown.rho.iloc[0]
        axes.text(0.97, 0.04, f"ρ = {rho:.2f}", transform=axes.transAxes, ha="right", va="bottom", color=FAINT)
        word = "distance to the posterior" if shown.measure.iloc[0] == DISTANCE else "true error"
        axes.set_xlabel(f"{word} ×10⁻³")
    grid[0].set_ylabel("estimate ×10⁻³")
    legend_below(figure, handles(looks, {m: labels[m] for m in style.ordered(labels)}, missing, markers=True))
    return figure


def _points(axes: Axes, rows: pd.DataFrame, look: Look) -> None:
    cases, mean = rows[rows.level == "case"], rows[rows.level == "mean"].iloc[0]
    small = {"marker": look.marker, "s": 9 if look.marker == "*" else 5, "alpha": 0.55, "linewidths": 0}
    axes.scatter(1e3 * cases.truth, 1e3 * cases.estimate, color=look.color, zorder=2, **small)
    bars = {
        f"{axis}err": 1e3 * np.array([[mean[name] - mean[f"{name}_low"]], [mean[f"{name}_high"] - mean[name]]])
        for axis, name in (("x", "truth"), ("y", "estimate"))
    }
    hollow = look.marker == "o"  # cross-entropy lies on top; what it covers should be seen
    axes.errorbar(
        1e3 * mean.truth, 1e3 * mean.estimate, **bars, fmt=look.marker, color=look.color, elinewidth=0.9,
        markersize=8 if look.marker == "*" else 5, markeredgewidth=0.8 if hollow else 0.5, zorder=look.order + 2,
        markerfacecolor="none" if hollow else look.color, markeredgecolor=look.color if hollow else "white",
    )  # fmt: skip


def _scores(scores: pd.DataFrame, metric: str, protocol: str, dataset: str) -> pd.Series:
    """Mean over classes by method, case, patient and seed."""
    chosen = scores[(scores.metric == metric) & (scores.protocol == protocol)]
    if len(scores) and chosen.empty:
        raise ResultError(
            f"{dataset}: expected scores {metric} of protocol '{protocol}', found none; only a data set with a known "
            "posterior has a true calibration error (phantom)"
        )
    check_finite(chosen, f"{dataset}, {metric} ({protocol})")
    return chosen.groupby(["method", "case", "patient", "seed"]).value.mean()


def _spearman(first: pd.Series, second: pd.Series) -> float:
    """Rank correlation; NaN where one of the two does not vary."""
    a, b = first.rank().to_numpy(), second.rank().to_numpy()
    if len(a) < 3 or a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


FIGURE = true_calibration
