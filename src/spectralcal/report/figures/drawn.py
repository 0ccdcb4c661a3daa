"""What a figure function returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawn:
    """A figure and what it was drawn from.

    Attributes:
        drawing: the figure, at its printed size.
        frame: the tidy numbers that it shows.
        caption: study, data sets, seeds, protocol, number of cases, what intervals mean and what is missing.
    """

    drawing: Figure
    frame: pd.DataFrame
    caption: str
