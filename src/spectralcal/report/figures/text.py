"""Names in figures: as they are written, and how much room they need where they are placed by hand."""

from __future__ import annotations

from collections.abc import Iterable

from spectralcal.report.style import MM


def plain(name: str) -> str:
    """A name for a text that matplotlib may read as mathematics: what stands between two ``$`` would be a formula."""
    return name.replace("$", r"\$")


def names_width(labels: Iterable[str]) -> float:
    """Width in mm of the longest name at the size of tick labels; 0 for none."""
    import matplotlib as mpl
    from matplotlib.textpath import TextPath

    points = mpl.rcParams["ytick.labelsize"]
    widths = (TextPath((0, 0), plain(label), size=points).get_extents().width for label in labels)
    return max(widths, default=0.0) / 72 / MM
