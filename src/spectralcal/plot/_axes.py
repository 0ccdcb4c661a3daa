"""Axes to draw on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: of lines that say what perfect would be
REFERENCE = {"color": "0.6", "linewidth": 0.8, "linestyle": (0, (4, 3)), "zorder": 1}


def axes(ax: Axes | None, xlabel: str, ylabel: str) -> Axes:
    """`ax`, or new axes; labelled where they have no label yet."""
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(layout="constrained")[1]
    if not ax.get_xlabel():
        ax.set_xlabel(xlabel)
    if not ax.get_ylabel():
        ax.set_ylabel(ylabel)
    return ax


def note_once(ax: Axes, name: str) -> bool:
    """Whether `name` is drawn on these axes for the first time."""
    drawn = ax.__dict__.setdefault("_spectralcal_drawn", set())
    if name in drawn:
        return False
    drawn.add(name)
    return True


def numpy(values: Any) -> Any:
    """An array or a tensor as NumPy, in double precision."""
    import numpy as np

    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values, float)
