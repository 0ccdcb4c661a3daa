"""Does a higher spectral entropy mean better calibration? Paths away from a posterior that is perfectly calibrated.

Each path changes one thing of a phantom's true posterior by growing strengths and shows where entropy and true
calibration error go. A construction: it reads no results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spectralcal.papers.spectral_entropy import transformed
from spectralcal.report.figures.axes import panel_title, place
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.results import Results
from spectralcal.report.style import FAINT, GRID, INK, TWO_COLUMNS, size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Spectral entropy and true calibration error"
NEEDS = ()
#: it shows no study: the same drawing for every study and experiment
CONSTRUCTED = True
MAPS = {"entropy_max_logit": "maximum logit", "entropy_max_prob": "largest probability"}
#: Okabe and Ito's colours, which differ for colour-blind readers
COLORS = {
    "temperature": "#0072B2",
    "shared_field": "#8c8c8c",
    "logit_noise": "#D55E00",
    "sharper_boundaries": "#CC79A7",
    "blur": "#009E73",
}
#: what is shown as an image: the transformation and its strength
SHOWN = (("temperature", 0.4), ("temperature", 2.5), ("logit_noise", 2.0), ("sharper_boundaries", 2.0), ("blur", 2.0))
#: edges in mm
IMAGE, GAP, LEFT, HEIGHT = 26.0, 2.4, 2.0, 117.0


def mechanism(
    results: Results, experiment: str, *, cases: int = 8, side: int = 40, bands: int = 5, seed: int = 0
) -> Drawn:
    """Paths of transformed posteriors in the plane of spectral entropy and true calibration error.

    Args:
        results: unused; figures share one form.
        experiment: unused.
        cases: phantoms that means are taken over.
        side: their edge in voxels.
        bands: shells K.
        seed: of phantoms and noise.
    """
    table = transformed.frame(cases, side, bands, seed)
    caption = (
        f"Construction, no trained network: the true posterior of {cases} phantoms ({side}³ voxels; zeros raised to "
        f"{transformed.SMALLEST:g}) as it is and transformed, each time by growing strengths. Images: largest "
        "probability in the slice with most foreground. (a) and (b) True calibration error E|E[q|p] − p| against the "
        f"spectral entropy of the maximum logit and of the largest probability ({bands} bands, log {bands} = "
        f"{np.log(bands):.2f} nats), means over phantoms. All paths start from the calibrated posterior (ring). "
        f"Filled: overconfident; open: underconfident; small dots: calibrated. {_reading(table)}"
    )
    return Drawn(draw(table, views(side, seed)), table, caption)


def views(side: int, seed: int = 0) -> list[tuple[str, str, np.ndarray]]:
    """Title, colour and slice of the largest probability: the posterior, then what :data:`SHOWN` lists."""
    (posterior,) = transformed.posteriors(1, side, seed)
    logits = transformed.log_posterior(posterior)
    index = int((posterior[0] < 0.5).sum((0, 1)).argmax())
    known = {each.name: each for each in transformed.TRANSFORMATIONS}
    maps = [("true posterior", INK, transformed.softmax(logits).max(0)[..., index].T)]
    for name, strength in SHOWN:
        each = known[name]
        changed = transformed.softmax(each.change(logits, strength, np.random.default_rng([seed, 0])))
        maps.append((each.short.format(strength), COLORS[name], changed.max(0)[..., index].T))
    return maps


def draw(table: pd.DataFrame, images: list[tuple[str, str, np.ndarray]]) -> Figure:
    """A row of slices and two panels below it."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=size(TWO_COLUMNS, HEIGHT))
    for column, (title, color, image) in enumerate(images):
        axes = place(figure, LEFT + column * (IMAGE + GAP), 6.0, IMAGE, IMAGE)
        axes.set_title(title, color=color, fontsize=7)
        shown = axes.imshow(image, cmap="gray", origin="lower", vmin=0.25, vmax=1)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set(visible=True, color=color, linewidth=1.2)
    right = LEFT + len(images) * (IMAGE + GAP) - GAP
    bar = figure.colorbar(shown, cax=place(figure, right + 1.4, 6.0, 1.2, IMAGE))
    bar.set_ticks([0.25, 1], labels=["¼", "1"])
    bar.ax.tick_params(length=0, pad=1.5)
    bar.outline.set_visible(False)
    width = 76.0
    panels = [place(figure, 13.0 + column * (width + 10.0), 44.0, width, 52.0) for column in range(2)]
    top = 1e3 * table.calibration_error.max() * 1.06
    for letter, axes, (name, label) in zip("ab", panels, MAPS.items(), strict=True):
        panel_title(axes, letter, label)
        _paths(axes, table, name)
        axes.set_xlabel("spectral entropy (nats)")
        axes.set_xlim(0.12, 1.72)
        axes.set_ylim(-top * 0.03, top)
        axes.grid(color=GRID, linewidth=0.5)
        axes.set_axisbelow(True)
    panels[0].set_ylabel("true calibration error ×10⁻³")
    panels[1].tick_params(labelleft=False)
    _sides(panels[1], float(table[table.neutral].entropy_max_prob.iloc[0]))
    _legend(figure, table)
    return figure


def _paths(axes: Axes, table: pd.DataFrame, name: str) -> None:
    for method, rows in table.groupby("method", sort=False):
        color = COLORS[str(method)]
        x, y = rows[name].to_numpy(), 1e3 * rows.calibration_error.to_numpy()
        axes.plot(x, y, color=color, linewidth=1.3, zorder=3, solid_capstyle="round")
        over, under = rows.gap.to_numpy() > 1e-6, rows.gap.to_numpy() < -1e-6
        axes.scatter(x[over], y[over], s=15, color=color, edgecolor="white", linewidth=0.5, zorder=4)
        axes.scatter(x[under], y[under], s=13, facecolor="white", edgecolor=color, linewidth=1.0, zorder=4)
        neither = ~(over | under | rows.neutral.to_numpy())
        axes.scatter(x[neither], y[neither], s=5, color=color, linewidth=0, zorder=4)
    start = table[table.neutral].iloc[0]
    axes.scatter([start[name]], [0], s=42, facecolor="white", edgecolor=INK, linewidth=1.3, zorder=6)


def _sides(axes: Axes, entropy: float) -> None:
    """Name what lies on each side of the calibrated posterior."""
    axes.axvline(entropy, color=FAINT, linewidth=0.6, linestyle=(0, (2, 2)), zorder=1)
    for text, side, offset in (("underconfident", "right", -3), ("overconfident", "left", 3)):
        axes.annotate(
            text, (entropy, 1), xycoords=("data", "axes fraction"), xytext=(offset, -2), textcoords="offset points",
            ha=side, va="top", color=FAINT, style="italic",
        )  # fmt: skip


def _legend(figure: Figure, table: pd.DataFrame) -> None:
    from matplotlib.lines import Line2D

    titles = dict(zip(table.method, table.title, strict=True))
    ends = {method: rows.strength.iloc[[0, -1]] for method, rows in table.groupby("method", sort=False)}
    parameters = dict(zip(table.method, table.parameter, strict=True))
    lines = [
        Line2D([], [], color=COLORS[method], linewidth=1.6,
               label=f"{title} ({parameters[method]} {ends[method].iloc[0]:g} to {ends[method].iloc[1]:g})")
        for method, title in titles.items()
    ]  # fmt: skip
    round_ = {"linestyle": "none", "marker": "o"}
    signs = [
        Line2D([], [], color=FAINT, markersize=4, label="overconfident", **round_),
        Line2D([], [], color=FAINT, markerfacecolor="white", markeredgewidth=1, markersize=4, label="underconfident",
               **round_),
        Line2D([], [], color=INK, markerfacecolor="white", markeredgewidth=1.3, markersize=6, label="true posterior",
               **round_),
    ]  # fmt: skip
    figure.legend(handles=[*lines, *signs], loc="lower center", ncols=3, handlelength=1.8, columnspacing=2.4)


def _reading(table: pd.DataFrame) -> str:
    """One sentence per map: what a higher entropy goes with on each path."""
    legs = transformed.legs(table)
    said = []
    for name, label in MAPS.items():
        listed = [
            f"{', '.join(legs[legs[name] == reading].leg)}: {words}"
            for reading, words in transformed.WORDS.items()
            if (legs[name] == reading).any()
        ]
        said.append(f"Higher entropy of the {label} goes with, by path: {'; '.join(listed)}.")
    return " ".join(said)


FIGURE = mechanism
