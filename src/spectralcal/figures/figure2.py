"""The paper's Figure 2: one case by every method, and the reliability diagrams of the whole test set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spectralcal import registry
from spectralcal.figures._axes import place, say_missing
from spectralcal.figures._choose import chosen_cells, counted, holes, opening, patients_of, pick
from spectralcal.figures._drawn import Drawn
from spectralcal.figures._reliability import (
    FEW,
    draw_counts,
    draw_diagonal,
    draw_line,
    finish_counts,
    label_ece,
    reliability_rows,
)
from spectralcal.figures._slices import SliceView, best_slice, errors
from spectralcal.figures.style import PAGE, Look, class_color, looks, size
from spectralcal.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Segmentation, confidence and errors of one case, with reliability diagrams of the test set"
NEEDS = ("maps",)
COLUMNS = ("segmentation", "confidence", "errors")
ERRORS = {"missed": "#2b83ba", "spurious": "#f4a736", "wrong class": "#c51b7d"}
#: confidence shown as the darkest colour; a top label of few classes is rarely below
LOWEST = 0.5


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
    maps = results.maps(dataset, architecture, seed)
    view = None if maps is None else best_slice(maps)
    classes = registry.load("datasets", dataset).classes
    cases = counted(int(table.cases.max()), "test case")
    shown = (
        f"Case {view.case} ({view.rule}), slice {view.index} with the largest reference area, first seed."
        if view
        else "No case has been mapped."
    )
    gone = list(dict.fromkeys(table[table.status == "missing"].label))
    caption = (
        f"{opening(results, experiment, [dataset], architecture)} {shown} Contour: reference. Right: reliability "
        f"diagrams of {cases}, all seeds, region '{region}', with 95 % bootstrap bands over patients (open markers: "
        f"fewer than {FEW} voxels), and the share of voxels in each bin on a logarithmic axis.{holes(gone)}"
    )
    return Drawn(draw(table, view, classes), table, caption)


def frame(results: Results, experiment: str, dataset: str, architecture: str, region: str = "all") -> pd.DataFrame:
    """Reliability bins of every method (see :func:`spectralcal.figures._reliability.reliability_rows`)."""
    patients = patients_of(results, experiment, dataset)
    chosen = chosen_cells(results, experiment, dataset, architecture)
    parts = [reliability_rows(results, method, cells, region, patients) for method, cells in chosen.items()]
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "architecture", architecture)
    table.insert(0, "dataset", dataset)
    return table


def draw(table: pd.DataFrame, view: SliceView | None, classes: tuple[str, ...]) -> Figure:
    """A row of panels for each method, below a row with the image and its reference.

    Args:
        table: the reliability bins.
        view: the slice, or None if there are no maps.
        classes: names of the foreground classes.
    """
    import matplotlib.pyplot as plt

    labels = dict(zip(table.method, table.label, strict=True))
    found = looks(list(labels))
    layout = _Layout(rows=1 + len(labels))
    figure = plt.figure(figsize=size(layout.width, layout.height))
    _first_row(figure, layout, view, classes)
    for row, (method, label) in enumerate(labels.items(), start=1):
        _method_row(figure, layout, row, view, method, label, len(classes))
        _diagram(figure, layout, row, table, method, found[method])
    return figure


@dataclass(frozen=True)
class _Layout:
    """Places in mm: image cells are squares, set by hand so that they stay squares for any number of rows."""

    rows: int
    left: float = 5.5
    gap: float = 1.2
    ticks: float = 9.0
    head: float = 5.0
    foot: float = 8.0

    @property
    def cell(self) -> float:
        """Side of an image cell."""
        return min(40.5, (PAGE - 2 * self.head - self.foot) / self.rows - self.gap)

    @property
    def side(self) -> float:
        """Side of a reliability diagram."""
        return self.cell * 0.76

    @property
    def right(self) -> float:
        """Right margin; the title of the diagrams may be wider than they are."""
        return max(2.5, 30 - self.side)

    @property
    def width(self) -> float:
        """Of the figure."""
        return self.left + 3 * (self.cell + self.gap) + self.ticks + self.side + self.right

    @property
    def height(self) -> float:
        """Of the figure; the head holds titles above the first and above the second row."""
        return 2 * self.head + self.rows * (self.cell + self.gap) + self.foot

    def axes(self, figure: Figure, row: int, x: float, y: float, width: float, height: float) -> Axes:
        """Axes at x, y from the upper left corner of a row."""
        top = self.head * (2 if row else 1) + row * (self.cell + self.gap)
        return place(figure, x, top + y, width, height)

    def image(self, figure: Figure, row: int, column: int) -> Axes:
        """An image cell without ticks and frame."""
        axes = self.axes(figure, row, self.left + column * (self.cell + self.gap), 0, self.cell, self.cell)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        return axes


def _first_row(figure: Figure, layout: _Layout, view: SliceView | None, classes: tuple[str, ...]) -> None:
    for column, title in enumerate(("image", "reference")):
        axes = layout.image(figure, 0, column)
        axes.set_title(title)
        if view is None:
            _hole(axes, "no maps")
            continue
        _grey(axes, view)
        if column:
            _labels(axes, view.reference, view, len(classes))
    x = layout.left + 2 * (layout.cell + layout.gap) + 3
    _key(figure, layout.axes(figure, 0, x, 0, layout.width - x - 2, layout.cell), classes)
    bar = layout.axes(figure, 0, x, layout.cell - 5.5, min(layout.width - x - 8, 45), 2)
    _colorbar(figure, bar)


def _method_row(
    figure: Figure, layout: _Layout, row: int, view: SliceView | None, method: str, label: str, classes: int
) -> None:
    from matplotlib.patheffects import Normal, Stroke

    for column, title in enumerate(COLUMNS):
        axes = layout.image(figure, row, column)
        if row == 1:
            axes.set_title(title)
        if column == 0:
            axes.set_ylabel(label, labelpad=3, fontsize=7)
        if view is None or method not in view.prediction:
            _hole(axes, "missing" if view else "no maps")
            continue
        if title == "confidence":
            axes.imshow(view.confidence[method], cmap="cividis", vmin=LOWEST, vmax=1, aspect=view.aspect)
        else:
            _grey(axes, view)
        if title == "segmentation":
            _labels(axes, view.prediction[method], view, classes)
        elif title == "errors":
            _paint(axes, errors(view.prediction[method], view.reference), tuple(ERRORS.values()), view.aspect, 0.95)
        if title != "segmentation" and 0 < (view.reference > 0).mean() < 1:
            line = axes.contour(view.reference > 0, levels=[0.5], colors="white", linewidths=0.5)
            line.set_path_effects([Stroke(linewidth=1.2, foreground="black"), Normal()])


def _diagram(figure: Figure, layout: _Layout, row: int, table: pd.DataFrame, method: str, look: Look) -> None:
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


def _grey(axes: Axes, view: SliceView) -> None:
    low, high = np.percentile(view.image, [1, 99])
    axes.imshow(view.image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), aspect=view.aspect)


def _labels(axes: Axes, labels: np.ndarray, view: SliceView, classes: int) -> None:
    _paint(axes, labels, tuple(class_color(index) for index in range(classes)), view.aspect, 0.75)


def _paint(axes: Axes, values: np.ndarray, colors: tuple[str, ...], aspect: float, alpha: float) -> None:
    """Values 1, 2, ... in colours over the image; 0 lets it through."""
    from matplotlib.colors import to_rgba

    palette = np.array([(0, 0, 0, 0), *(to_rgba(color, alpha) for color in colors)])
    axes.imshow(palette[values.astype(int)], aspect=aspect)


def _hole(axes: Axes, text: str) -> None:
    axes.set_facecolor("#f4f4f4")
    say_missing(axes, text)


def _key(figure: Figure, axes: Axes, classes: tuple[str, ...]) -> None:
    """Names of colours beside the first row."""
    from matplotlib.patches import Patch

    axes.axis("off")
    structures = [Patch(color=class_color(index), label=name) for index, name in enumerate(classes)]
    mistakes = [Patch(color=color, label=name) for name, color in ERRORS.items()]
    common = {"loc": "upper left", "alignment": "left", "handlelength": 1.0, "handleheight": 1.0, "labelspacing": 0.25}
    first = axes.legend(handles=structures, title="segmentation", bbox_to_anchor=(0, 1), **common)
    axes.add_artist(first)
    axes.legend(handles=mistakes, title="errors", bbox_to_anchor=(0.52, 1), **common)


def _colorbar(figure: Figure, axes: Axes) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    scale = ScalarMappable(Normalize(LOWEST, 1), cmap="cividis")
    bar = figure.colorbar(scale, cax=axes, orientation="horizontal", extend="min", ticks=[LOWEST, 0.75, 1])
    bar.outline.set_visible(False)
    axes.set_title("confidence", pad=2, fontsize=7)


FIGURE = figure2
