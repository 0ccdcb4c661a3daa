"""Small pieces of drawing that several figures share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spectralcal.report.figures.text import plain
from spectralcal.report.style import FAINT, INK, MM, Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

#: how far a band may reach above and below all lines, in multiples of their range
ROOM = 0.7


def panel_title(axes: Axes, letter: str, text: str) -> None:
    """Panel letter in bold before the title."""
    axes.set_title(f"$\\bf{{({letter})}}$ {plain(text)}")


def line_style(look: Look, markers: bool = False) -> dict[str, Any]:
    """Keyword arguments of ``plot`` for a method."""
    style: dict[str, Any] = {
        "color": look.color,
        "linestyle": look.dashes,
        "linewidth": look.width,
        "zorder": look.order,
    }
    if markers:
        size = 5.0 if look.marker == "*" else 3.0
        style |= {"marker": look.marker, "markersize": size, "markeredgecolor": "white", "markeredgewidth": 0.3}
    return style


def handles(
    looks: Mapping[str, Look], labels: Mapping[str, str], missing: Sequence[str] = (), markers: bool = False
) -> list[Line2D]:
    """Legend entries in the order of `labels`; a method without results is listed as missing."""
    from matplotlib.lines import Line2D

    entries = []
    for method, label in labels.items():
        if method in missing:
            entries.append(Line2D([], [], linestyle="none", label=f"{plain(label)} (missing)"))
        else:
            entries.append(Line2D([], [], label=plain(label), **line_style(looks[method], markers)))
    return entries


#: lines of a legend that the heights of figures leave room for
USUAL_LINES = 5


def legend_below(figure: Figure, entries: Sequence[Line2D], columns: int = 8) -> None:
    """One legend for all panels, outside the data, in as many columns as the width of the page holds.

    A page with a layout grows by the lines that its height was not made for; other pages leave room for
    :func:`legend_lines`.
    """
    where = "outside lower center" if figure.get_layout_engine() else "lower center"
    columns = _legend_columns(figure.get_size_inches()[0], entries, columns)
    if figure.get_layout_engine():
        beyond = max(math.ceil(len(entries) / columns) - USUAL_LINES, 0)
        wide, high = figure.get_size_inches()
        figure.set_size_inches(wide, high + beyond * legend_line() * MM)
    figure.legend(handles=list(entries), loc=where, ncols=columns)


def legend_lines(width: float, entries: Sequence[Line2D], columns: int = 8) -> int:
    """Lines that :func:`legend_below` will take on a page of this width in mm."""
    return math.ceil(len(entries) / _legend_columns(width * MM, entries, columns)) if entries else 0


def legend_line() -> float:
    """Height in mm of a line of a legend."""
    import matplotlib as mpl

    return mpl.rcParams["legend.fontsize"] * (1 + mpl.rcParams["legend.labelspacing"]) / 72 / MM


def _legend_columns(width: float, entries: Sequence[Line2D], columns: int) -> int:
    import matplotlib as mpl

    room = 72 * width / mpl.rcParams["legend.fontsize"]
    widths = [_entry_width(str(entry.get_label())) for entry in entries]
    fitting = (count for count in range(min(columns, len(entries)), 1, -1) if _row_width(widths, count) <= room)
    return next(fitting, 1)


def _entry_width(label: str) -> float:
    """Width of a legend entry in units of the font size."""
    import matplotlib as mpl
    from matplotlib.textpath import TextPath

    text = TextPath((0, 0), label, size=1).get_extents().width if label.strip() else 0.0
    return text + mpl.rcParams["legend.handlelength"] + mpl.rcParams["legend.handletextpad"]


def _row_width(widths: Sequence[float], columns: int) -> float:
    """Width of a legend that is filled column by column, the first columns being the longer ones."""
    import matplotlib as mpl

    short, longer = divmod(len(widths), columns)
    total, start = (columns - 1) * mpl.rcParams["legend.columnspacing"] + 2 * mpl.rcParams["legend.borderpad"], 0
    for column in range(columns):
        stop = start + short + (column < longer)
        total += max(widths[start:stop])
        start = stop
    return total


def place(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Axes at a place in mm from the figure's upper left corner, where panels must stay square and aligned."""
    w, h = (length / MM for length in figure.get_size_inches())
    return figure.add_axes((x / w, 1 - (y + height) / h, width / w, height / h))


def say_missing(axes: Axes, text: str = "no results") -> None:
    """Mark an empty panel as such."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=FAINT, style="italic")


def reference_line(axes: Axes, value: float = 0.0) -> None:
    """A thin horizontal line to compare with."""
    axes.axhline(value, color=INK, linewidth=0.6, zorder=1)


def limit_bands(axes: Axes, lines: Iterable[float], ends: Iterable[float], log: bool = False) -> bool:
    """End the y axis where a wide band would press the lines together.

    Args:
        axes: what the lines and bands are on.
        lines: values of the lines.
        ends: values of the bands' ends.
        log: the axis will be logarithmic; then all values that count are above 0.

    Returns:
        Whether a band is cut off.
    """
    lines, ends = (np.array(list(values), dtype=float) for values in (lines, ends))
    lines, ends = (values[np.isfinite(values) & ((values > 0) | (not log))] for values in (lines, ends))
    if not lines.size or not ends.size:
        return False
    if log:
        lines, ends = np.log(lines), np.log(ends)
    room = ROOM * ((lines.max() - lines.min()) or 1.0)
    low, high = max(ends.min(), lines.min() - room), min(ends.max(), lines.max() + room)
    low, high = min(low, lines.min()), max(high, lines.max())
    margin = 0.04 * (high - low) or 0.5
    limits = np.array([low - margin, high + margin])
    axes.set_ylim(*(np.exp(limits) if log else limits))
    return bool(ends.min() < limits[0] or ends.max() > limits[1])


def log_axis(axes: Axes) -> None:
    """A logarithmic y axis with ticks at decades, and at 2 and 5 times a decade if it spans few of them.

    Values within half a decade stay on a linear axis, which has more than one tick there.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    decades = math.log10(high / low)
    if decades < 0.5:
        axes.set_yscale("linear")
        axes.set_ylim(low, high)
        axes.yaxis.set_major_locator(MaxNLocator(5))
        return
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _decimal(value)))
    axes.yaxis.set_minor_formatter(NullFormatter())


def log_axis_with_zero(axes: Axes, largest: float, decades: int = 4) -> None:
    """A y axis that is logarithmic over `decades` below `largest` and linear from there down to zero."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    top = math.ceil(math.log10(largest))
    marks = [10.0**power for power in range(top - decades, top + 1)]
    axes.set_yscale("symlog", linthresh=marks[0], linscale=0.5)
    axes.set_ylim(0, largest * 1.3)
    axes.yaxis.set_major_locator(FixedLocator([0.0, *marks]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _decimal(value) if value else "0"))


def _decimal(value: float) -> str:
    if 0.01 <= value < 1000:
        return f"{value:g}"
    exponent = math.floor(math.log10(value) + 1e-9)
    leading = round(value / 10.0**exponent)
    return f"$10^{{{exponent}}}$" if leading == 1 else f"${leading}\\cdot10^{{{exponent}}}$"
