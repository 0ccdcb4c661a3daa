"""Places of the panels of a figure that shows one case: image cells in rows, diagrams to their right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spectralcal.report.figures.axes import place
from spectralcal.report.style import PAGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class CaseLayout:
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
