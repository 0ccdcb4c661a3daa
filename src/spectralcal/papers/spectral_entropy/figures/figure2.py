"""The paper's Figure 2: one case by every method, and the reliability diagrams of the whole test set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from spectralcal.report.figures.axes import say_missing
from spectralcal.report.figures.case_layout import CaseLayout
from spectralcal.report.figures.choose import chosen_cells, counted, missing_note, opening, patients_of, pick
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.intervals import over_what
from spectralcal.report.figures.paint import (
    ERRORS,
    draw_colorbar,
    draw_confidence,
    draw_contour,
    draw_image,
    draw_key,
    draw_labels,
    mark_missing,
    paint,
)
from spectralcal.report.figures.reliability_bins import (
    FEW,
    draw_counts,
    draw_diagonal,
    draw_line,
    finish_counts,
    label_ece,
    reliability_rows,
)
from spectralcal.report.figures.slices import SliceView, best_slice, errors
from spectralcal.report.figures.text import plain
from spectralcal.report.results import Results
from spectralcal.report.style import Look, Style, size

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Segmentation, confidence and errors of one case, with reliability diagrams of the test set"
NEEDS = ("maps",)
COLUMNS = ("segmentation", "confidence", "errors")


def figure2(
    results: Results, experiment: str, *, dataset: str = "", architecture: str = "", region: str = "all"
) -> Drawn:
    """One case's slice by every method beside the reliability diagram of all test cases.

    The case is the one with the median Dice of cross-entropy, the slice the one with the largest reference area.

    Args:
        results: the study's results.
        experiment: name of the experiment.
        dataset: data set to show; empty: the experiment's first (the paper shows BraTS2020).
        architecture: architecture to show; empty: the experiment's first.
        region: voxels of the reliability diagrams: "all", "reference", "union" or "boundary".
    """
    dataset = pick(results, experiment, "datasets", dataset)
    architecture = pick(results, experiment, "architectures", architecture)
    seed = results.config.experiments[experiment].seeds[0]
    table = frame(results, experiment, dataset, architecture, region)
    maps = results.probe("maps", dataset, architecture, seed)
    view = None if maps is None else best_slice(maps)
    classes = results.classes(dataset)
    cases = counted(int(table.cases.max()), f"{results.side} case")
    shown = (
        f"Case {view.case} ({view.rule}), slice {view.index} with the largest reference area, first seed."
        if view
        else "No case has been mapped."
    )
    gone = list(dict.fromkeys(table[table.status == "missing"].label))
    caption = (
        f"{opening(results, experiment, [dataset], architecture)} {shown} Contour: reference. Right: reliability "
        f"diagrams of {cases}, all seeds, region '{region}'; bands: 95 % intervals {over_what(table.seeds)} "
        f"(open markers: fewer than {FEW} voxels), and the share of voxels in each bin on a logarithmic axis."
        f"{missing_note(gone)}"
    )
    return Drawn(draw(table, results.style, view, classes), table, caption)


def frame(results: Results, experiment: str, dataset: str, architecture: str, region: str = "all") -> pd.DataFrame:
    """Reliability bins of every method (see :func:`spectralcal.report.figures.reliability_bins.reliability_rows`)."""
    patients = patients_of(results, experiment, dataset)
    chosen = chosen_cells(results, experiment, dataset, architecture)
    parts = [reliability_rows(results, method, cells, region, patients) for method, cells in chosen.items()]
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "architecture", architecture)
    table.insert(0, "dataset", dataset)
    return table


def draw(table: pd.DataFrame, style: Style, view: SliceView | None, classes: tuple[str, ...]) -> Figure:
    """One row of panels per method, below a row with the image and its reference.

    Args:
        table: the reliability bins.
        style: looks of methods.
        view: the slice, or None if there are no maps.
        classes: names of the foreground classes.
    """
    import matplotlib.pyplot as plt

    labels = dict(zip(table.method, table.label, strict=True))
    looks = style.looks(list(labels))
    layout = CaseLayout(rows=1 + len(labels))
    figure = plt.figure(figsize=size(layout.width, layout.height))
    _first_row(figure, layout, view, classes)
    for row, (method, label) in enumerate(labels.items(), start=1):
        _method_row(figure, layout, row, view, method, label, len(classes))
        _diagram(figure, layout, row, table, method, looks[method])
    return figure


def _first_row(figure: Figure, layout: CaseLayout, view: SliceView | None, classes: tuple[str, ...]) -> None:
    for column, title in enumerate(("image", "reference")):
        axes = layout.image(figure, 0, column)
        axes.set_title(title)
        if view is None:
            mark_missing(axes, "no maps")
            continue
        draw_image(axes, view)
        if column:
            draw_labels(axes, view.reference, view, len(classes))
    x = layout.left + 2 * (layout.cell + layout.gap) + 3
    draw_key(layout.axes(figure, 0, x, 0, layout.width - x - 2, layout.cell), classes)
    bar = layout.axes(figure, 0, x, layout.cell - 5.5, min(layout.width - x - 8, 45), 2)
    draw_colorbar(figure, bar)


def _method_row(
    figure: Figure, layout: CaseLayout, row: int, view: SliceView | None, method: str, label: str, classes: int
) -> None:
    for column, title in enumerate(COLUMNS):
        axes = layout.image(figure, row, column)
        if row == 1:
            axes.set_title(title)
        if column == 0:
            axes.set_ylabel(plain(label), labelpad=3, fontsize=7)
        if view is None or method not in view.prediction:
            mark_missing(axes, "missing" if view else "no maps")
            continue
        if title == "confidence":
            draw_confidence(axes, view.confidence[method], view)
        else:
            draw_image(axes, view)
        if title == "segmentation":
            draw_labels(axes, view.prediction[method], view, classes)
        elif title == "errors":
            paint(axes, errors(view.prediction[method], view.reference), tuple(ERRORS.values()), view.aspect, 0.95)
        if title != "segmentation":
            draw_contour(axes, view)


def _diagram(figure: Figure, layout: CaseLayout, row: int, table: pd.DataFrame, method: str, look: Look) -> None:
    rows, last = table[table.method == method], row == layout.rows - 1
    x = layout.left + 3 * (layout.cell + layout.gap) + layout.ticks
    top = layout.axes(figure, row, x, 0.5, layout.side, layout.side)
    bars = layout.cell - layout.side - 2.5
    bottom = layout.axes(figure, row, x, layout.side + 1.5, layout.side, bars)
    draw_diagonal(top)
    top.tick_params(labelbottom=False)
    if row == 1:
        top.set_title("reliability (ECE ×10⁻³)", pad=4)
        top.set_ylabel("accuracy", labelpad=1)
    bottom.set(xlim=(0, 1), xticks=[0, 0.5, 1], xticklabels=["0", "0.5", "1"])
    bottom.tick_params(labelbottom=last)
    if last:
        bottom.set_xlabel("confidence", labelpad=1)
    if rows.status.iloc[0] == "missing":
        say_missing(top)
        bottom.set_yticks([])
        return
    draw_line(top, rows, look, scale=min(1.0, layout.side / 30))
    label_ece(top, f"{1e3 * rows.ece.iloc[0]:.1f}")
    draw_counts(bottom, rows, look, filled=True)
    finish_counts(bottom, table, ticks=False)


FIGURE = figure2
