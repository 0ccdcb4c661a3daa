"""Reliability diagram."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from spectralcal.plot._axes import REFERENCE, axes, note_once

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from spectralcal.metrics import CalibrationHistogram

#: voxels below which a bin's accuracy is noise; its marker is open
FEW = 100


def reliability(
    histogram: CalibrationHistogram,
    label: int | None = None,
    ax: Axes | None = None,
    shares: bool = True,
    **line: Any,
) -> Axes:
    """Accuracy against mean confidence in the histogram's equal-width bins, with the diagonal of perfect calibration.

    Args:
        histogram: counted voxels.
        label: None for the top label (default), or a class: the class's frequency against its probability.
        ax: axes to draw on; new ones by default.
        shares: draw the share of voxels in each bin as bars at the bottom; default True.
        line: of the line, for example label or color.

    Returns:
        The axes. Empty bins have no point, and bins of fewer than 100 voxels an open marker.

    Raises:
        ValueError: `label` is no class, or the histogram has no voxel.
    """
    diagram = histogram.reliability(label)
    if not histogram.count:
        raise ValueError("histogram: expected at least one voxel, received none; call update(probabilities, target)")
    top = label is None
    ax = axes(ax, "confidence" if top else f"probability of class {label}", "accuracy" if top else "frequency")
    if note_once(ax, "diagonal"):
        ax.plot([0, 1], [0, 1], **REFERENCE)
        ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    filled = diagram.count > 0
    confidence, accuracy, count = diagram.confidence[filled], diagram.accuracy[filled], diagram.count[filled]
    (drawn,) = ax.plot(confidence, accuracy, **{"linewidth": 1.2, **line})
    color = drawn.get_color()
    faces = ["white" if number < FEW else color for number in count]
    ax.scatter(confidence, accuracy, s=14, c=faces, edgecolors=color, linewidths=0.9, zorder=drawn.get_zorder() + 0.1)
    if shares:
        edges = np.append(diagram.lower, diagram.upper[-1])
        ax.stairs(diagram.count / histogram.count, edges, fill=True, color=color, alpha=0.15, zorder=0)
    return ax
