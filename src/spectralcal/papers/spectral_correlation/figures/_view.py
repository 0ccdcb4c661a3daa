"""One slice by every method, as the probe `views` left it, and how it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spectralcal.papers.spectral_correlation.arms import SPELT, network
from spectralcal.report.figures.axes import say_missing
from spectralcal.report.figures.choose import pick
from spectralcal.report.results import Results
from spectralcal.report.style import TWO_COLUMNS, class_color, size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: contours as in the paper: reference red, prediction green; both dark-rimmed, so that neither needs its colour alone
REFERENCE, PREDICTION = "#e31a1c", "#33d17a"
#: mm of an image's side, at most
PANEL = 42.0


@dataclass(frozen=True)
class View:
    """What a figure with images shows.

    Attributes:
        dataset, architecture, seed: whose networks.
        methods: those of the experiment that were looked at, in the order of figures.
        tests: conditions, "test" first.
        images: test -> (C, H, W).
        references: test -> (H, W) labels.
        probabilities: test -> method -> (classes, H, W).
        cases: test -> name of the case.
        maps: method -> (classes - 1, H, W) class activation maps of the clean image.
        rule, layer: which case, and what the maps are of.
        power: name -> shares of power by case, and ``frequency``.
        aspect: height over width of a pixel.
    """

    dataset: str
    architecture: str
    seed: int
    methods: tuple[str, ...]
    tests: tuple[str, ...]
    images: dict[str, np.ndarray]
    references: dict[str, np.ndarray]
    probabilities: dict[str, dict[str, np.ndarray]]
    cases: dict[str, str]
    maps: dict[str, np.ndarray]
    rule: str
    layer: str
    power: dict[str, np.ndarray]
    aspect: float

    def label(self, test: str, method: str) -> np.ndarray:
        """(H, W) the class of the largest probability."""
        return self.probabilities[test][method].astype(np.float32).argmax(0)


def read_view(results: Results, experiment: str, dataset: str, architecture: str) -> View | None:
    """The probe's file of the experiment's first seed; None where it was not measured, as in shared results.

    Raises:
        ConfigError: the experiment lacks the data set or the architecture.
    """
    dataset = pick(results, experiment, "datasets", dataset)
    architecture = pick(results, experiment, "architectures", architecture)
    seed = results.config.experiments[experiment].seeds[0]
    arrays = results.probe("views", dataset, architecture, seed)
    if arrays is None:
        return None
    measured = arrays["methods"].tolist()
    methods = tuple(name for name in results.ordered_methods(experiment) if name in measured)
    tests = tuple(arrays["tests"].tolist())
    at = {method: measured.index(method) for method in methods}
    spacing = arrays["spacing_mm"]
    return View(
        dataset, architecture, seed, methods, tests,
        images={test: arrays[f"image_{test}"] for test in tests},
        references={test: arrays[f"reference_{test}"] for test in tests},
        probabilities={t: {m: arrays[f"probabilities_{t}"][i] for m, i in at.items()} for t in tests},
        cases={test: str(arrays[f"case_{test}"]) for test in tests},
        maps={method: arrays["cam"][index] for method, index in at.items()},
        rule=str(arrays["rule"]),
        layer=str(arrays["layer"]),
        power={name: arrays[name] for name in arrays if name == "frequency" or name.startswith("power_")},
        aspect=float(spacing[0] / spacing[1]),
    )  # fmt: skip


def named(results: Results, view: View) -> str:
    """First sentence on what is shown: data set, network, seed, case and rule."""
    name = network(results, view.dataset, view.architecture)
    return (
        f"{results.title(view.dataset)}, {SPELT.get(name, name)}, seed {view.seed}; {view.cases['test']}, {view.rule}."
    )


def pictures(rows: int, columns: int, below: float) -> tuple[Figure, np.ndarray]:
    """A page of square panels for images, and its (rows, columns) grid of axes.

    Args:
        rows, columns: panels; as wide as the page holds, at most :data:`PANEL` mm.
        below: room in mm for titles and a legend.
    """
    import matplotlib.pyplot as plt

    side = min(TWO_COLUMNS / columns, PANEL)
    page = size(side * columns, side * rows + below)
    return plt.subplots(rows, columns, figsize=page, layout="constrained", squeeze=False)


def show_image(axes: Axes, image: np.ndarray, aspect: float) -> None:
    """Three channels in colour, others in grey (their mean), between their 1st and 99th percentiles."""
    shown = np.moveaxis(image, 0, -1) if len(image) == 3 else image.mean(0)
    low, high = np.percentile(shown, [1, 99])
    scaled = np.clip((shown - low) / max(high - low, 1e-6), 0, 1)
    axes.imshow(scaled, cmap=None if scaled.ndim == 3 else "gray", vmin=0, vmax=1, aspect=aspect)
    bare(axes)


def bare(axes: Axes) -> None:
    """An image without ticks and frame."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def outline(axes: Axes, labels: np.ndarray, color: str, width: float = 0.9) -> None:
    """Outlines of every class of (H, W) labels, with a dark rim."""
    from matplotlib.patheffects import Normal, Stroke

    for value in np.setdiff1d(np.unique(labels), 0):
        mask = labels == value
        if mask.all():
            continue
        # A frame of background closes outlines at the image's edge.
        lines = axes.contour(mask.astype(float), levels=[0.5], colors=color, linewidths=width)
        lines.set_path_effects([Stroke(linewidth=width + 0.7, foreground="#202020"), Normal()])


def fill(axes: Axes, labels: np.ndarray, aspect: float, alpha: float = 0.6) -> None:
    """Classes in their colours over the image."""
    from matplotlib.colors import to_rgba

    count = int(labels.max()) + 1
    palette = np.array([(0, 0, 0, 0), *(to_rgba(class_color(index), alpha) for index in range(max(count - 1, 1)))])
    axes.imshow(palette[labels.astype(int)], aspect=aspect)


def boxes(labels: np.ndarray, reference: np.ndarray, smallest: int = 4) -> list[tuple[int, int, int, int]]:
    """Boxes (top, left, height, width) around connected errors of at least `smallest` pixels, largest first."""
    from scipy.ndimage import find_objects, label

    marked, count = label(labels != reference, np.ones((3, 3)))
    sizes = np.bincount(marked.ravel(), minlength=count + 1)[1:]
    found = [(size, where) for size, where in zip(sizes, find_objects(marked), strict=True) if size >= smallest]
    found.sort(key=lambda entry: (-entry[0], entry[1][0].start, entry[1][1].start))
    return [(w[0].start, w[1].start, w[0].stop - w[0].start, w[1].stop - w[1].start) for _, w in found]


def dice_of(labels: np.ndarray, reference: np.ndarray) -> float:
    """Mean Dice of a slice over the classes that reference or prediction have; nan without any."""
    values = []
    for value in np.setdiff1d(np.union1d(labels, reference), 0):
        ours, its = labels == value, reference == value
        values.append(2 * (ours & its).sum() / (ours.sum() + its.sum()))
    return float(np.mean(values)) if values else float("nan")


def nothing(results: Results, experiment: str, what: Sequence[str]):
    """A figure that says that the probe is not here, with an empty frame of these columns."""
    import matplotlib.pyplot as plt
    import pandas as pd

    from spectralcal.report.figures.drawn import Drawn
    from spectralcal.report.style import ONE_COLUMN, size

    figure, axes = plt.subplots(figsize=size(ONE_COLUMN, 25))
    bare(axes)
    say_missing(axes, "images stay on the machine that made them")
    caption = (
        f"Study {results.config.study}, experiment {experiment}: the images were not predicted here. "
        "`spectralcal probe views` makes them where the weights are."
    )
    return Drawn(figure, pd.DataFrame(columns=list(what)), caption)
