"""The paper's Figure 3 as numbers: how far masks are apart in space, and how far their spectra are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spectralcal.papers.spectral_correlation.claims.construction import SIDE, disc
from spectralcal.report.figures.axes import panel_title
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.results import Results
from spectralcal.report.style import FAINT, GRID, TWO_COLUMNS, size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Distances of masks in space and in frequency"
NEEDS = ()
#: it shows no study: the same numbers for every study and experiment
CONSTRUCTED = True
KINDS = {"shifted": ("#D55E00", "o"), "wider": ("#0072B2", "s"), "pixels added": ("#009E73", "^"),
         "another disc": ("#8c8c8c", "x")}  # fmt: skip


def figure3(results: Results, experiment: str, *, pairs: int = 40, seed: int = 0) -> Drawn:
    """Distances of pairs of masks: of the masks, of their complex spectra, and of amplitudes alone.

    Args:
        results: unused; figures share one form.
        experiment: unused.
        pairs: of each kind.
        seed: of the masks.
    """
    table = frame(pairs, seed)
    furthest = (table.complex_distance / table.spatial_distance - 1).abs().max()
    agrees = "to rounding" if furthest < 1e-9 else f"to {furthest:.1g}"
    caption = (
        f"Construction, no trained network: {pairs} pairs of each kind, discs in {SIDE}² pixels. Euclidean distances "
        "of the masks, of their orthonormal Fourier transforms (a), and of the amplitudes alone (b). With phase, "
        f"distances in frequency are those in space {agrees} (Parseval). Amplitudes are never farther apart than the "
        "masks, and ignore shifts."
    )
    return Drawn(draw(table), table, caption)


def frame(pairs: int, seed: int) -> pd.DataFrame:
    """Distances of pairs of masks.

    Returns:
        kind, spatial_distance, complex_distance, amplitude_distance.
    """
    random = np.random.default_rng(seed)
    rows = []
    for kind in KINDS:
        for _ in range(pairs):
            mask = disc(random)
            other = _changed(kind, mask, random)
            spectra = [np.fft.fft2(each, norm="ortho") for each in (mask, other)]
            rows.append({"kind": kind, "spatial_distance": np.linalg.norm(mask - other),
                         "complex_distance": np.linalg.norm(spectra[0] - spectra[1]),
                         "amplitude_distance": np.linalg.norm(np.abs(spectra[0]) - np.abs(spectra[1]))})  # fmt: skip
    return pd.DataFrame(rows)


def _changed(kind: str, mask: np.ndarray, random: np.random.Generator) -> np.ndarray:
    if kind == "shifted":
        return np.roll(mask, tuple(random.integers(1, 9, 2)), (0, 1))
    if kind == "wider":
        for _ in range(random.integers(1, 4)):
            mask = np.maximum.reduce([np.roll(mask, d, a) for a in (0, 1) for d in (-1, 0, 1)])
        return mask
    if kind == "pixels added":
        return np.where(random.random(mask.shape) < random.uniform(0.005, 0.1), 1.0, mask)
    return disc(random)


def draw(table: pd.DataFrame) -> Figure:
    """With phase to the left, amplitudes to the right."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(
        1, 2, figsize=size(0.85 * TWO_COLUMNS, 76), layout="constrained", sharex=True, sharey=True
    )
    _scatter(left, table, "complex_distance", "distance of complex spectra")
    _scatter(right, table, "amplitude_distance", "distance of amplitudes")
    panel_title(left, "a", "with phase")
    panel_title(right, "b", "amplitudes alone")
    left.legend(loc="upper left")
    return figure


def _scatter(axes: Axes, table: pd.DataFrame, column: str, text: str) -> None:
    top = 1.05 * table.spatial_distance.max()
    axes.plot([0, top], [0, top], color=FAINT, linewidth=0.8, linestyle="--", zorder=1)
    for kind, (color, marker) in KINDS.items():
        rows = table[table.kind == kind]
        axes.plot(rows.spatial_distance, rows[column], marker, color=color, markersize=3, alpha=0.75, label=kind,
                  zorder=2)  # fmt: skip
    axes.set(xlim=(0, top), ylim=(-0.02 * top, top), xlabel="distance of masks", ylabel=text, box_aspect=1)
    axes.grid(color=GRID, linewidth=0.5)


FIGURE = figure3
