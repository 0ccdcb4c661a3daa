"""What happens while a network trains: loss terms, spectral entropies and which term has the larger gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spectralcal.base.errors import ResultError
from spectralcal.report.figures.axes import (
    handles,
    legend_below,
    line_style,
    log_axis,
    log_axis_with_zero,
    panel_title,
    reference_line,
    say_missing,
)
from spectralcal.report.figures.choose import chosen_cells, missing_note, opening, pick
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.settings import Settings, numeric_settings
from spectralcal.report.results import Results
from spectralcal.report.style import INK, TWO_COLUMNS, Style, size
from spectralcal.study.methods import method_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Training curves"
NEEDS = ()
CURVES = ("seed", "panel", "quantity", "step", "value")
#: share of the logged steps in a running mean
WINDOW = 0.05
#: a hinge is zero at most steps, so its running mean spans at least so many
FEWEST = 9
#: panels of the added term
HINGES = ("regulariser", "ratio")
PANELS = {
    "base": "base term of the loss",
    "regulariser": "weighted regulariser",
    "entropy": "spectral entropy (nats)",
    "ratio": "gradient norm, regulariser / base",
}


def training_curves(results: Results, experiment: str, *, dataset: str = "", architecture: str = "") -> Drawn:
    """Loss terms, spectral entropies and gradient-norm ratio over steps.

    Args:
        results: the study's results.
        experiment: name of the experiment.
        dataset: data set to show; empty: the experiment's first.
        architecture: architecture to show; empty: the experiment's first.

    Raises:
        ResultError: a history lacks a column that goes with its others.
    """
    dataset = pick(results, experiment, "datasets", dataset)
    architecture = pick(results, experiment, "architectures", architecture)
    settings = numeric_settings(results, experiment)
    table = frame(results, experiment, dataset, architecture)
    names = settings.names(dict(zip(table.method, table.label, strict=True)))
    gone = list(table[table.status == "missing"].method.map(names))
    scale = f" Colours: from the smallest {settings.option} (light) to the largest (dark)." if settings.values else ""
    caption = (
        f"{opening(results, experiment, [dataset], architecture)}{scale} Thin lines and dots: logged steps of single "
        f"seeds; lines: running mean over {WINDOW:.0%} of the logged steps (in b and d at least {FEWEST}) and all "
        "seeds. "
        "(a) First term of each loss. (b) What is added to it, with its weight; zero where nothing is penalised. "
        "(c) Entropy of the band powers of the confidence map: target, pooled over the history (solid), and mean of "
        "the samples in the batch (dashed). (d) Gradient norm of the added term with its weight over that of the "
        f"first, both at the logits; at 1 they are equally large.{_strengths(table, names)}{missing_note(gone)}"
    )
    return Drawn(draw(table, results.style, names, settings), table, caption)


def frame(results: Results, experiment: str, dataset: str, architecture: str) -> pd.DataFrame:
    """Tidy histories.

    Returns:
        dataset, architecture, method, label, seed, panel (``base``, ``regulariser``, ``entropy``, ``ratio``), quantity
        (``value``, or ``target`` and ``sample`` of the entropies), step, value, status. Post-hoc steps and ensembles
        train nothing and are left out, unless there are only such methods. Settings of one option stand in the order of
        their values.
    """
    parts = []
    chosen = chosen_cells(results, experiment, dataset, architecture)
    trained = {m: cells for m, cells in chosen.items() if method_of(results.config, m).is_trained}
    for method in numeric_settings(results, experiment).ordered(trained or chosen):
        cells = chosen[method]
        identity = {"dataset": dataset, "architecture": architecture, "method": method, "label": results.label(method)}
        histories = {cell.seed: history for cell in cells if (history := results.history(cell)) is not None}
        if not histories:
            parts.append(pd.DataFrame([{**identity, "status": "missing"}]))
        for seed, history in histories.items():
            for panel, quantity, values in _quantities(history, f"{dataset}, {architecture}, {method}, seed {seed}"):
                curve = {"seed": seed, "panel": panel, "quantity": quantity, "step": history.step, "value": values}
                parts.append(pd.DataFrame({**identity, **curve, "status": "ok"}))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(**{name: np.nan for name in CURVES if name not in table})


def draw(table: pd.DataFrame, style: Style, names: Mapping[str, str], settings: Settings) -> Figure:
    """Four panels over the training step.

    Args:
        table: the histories.
        style: looks of methods.
        names: printed name by method, in the order of the legend.
        settings: methods that differ in the value of one option; others look as in every figure.
    """
    import matplotlib.pyplot as plt

    looks = {**style.looks(list(names)), **settings.looks()}
    figure, grid = plt.subplots(2, 2, figsize=size(TWO_COLUMNS, 105), layout="constrained", sharex=True)
    for letter, axes, (panel, title) in zip("abcd", grid.flat, PANELS.items(), strict=True):
        panel_title(axes, letter, title)
        shown = table[table.panel == panel]
        for (method, quantity), rows in shown.groupby(["method", "quantity"], sort=False):
            style = line_style(looks[method])
            if panel == "entropy":
                style["linestyle"] = "-" if quantity == "target" else (0, (3, 1.5))
            faint = {"color": style["color"], "linewidth": 0.4, "alpha": 0.3, "zorder": style["zorder"] - 1}
            if panel in HINGES:
                # Lines would fall to zero and back at every other step.
                penalised = rows[rows.value > 0]
                axes.plot(
                    penalised.step, penalised.value, ".", markersize=3, markeredgewidth=0, **{**faint, "alpha": 0.5}
                )
            else:
                for _, one in rows.groupby("seed"):
                    axes.plot(one.step, one.value, **faint)
            smooth = _smooth(rows, FEWEST if panel in HINGES else 1)
            axes.plot(smooth.index, smooth, **style)
        _finish(axes, panel, shown)
    for axes in grid[1]:
        axes.set_xlabel("training step")
    missing = set(table[table.status == "missing"].method)
    legend_below(figure, handles(looks, settings.legend(names), missing))
    return figure


def _quantities(history: pd.DataFrame, where: str) -> list[tuple[str, str, pd.Series]]:
    """Panel, quantity and values of a history; the first `loss_` column is the base term."""
    terms = [name.removeprefix("loss_") for name in history if name.startswith("loss_")]
    entropies = [name for name in ("target", "sample") if f"{name}_entropy" in history]
    lacking = [f"gradient_{name}" for name in terms if len(terms) > 1 and f"gradient_{name}" not in history]
    lacking += ["target_entropy", "sample_entropy"] if len(entropies) == 1 else []
    if lacking := [name for name in lacking if name not in history]:
        raise ResultError(
            f"{where}: history.csv: expected a column '{lacking[0]}', found {', '.join(history)}; train the cell again"
        )
    out = [("base", "value", history[f"loss_{terms[0]}"])] if terms else []
    if len(terms) > 1:
        first, second = terms[:2]
        out.append(("regulariser", "value", history[[f"loss_{name}" for name in terms[1:]]].sum(axis=1)))
        base = history[f"gradient_{first}"]
        out.append(("ratio", "value", (history[f"gradient_{second}"] / base).where(base > 0)))
    return out + [("entropy", name, history[f"{name}_entropy"]) for name in entropies]


def _strengths(table: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Mean ratio and share of penalised steps by method, in the caption because lines at zero hide in a log axis."""
    ratios = table[(table.panel == "ratio") & table.value.notna()]
    said = [
        f"{names[method]} {rows.value.mean():.2g} ({(rows.value > 0).mean():.0%})"
        for method, rows in ratios.groupby("method", sort=False)
    ]
    return f" Mean ratio and share of logged steps with a penalty: {', '.join(said)}." if said else ""


def _smooth(rows: pd.DataFrame, fewest: int) -> pd.Series:
    """Running mean over steps of the mean over seeds; a hinge is zero at most steps, where a median would stay."""
    by_step = rows.groupby("step").value.mean()
    window = max(int(len(by_step) * WINDOW) | 1, fewest)
    return by_step.rolling(window, center=True, min_periods=1).mean()


def _finish(axes: Axes, panel: str, shown: pd.DataFrame) -> None:
    from matplotlib.lines import Line2D

    if not len(shown):
        say_missing(axes, "no histories" if panel == "base" else "no method with such a term")
        axes.set_yticks([])
    elif panel == "entropy":
        kinds = {"target": "-", "samples": (0, (3, 1.5))}
        lines = [Line2D([], [], color=INK, linestyle=dashes, label=name) for name, dashes in kinds.items()]
        axes.legend(handles=lines, loc="best", ncols=2)
    elif (shown.value > 0).any():
        if panel == "ratio":
            reference_line(axes, 1.0)
        largest = max(shown.value.max(), 1.0 if panel == "ratio" else 0.0)
        if (shown.value == 0).any():
            smallest = shown.value[shown.value > 0].quantile(0.05)
            log_axis_with_zero(axes, largest, min(max(math.ceil(math.log10(largest / smallest)), 3), 8))
        else:
            log_axis(axes)


FIGURE = training_curves
