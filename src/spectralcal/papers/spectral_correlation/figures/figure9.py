"""The paper's Figure 9: class activation maps of every method over the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spectralcal.papers.spectral_correlation.figures._view import (
    REFERENCE,
    View,
    named,
    nothing,
    outline,
    pictures,
    read_view,
    show_image,
)
from spectralcal.papers.spectral_correlation.figures.figure8 import largest_class
from spectralcal.report.figures.choose import counted
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.text import plain
from spectralcal.report.results import Results
from spectralcal.study.conditions import TEST

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Class activation maps"
NEEDS = ("views", "cams")
COLUMNS = ("method", "label", "score", "mean", "least", "largest", "seeds", "cases")
SCORES = ("inside", "pointing", "iou")


def figure9(results: Results, experiment: str, *, dataset: str = "", architecture: str = "") -> Drawn:
    """Grad-CAM of every class of one slice, a row for each class; below, scores of the maps of all test cases.

    Args:
        results: the study's results.
        experiment: whose methods are shown.
        dataset: data set; empty: the experiment's first.
        architecture: network; empty: the experiment's first.
    """
    view = read_view(results, experiment, dataset, architecture)
    if view is None:
        return nothing(results, experiment, COLUMNS)
    table = frame(results, experiment, view)
    cases = int(table.cases.max()) if len(table) else 0
    seeds = counted(int(table.seeds.max()), "seed") if len(table) else "no seed"
    caption = (
        f"Study {results.config.study}, experiment {experiment}: {named(results, view)} Grad-CAM of {view.layer}, the "
        "last block before the head, summed over the pixels that are predicted as the class, each map on its own "
        f"scale; red: reference. Below, means over {counted(cases, 'test case')} and {seeds}: share of the map inside "
        "the reference, share of maps whose maximum is inside, IoU of the map's upper half."
    )
    return Drawn(draw(results, view, table), table, caption)


def frame(results: Results, experiment: str, view: View) -> pd.DataFrame:
    """Scores of the maps of all test cases, by method: mean over cases of each seed, then over seeds, and its range."""
    by_method: dict[str, list[np.ndarray]] = {method: [] for method in view.methods}
    cases = 0
    for seed in results.config.experiments[experiment].seeds:
        arrays = results.probe_numbers("cams", view.dataset, view.architecture, seed)
        if arrays is None:
            continue
        names, cases = arrays["methods"].tolist(), len(arrays["cases"])
        for method in view.methods:
            if method in names:
                scores = arrays["scores"][names.index(method)]
                known = scores[np.isfinite(scores).all(1)]
                by_method[method].append(known.mean(0) if len(known) else np.full(len(SCORES), np.nan))
    rows = [
        {"method": method, "label": results.label(method), "score": score, "mean": float(np.mean(of, axis=0)[i]),
         "least": float(np.min(of, axis=0)[i]), "largest": float(np.max(of, axis=0)[i]), "seeds": len(of),
         "cases": cases}
        for method, of in by_method.items() if of for i, score in enumerate(SCORES)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def draw(results: Results, view: View, table: pd.DataFrame) -> Figure:
    """Classes in rows (at most three, the largest), methods in columns, scores below."""
    reference, names = view.references[TEST], results.classes(view.dataset)
    present = [value for value in range(1, len(names) + 1) if (reference == value).any()]
    classes = sorted(present, key=lambda value: -(reference == value).sum())[:3] or [largest_class(reference)]
    columns = 1 + len(view.methods)
    figure, grid = pictures(len(classes), columns, below=8)
    for row, value in enumerate(classes):
        show_image(grid[row, 0], view.images[TEST], view.aspect)
        outline(grid[row, 0], np.where(reference == value, 1, 0), REFERENCE)
        grid[row, 0].set_ylabel(plain(names[value - 1]))
        for column, method in enumerate(view.methods, start=1):
            axes, cam = grid[row, column], view.maps[method][value - 1]
            show_image(axes, view.images[TEST].mean(0, keepdims=True), view.aspect)
            axes.imshow(cam / max(float(cam.max()), 1e-12), cmap="inferno", vmin=0, vmax=1, alpha=0.65,
                        aspect=view.aspect)  # fmt: skip
            outline(axes, np.where(reference == value, 1, 0), REFERENCE, 0.7)
    for axes, text in zip(grid[0], ("image", *map(results.label, view.methods)), strict=True):
        axes.set_title(plain(text), loc="center")
    for column, method in enumerate(view.methods, start=1):
        rows = table[table.method == method].set_index("score")["mean"]
        if len(rows):
            text = f"inside {rows['inside']:.2f}, point {rows['pointing']:.2f},\nIoU {rows['iou']:.2f}"
            grid[-1, column].set_xlabel(text)
    return figure


FIGURE = figure9
