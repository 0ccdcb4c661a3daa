"""Images, labels, confidence and errors of one slice, and the key to their colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spectralcal.report.figures.axes import say_missing
from spectralcal.report.figures.slices import SliceView
from spectralcal.report.style import class_color

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ERRORS = {"missed": "#2b83ba", "spurious": "#f4a736", "wrong class": "#c51b7d"}
#: confidence shown as the darkest colour; a top label of few classes is rarely below
LOWEST = 0.5
#: blue to yellow: perceptually uniform and readable by the colour-blind
CMAP = "cividis"


def draw_image(axes: Axes, view: SliceView) -> None:
    """The image in grey, between its 1st and 99th percentile."""
    low, high = np.percentile(view.image, [1, 99])
    axes.imshow(view.image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), aspect=view.aspect)


def draw_confidence(axes: Axes, confidence: np.ndarray, view: SliceView) -> None:
    """A confidence map on the scale that all maps share."""
    axes.imshow(confidence, cmap=CMAP, vmin=LOWEST, vmax=1, aspect=view.aspect)


def draw_contour(axes: Axes, view: SliceView) -> None:
    """Outline of everything labelled in the reference, white with a black rim: visible on any colour."""
    from matplotlib.patheffects import Normal, Stroke

    if 0 < (view.reference > 0).mean() < 1:
        line = axes.contour(view.reference > 0, levels=[0.5], colors="white", linewidths=0.5)
        line.set_path_effects([Stroke(linewidth=1.2, foreground="black"), Normal()])


def draw_labels(axes: Axes, labels: np.ndarray, view: SliceView, classes: int) -> None:
    """Classes in their colours over the image."""
    paint(axes, labels, tuple(class_color(index) for index in range(classes)), view.aspect, 0.75)


def paint(axes: Axes, values: np.ndarray, colors: tuple[str, ...], aspect: float, alpha: float) -> None:
    """Values 1, 2, ... in colours over the image; 0 lets it through."""
    from matplotlib.colors import to_rgba

    palette = np.array([(0, 0, 0, 0), *(to_rgba(color, alpha) for color in colors)])
    axes.imshow(palette[values.astype(int)], aspect=aspect)


def mark_missing(axes: Axes, text: str) -> None:
    """An image cell that has nothing to show."""
    axes.set_facecolor("#f4f4f4")
    say_missing(axes, text)


def draw_key(axes: Axes, classes: tuple[str, ...]) -> None:
    """Names of colours beside the first row."""
    from matplotlib.patches import Patch

    axes.axis("off")
    structures = [Patch(color=class_color(index), label=name) for index, name in enumerate(classes)]
    mistakes = [Patch(color=color, label=name) for name, color in ERRORS.items()]
    common = {"loc": "upper left", "alignment": "left", "handlelength": 1.0, "handleheight": 1.0, "labelspacing": 0.25}
    first = axes.legend(handles=structures, title="segmentation", bbox_to_anchor=(0, 1), **common)
    for text in first.get_texts():
        text.set_parse_math(False)  # a class may be called US$ or a_{
    axes.add_artist(first)
    axes.legend(handles=mistakes, title="errors", bbox_to_anchor=(0.52, 1), **common)


def draw_colorbar(figure: Figure, axes: Axes) -> None:
    """The scale of all confidence maps."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    scale = ScalarMappable(Normalize(LOWEST, 1), cmap=CMAP)
    bar = figure.colorbar(scale, cax=axes, orientation="horizontal", extend="min", ticks=[LOWEST, 0.75, 1])
    bar.outline.set_visible(False)
    axes.set_title("confidence", pad=2, fontsize=7)
