"""Risk-coverage curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from spectralcal.metrics.selective import RiskCoverage
from spectralcal.metrics.selective import risk_coverage as curve_of
from spectralcal.plot._axes import REFERENCE, axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from spectralcal.metrics import CalibrationHistogram


def risk_coverage(curve: RiskCoverage | CalibrationHistogram, ax: Axes | None = None, **line: Any) -> Axes:
    """Share of wrong voxels among the most confident ones, against how many are accepted.

    Args:
        curve: from :func:`spectralcal.metrics.risk_coverage`, or a histogram, whose curve is drawn.
        ax: axes to draw on; new ones by default.
        line: of the line, for example label or color.

    Returns:
        The axes. The dashed line is the risk of a confidence that is random: the error rate at every coverage.

    Raises:
        ValueError: no voxel.
    """
    curve = curve if isinstance(curve, RiskCoverage) else curve_of(curve)
    if not curve.total:
        raise ValueError("curve: expected at least one voxel, received none; call update(probabilities, target)")
    ax = axes(ax, "coverage", "risk (share of wrong voxels)")
    # Within a group of equal confidence the order is random: its first voxels are as good as all of it.
    coverage = np.concatenate([[0.0], curve.coverage])
    risk = np.concatenate([curve.wrong[:1] / curve.count[:1], curve.risk])
    (drawn,) = ax.plot(coverage, risk, **{"linewidth": 1.2, **line})
    ax.axhline(risk[-1], **REFERENCE | {"color": drawn.get_color(), "alpha": 0.6})
    ax.set_xlim(0, 1)
    ax.set_ylim(bottom=0, auto=True)  # a further curve on these axes may be higher
    return ax
