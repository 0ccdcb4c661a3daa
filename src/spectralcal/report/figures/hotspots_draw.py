"""Panels of Figure 8: images of one slice, the joint histogram, and the correlations of all methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spectralcal.report.figures.axes import panel_title, place, say_missing
from spectralcal.report.figures.hotspots import OTHER_SEED, control_of
from spectralcal.report.figures.paint import draw_contour, draw_image, mark_missing
from spectralcal.report.figures.slices import SliceView
from spectralcal.report.figures.text import plain
from spectralcal.report.style import FAINT, INK, TWO_COLUMNS, Look, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: lengths in mm
SIDE, GAP, TOP = 40.0, 4.6, 6.0
#: the finest difference that the histogram tells from zero
FINEST = 1e-3
DIVERGING = "RdBu_r"


def draw_row(figure: Figure, view: SliceView | None, arrays: Mapping[str, np.ndarray], difference: str) -> None:
    """Image, spectrum, hotspots and confidence difference, which has a title, each with its scale below."""
    titles = ("image and reference", "high-frequency power", "hotspots", difference)
    left = (TWO_COLUMNS - 4 * SIDE - 3 * GAP) / 2
    panels = [place(figure, left + i * (SIDE + GAP), TOP, SIDE, SIDE) for i in range(4)]
    bars = [place(figure, left + i * (SIDE + GAP) + 4, TOP + SIDE + 1.5, SIDE - 8, 1.8) for i in range(4)]
    bars[0].set_visible(False)
    for index, (axes, title) in enumerate(zip(panels, titles, strict=True)):
        if index:
            panel_title(axes, "abc"[index - 1], title)
        else:
            axes.set_title(title)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    maps = [] if view is None else [None, None, view.confidence["hotspots"]]
    if view is not None and "method" in view.confidence:
        maps.append(view.confidence["baseline"] - view.confidence["method"])
    for index, (axes, bar) in enumerate(zip(panels, bars, strict=True)):
        if view is None or index >= len(maps):
            hole = "no image" if len(arrays.get("cases", ())) else "not measured"
            mark_missing(axes, hole if view is None else "missing")
            bar.set_visible(False)
        elif index == 0:
            draw_image(axes, view)
            draw_contour(axes, view)
        elif index == 1:
            _spectrum(figure, axes, bar, arrays["shown_spectrum"], float(arrays["cutoff"]))
        else:
            _signed(figure, axes, bar, maps[index], view)


def draw_joint(figure: Figure, axes: Axes, table: pd.DataFrame, color: str) -> None:
    """Voxels by strength and difference on a logarithmic grey scale; in colour, the mean by strength and its null."""
    from matplotlib.colors import LogNorm
    from matplotlib.lines import Line2D
    from matplotlib.patheffects import Normal, Stroke
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    counts, mean = table[table.level == "histogram"], table[(table.level == "profile") & (table["count"] > 0)]
    if counts.empty:
        say_missing(axes)
        axes.set(xticks=[], yticks=[])
        return
    x, y = (np.unique(np.concatenate([counts[f"{name}_low"], counts[f"{name}_high"]])) for name in "xy")
    grid = np.full((len(y) - 1, len(x) - 1), np.nan)
    grid[np.searchsorted(y, counts.y_low), np.searchsorted(x, counts.x_low)] = counts["count"]
    shade = axes.pcolormesh(x, y, grid, norm=LogNorm(1, max(2, np.nanmax(grid))), cmap="Greys", rasterized=True)
    middle = (mean.x_low + mean.x_high) / 2
    axes.fill_between(middle, mean.low, mean.high, color=color, alpha=0.3, linewidth=0)
    rim = [Stroke(linewidth=2.4, foreground="white"), Normal()]  # the line's grey is that of many a bin
    axes.plot(middle, mean.value, color=color, linewidth=1.4, path_effects=rim)
    axes.plot(middle, mean.null, color=color, linewidth=1.0, linestyle=(0, (3, 1.5)), path_effects=rim)
    axes.set_yscale("symlog", linthresh=FINEST, linscale=0.5)
    reach = max(-y[0], y[-1], 0.1)
    axes.set(xlim=(x[0], x[-1]), ylim=(-reach, reach), xlabel="strength (root mean squares)")
    axes.yaxis.set_major_locator(FixedLocator([-1, -0.1, -0.01, 0, 0.01, 0.1, 1]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    axes.set_ylabel("confidence difference", labelpad=1)
    bar = figure.colorbar(shade, ax=axes, fraction=0.05, pad=0.03)
    bar.outline.set_visible(False)
    bar.ax.set_title("voxels", fontsize=6.5, pad=3)
    lines = [
        Line2D([], [], color=color, linewidth=1.4, label="mean"),
        Line2D([], [], color=color, linewidth=1.0, linestyle=(0, (3, 1.5)), label="null"),
    ]
    axes.legend(handles=lines, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, handlelength=1.8)


def draw_correlations(
    axes: Axes, table: pd.DataFrame, style: Style, methods: Mapping[str, str], strength: str, first: bool
) -> None:
    """A row for each method: its cases, their mean with interval, and the null's mean. The baseline's is in ink."""
    from matplotlib.ticker import MaxNLocator

    control = control_of(table[table.target == "error"].method.iloc[0])
    found = style.looks(list(dict.fromkeys(name.removesuffix(OTHER_SEED) for name in methods if name != control)))
    shown = table[(table.target == "difference") & ((table.strength == strength) | (table.status == "missing"))]
    for row, name in enumerate(methods):
        look = Look(INK, "o", "-") if name == control else found[name.removesuffix(OTHER_SEED)]
        mine = shown[shown.method == name]
        mean = mine[mine.level == "mean"].iloc[0]
        if mean.status != "ok":
            axes.text(0, row, mean.status, ha="center", va="center", color=FAINT, style="italic", fontsize=6.5)
            continue
        cases = mine[mine.level == "case"]
        axes.plot(cases.value, np.full(len(cases), row), "o", markersize=1.8, alpha=0.45, color=look.color, mew=0)
        axes.plot([mean.low, mean.high], [row, row], color=look.color, linewidth=1.1, solid_capstyle="butt", zorder=4)
        size = 7 if look.marker == "*" else 4.2
        style = {"markersize": size, "markeredgecolor": "white", "markeredgewidth": 0.4, "zorder": 5}
        axes.plot(mean.value, row, look.marker, color=look.color, **style)
        axes.plot([mean.null] * 2, [row - 0.34, row + 0.34], color=INK, linewidth=0.9, zorder=3)
    axes.axvline(0, color=FAINT, linewidth=0.6, zorder=1)
    axes.set_ylim(len(methods) - 0.4, -0.6)
    low, high = axes.get_xlim()
    reach = max(abs(low), abs(high), 0.1)
    axes.set_xlim(-reach, reach)
    # A number at the very end would run into that of the panel beside it.
    axes.set_xticks([tick for tick in MaxNLocator(4).tick_values(-reach, reach) if abs(tick) <= 0.85 * reach])
    axes.set_yticks(range(len(methods)), [plain(label) for label in methods.values()] if first else [])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _spectrum(figure: Figure, axes: Axes, bar: Axes, power: np.ndarray, cutoff: float) -> None:
    """Power where it is kept, on a logarithmic scale, turned like the images."""
    from matplotlib.colors import LogNorm
    from matplotlib.patches import Circle

    turned = power.T[::-1, ::-1]
    rows, columns = (np.fft.fftshift(np.fft.fftfreq(size)) for size in turned.shape)
    kept = np.hypot(rows[:, None], columns[None]) > cutoff
    values = np.where(kept & (turned > 0), turned, np.nan)
    axes.set_facecolor("#dcdcdc")
    if np.isfinite(values).any():
        low, high = np.nanquantile(values, [0.02, 1])
        norm = LogNorm(low, max(high, low * 1.01))
        shown = axes.imshow(values, norm=norm, cmap="magma", extent=(-0.5, 0.5, -0.5, 0.5))
        _scale(figure, shown, bar)
    else:
        bar.set_visible(False)
    axes.add_patch(Circle((0, 0), cutoff, fill=False, edgecolor=INK, linewidth=0.6))
    axes.text(0, 0, f"up to {cutoff:g}\ncycles/voxel:\nremoved", ha="center", va="center", color=INK, fontsize=6.5)
    axes.set(xlim=(-0.5, 0.5), ylim=(-0.5, 0.5), aspect="equal")


def _signed(figure: Figure, axes: Axes, bar: Axes, values: np.ndarray, view: SliceView) -> None:
    """A map around zero with equal limits, its outermost half per cent cut off."""
    limit = float(np.quantile(np.abs(values), 0.995)) or 1.0
    shown = axes.imshow(values, cmap=DIVERGING, vmin=-limit, vmax=limit, aspect=view.aspect)
    draw_contour(axes, view)
    _scale(figure, shown, bar, [-limit, 0, limit])


def _scale(figure: Figure, shown: object, bar: Axes, ticks: list[float] | None = None) -> None:
    scale = figure.colorbar(shown, cax=bar, orientation="horizontal")
    scale.outline.set_visible(False)
    if ticks:
        scale.set_ticks(ticks, labels=[f"{tick:.2g}".replace("-", "−") for tick in ticks])
