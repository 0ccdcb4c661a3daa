"""One look for all figures: sizes, type, and a colour, marker and line per method that never change.

Which method looks how is the paper's to say (``paper.yaml``); others get a colour, marker and line from their name.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spectralcal.study.config import PaperConfig

MM = 1 / 25.4
#: widths in mm: one column, two columns
ONE_COLUMN = 85.0
TWO_COLUMNS = 178.0
#: a page's usable height in mm
PAGE = 225.0
INK = "#262626"
FAINT = "#8c8c8c"
GRID = "#e3e3e3"
#: class colours of segmentations: green, purple and orange first
CLASS_COLORS = ("#35a56c", "#a66ab8", "#f28e2b", "#4e9fd1", "#e8c840", "#e15759", "#76b7b2", "#9c755f")


@dataclass(frozen=True)
class Look:
    """How a method is drawn."""

    color: str
    marker: str
    dashes: str | tuple[float, tuple[float, ...]]
    width: float = 1.0
    order: int = 2


_SPARE_MARKERS = ("h", "8", "d", "H", "X", "p", "<", ">")
_SPARE_DASHES = ((0, (2, 2)), (0, (8, 1.5)), (0, (1, 2)), (0, (4, 2, 1, 2)))
_SPARE_HUES = 24


def use_style() -> None:
    """Set matplotlib's defaults for all figures of the project."""
    import matplotlib as mpl

    mpl.rcdefaults()
    mpl.rcParams.update(
        {
            "font.family": "DejaVu Sans",  # ships with matplotlib: the same glyphs on every machine
            "font.size": 7, "axes.labelsize": 7, "axes.titlesize": 7.5, "legend.fontsize": 7,
            "xtick.labelsize": 6.5, "ytick.labelsize": 6.5, "figure.titlesize": 8,
            "mathtext.fontset": "dejavusans",
            "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": FAINT, "axes.titlecolor": INK,
            "xtick.color": FAINT, "ytick.color": FAINT, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
            "axes.linewidth": 0.6, "axes.spines.top": False, "axes.spines.right": False,
            "axes.titlelocation": "left", "axes.titlepad": 4, "axes.labelpad": 2.5,
            "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.minor.width": 0.4, "ytick.minor.width": 0.4,
            "xtick.major.size": 2.5, "ytick.major.size": 2.5, "xtick.minor.size": 1.5, "ytick.minor.size": 1.5,
            "lines.linewidth": 1.0, "lines.markersize": 3.2, "lines.markeredgewidth": 0.5, "patch.linewidth": 0.6,
            "legend.frameon": False, "legend.handlelength": 2.4, "legend.columnspacing": 1.4, "legend.borderaxespad": 0,
            "image.interpolation": "nearest", "figure.dpi": 150, "savefig.dpi": 300, "savefig.facecolor": "white",
            "figure.constrained_layout.h_pad": 0.03, "figure.constrained_layout.w_pad": 0.03,
            "pdf.fonttype": 42, "ps.fonttype": 42, "svg.hashsalt": "spectralcal",
        }
    )  # fmt: skip


def size(width_mm: float, height_mm: float) -> tuple[float, float]:
    """Figure size in inches, as matplotlib wants it."""
    return width_mm * MM, height_mm * MM


def class_color(index: int) -> str:
    """Colour of the foreground class `index` + 1; they repeat after eight."""
    return CLASS_COLORS[index % len(CLASS_COLORS)]


def loss_of(method: str) -> str:
    """The loss in a method's name: ``spectral`` of ``spectral@window=1+temperature``, ``ce`` of ``ensemble(ce)``."""
    return method.removeprefix("ensemble(").partition(")")[0].partition("@")[0].partition("+")[0]


@dataclass(frozen=True)
class Style:
    """How the methods of a study are ordered and drawn.

    Attributes:
        order: losses in the order of tables and figures; others follow.
        known: losses with a look of their own, the same in every figure.
    """

    order: tuple[str, ...] = ()
    known: Mapping[str, Look] = field(default_factory=dict)

    @classmethod
    def of(cls, paper: PaperConfig) -> Style:
        """As the paper has it."""
        known = {name: Look(**dict(method.look)) for name, method in paper.methods.items() if method.look is not None}
        return cls(tuple(paper.methods), known)

    def ordered(self, methods: Iterable[str]) -> list[str]:
        """Methods in the order of tables and figures; variants stay in the given order, behind their loss."""
        position = {name: index for index, name in enumerate(self.order)}

        def key(method: str) -> tuple[int, bool]:
            return position.get(loss_of(method), len(position)), method != loss_of(method)

        return sorted(methods, key=key)

    def looks(self, methods: Sequence[str]) -> dict[str, Look]:
        """How each method is drawn.

        A method without a look of its own gets a colour from its name, so that it is the same in every figure too,
        unless another method of the same figure has it already: then the next free one.
        """
        looks = {method: self.known[method] for method in methods if method in self.known}
        taken: set[int] = set()
        for method in sorted(set(methods) - set(looks)):
            slot = zlib.crc32(method.encode()) % _SPARE_HUES
            while slot in taken and len(taken) < _SPARE_HUES:
                slot = (slot + 7) % _SPARE_HUES  # 7 and 24 share no factor: every slot is visited
            taken = (taken | {slot}) if len(taken) < _SPARE_HUES else {slot}
            looks[method] = _spare(slot)
        return {method: looks[method] for method in methods}


def _spare(slot: int) -> Look:
    import colorsys

    lightness = (0.35, 0.55)[slot % 2]
    red, green, blue = colorsys.hls_to_rgb(slot / _SPARE_HUES, lightness, 0.55)
    color = "#" + "".join(f"{round(255 * part):02x}" for part in (red, green, blue))
    return Look(color, _SPARE_MARKERS[slot % len(_SPARE_MARKERS)], _SPARE_DASHES[slot % len(_SPARE_DASHES)])
