"""The paper's Figure 1: a synthetic boundary ring and its power spectrum, for both readings of the map.

A construction: it reads no results (docs/ambiguities.md, F1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spectralcal.report.figures.axes import panel_title, place
from spectralcal.report.figures.boundary_ring import ALPHAS, BANDS, READINGS, band_powers, ring_map, trend
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.psd import radial_psd
from spectralcal.report.results import Results
from spectralcal.report.style import FAINT, GRID, INK, TWO_COLUMNS, size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Boundary confidence and its power spectrum"
NEEDS = ()
#: it shows no study: the same drawing for every study and experiment
CONSTRUCTED = True
TEXTS = {"confidence": "largest class probability", "foreground": "foreground probability"}
#: fields and rings in which the verdict is tried again
OTHERS = tuple((shape, width) for shape in ((64, 64), (128, 128), (48, 48, 48)) for width in (1, 2, 3, 4, 6))
#: radius of the ball as a share of the shortest side
RADIUS = 0.3
LOOKS = {"rises": ("▲", "#f3c9ae"), "falls": ("▼", "#a9c9e6"), "mixed": ("◆", "#e6e6e6")}
#: edges in mm
LARGE, SMALL, GAP, PANEL = 39.0, 19.0, 1.4, 37.5


def figure1(results: Results, experiment: str, *, side: int = 64, ring: int = 2) -> Drawn:
    """Maps and spectra for falling boundary confidence: where the power rises, and where it falls.

    Args:
        results: unused; figures share one form.
        experiment: unused.
        side: edge of the map in pixels.
        ring: width of the boundary ring in pixels.
    """
    table = frame(side, ring)
    caption = (
        f"Construction, no trained network: a disc of radius {RADIUS * side:g} in {side}² pixels; its {ring}-pixel "
        "boundary has confidence α, its interior 1. The background is 1 where the map is the largest class probability "
        "and 0 where it is the probability of the foreground. (a) The map at α = 0.5. (b) Maps for α from 1 to 0.5. "
        f"(c) to (f) Radial power spectral density after a Hamming window, with the mean removed first or kept; below, "
        f"in {BANDS} bands, the power at α = 0.5 over that at α = 1: ▲ it rises at every step of α, ▼ it falls at "
        f"every step, ◆ neither; ∞: the map at α = 1 is constant and has no power. {verdict(table)} {robustness()}"
    )
    return Drawn(draw(table, side, ring), table, caption)


def frame(side: int = 64, ring: int = 2) -> pd.DataFrame:
    """Spectra and band powers.

    Returns:
        reading (``confidence``, ``foreground``), mean (``removed``, ``kept``), alpha, kind (``psd`` or ``band``),
        frequency (cycles/pixel, centre), power, and for bands trend (over all alphas) and ratio (to alpha = 1;
        infinite where there is no power).
    """
    shape, radius, parts = (side, side), RADIUS * side, []
    for reading, background in READINGS.items():
        for demean in (True, False):
            identity = {"reading": reading, "mean": "removed" if demean else "kept"}
            for alpha in ALPHAS:
                frequency, power = radial_psd(ring_map(shape, radius, ring, alpha, background), side // 2, demean)
                rows = {"alpha": alpha, "kind": "psd", "frequency": frequency, "power": power}
                parts.append(pd.DataFrame({**identity, **rows}))
            powers = band_powers(shape, radius, ring, reading, demean)
            ratios = np.divide(powers, powers[0], out=np.full_like(powers, np.inf), where=powers[0] > 0)
            centres, kinds = (np.arange(BANDS) + 0.5) / (2 * BANDS), trend(powers)
            for alpha, power, ratio in zip(ALPHAS, powers, ratios, strict=True):
                rows = {"alpha": alpha, "kind": "band", "frequency": centres, "power": power}
                parts.append(pd.DataFrame({**identity, **rows, "trend": kinds, "ratio": ratio}))
    return pd.concat(parts, ignore_index=True)


def verdict(table: pd.DataFrame) -> str:
    """In which forms of the map the power rises in all bands, as the paper states."""
    bands = table[(table.kind == "band") & (table.alpha == ALPHAS[-1])]
    rising = bands.groupby(["reading", "mean"], sort=False).trend.agg(lambda kinds: int((kinds == "rises").sum()))
    said = ", ".join(f"{TEXTS[reading]}, mean {mean}: {count}" for (reading, mean), count in rising.items())
    return f"Bands of {BANDS} in which power rises at every step ({said})."


def robustness() -> str:
    """The same over other rings and fields, in two and three dimensions."""
    counts = {}
    for reading in READINGS:
        for demean in (True, False):
            trends = [trend(band_powers(shape, RADIUS * min(shape), width, reading, demean)) for shape, width in OTHERS]
            counts[reading, demean] = sum(set(kinds) == {"rises"} for kinds in trends)
    said = ", ".join(
        f"{TEXTS[reading]}, mean {'removed' if demean else 'kept'}: {count}"
        for (reading, demean), count in counts.items()
    )
    return f"Of {len(OTHERS)} other rings (1 to 6 pixels; discs and a ball) it rises in all bands in: {said}."


def draw(table: pd.DataFrame, side: int, ring: int) -> Figure:
    """Maps above, spectra and their bands below."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=size(TWO_COLUMNS, 112.0))
    _example(place(figure, 6.0, 6.0, LARGE, LARGE), side, ring)
    for row, (reading, background) in enumerate(READINGS.items()):
        for column, alpha in enumerate(ALPHAS):
            x, y = 55.0 + column * (SMALL + GAP), 6.0 + row * (SMALL + GAP)
            axes = place(figure, x, y, SMALL, SMALL)
            _show(axes, ring_map((side, side), RADIUS * side, ring, alpha, background))
            if row == 0:
                axes.set_title(f"α = {alpha:g}", loc="center")
            if column == 0:
                axes.set_ylabel(TEXTS[reading].replace(" class", "\nclass").replace("foreground ", "foreground\n"))
                if row == 0:
                    panel_title(axes, "b", "")
    low, high = _limits(table)
    for column, ((reading, mean), rows) in enumerate(table.groupby(["reading", "mean"], sort=False)):
        x = 13.5 + column * (PANEL + 3.5)
        axes = place(figure, x, 57.5, PANEL, 34.0)
        _spectra(axes, rows[rows.kind == "psd"], (low, high), first=column == 0)
        panel_title(axes, "cdef"[column], f"{TEXTS[reading]},\nmean {mean}")
        _bands(place(figure, x, 93.5, PANEL, 7.5), rows[(rows.kind == "band") & (rows.alpha == ALPHAS[-1])])
    return figure


def _limits(table: pd.DataFrame) -> tuple[float, float]:
    """Decades that all panels share; the window's own side lobes, far below, are cut off."""
    psd = table[(table.kind == "psd") & (table.power > 0)].power
    return max(psd.min(), psd.max() * 1e-9) / 2, psd.max() * 2


def _show(axes: Axes, field: np.ndarray) -> None:
    axes.imshow(field, cmap="cividis", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=FAINT, linewidth=0.4)


def _example(axes: Axes, side: int, ring: int) -> None:
    """The map of the foreground with its three values named."""
    panel_title(axes, "a", "a map and its three values")
    _show(axes, ring_map((side, side), RADIUS * side, ring, 0.5, 0.0))
    middle, edge = (side - 1) / 2, RADIUS * side - ring / 2
    axes.text(middle, middle, "interior 1", ha="center", va="center", color=INK)
    axes.annotate(
        "boundary α", (middle + edge * 0.7, middle - edge * 0.7), (side * 0.96, side * 0.07), ha="right", va="center",
        color="white", arrowprops={"arrowstyle": "-", "color": "white", "linewidth": 0.7},
    )  # fmt: skip
    axes.text(side * 0.04, side * 0.93, "background 0 or 1", ha="left", va="center", color="white")


def _spectra(axes: Axes, rows: pd.DataFrame, limits: tuple[float, float], first: bool) -> None:
    import matplotlib as mpl
    from matplotlib.ticker import LogLocator, NullFormatter

    colors = mpl.colormaps["viridis"]
    for band in range(0, BANDS, 2):
        axes.axvspan(band * 0.5 / BANDS, (band + 1) * 0.5 / BANDS, color=GRID, alpha=0.5, linewidth=0, zorder=0)
    for index, (alpha, curve) in enumerate(rows.groupby("alpha", sort=False)):
        if not (curve.power > 0).any():
            continue
        shade = colors(0.92 - 0.92 * index / (len(ALPHAS) - 1))
        ends = {0: 1.6, len(ALPHAS) - 1: 1.6}.get(index, 0.8)
        dashes = (0, (3, 1.3)) if index == 0 else "-"
        axes.plot(curve.frequency, curve.power, color=shade, linewidth=ends, linestyle=dashes, label=f"{alpha:g}")
    axes.set_yscale("log")
    axes.set(xlim=(0, 0.5), ylim=limits, xticks=[])
    axes.yaxis.set_major_locator(LogLocator(base=1000))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()
    axes.tick_params(labelleft=first)
    if first:
        axes.set_ylabel("power spectral density")
    constant = rows[rows.alpha == ALPHAS[0]].power.max() == 0
    if constant:
        axes.text(0.96, 0.95, "α = 1: no power", transform=axes.transAxes, ha="right", va="top", color=FAINT)
    elif not first and rows.reading.iloc[0] == "confidence":  # once is enough
        axes.legend(title="α", loc="upper right", ncols=2, fontsize=6, title_fontsize=6.5, handlelength=1.6)


def _bands(axes: Axes, rows: pd.DataFrame) -> None:
    """Five cells below the bands of the spectrum: direction and factor."""
    axes.set(xlim=(0, 0.5), ylim=(0, 1), yticks=[], xticks=[0, 0.2, 0.4], xticklabels=["0", "0.2", "0.4"])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("frequency (cycles/pixel)")
    for row in rows.itertuples():
        sign, color = LOOKS[row.trend]
        half = 0.25 / BANDS
        axes.axvspan(row.frequency - half, row.frequency + half, color=color, linewidth=0)
        axes.text(row.frequency, 0.72, sign, ha="center", va="center", fontsize=6)
        axes.text(row.frequency, 0.26, _factor(row.ratio), ha="center", va="center", fontsize=5.5)


def _factor(ratio: float) -> str:
    if np.isinf(ratio):
        return "∞"
    if ratio >= 100:
        return f"$10^{{{np.log10(ratio):.0f}}}$"
    return f"×{ratio:.2f}"


FIGURE = figure1
