"""Radial power spectral density."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from spectralcal.plot._axes import axes, numpy

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def psd(field: Any, bins: int = 24, ax: Axes | None = None, **line: Any) -> Axes:
    """Power spectral density of a map against frequency, both on the scale of :func:`spectralcal.spectral.radial_psd`.

    Args:
        field: (B, H, W) or (B, D, H, W) maps, array or tensor, for example
            :func:`spectralcal.spectral.confidence_map` of logits; or a pair (frequencies (n,), densities (B, n)) that
            was computed before.
        bins: intervals of the frequency axis; default 24.
        ax: axes to draw on; new ones by default.
        line: of the line, for example label or color.

    Returns:
        The axes, the density's logarithmic. The line is the mean over B; with several maps the band is from the
        smallest to the largest.

    Raises:
        ValueError: a wrong shape.
    """
    if isinstance(field, tuple):
        frequency, density = numpy(field[0]), np.atleast_2d(numpy(field[1]))
        if density.shape[1:] != frequency.shape:
            raise ValueError(
                f"field: expected frequencies (n,) and densities (B, n), received {frequency.shape} and {density.shape}"
            )
    else:
        import torch

        from spectralcal.spectral import radial_psd

        frequency, density = (numpy(x) for x in radial_psd(torch.as_tensor(field), bins))
    filled = ~np.isnan(density).all(axis=0)
    frequency, density = frequency[filled], density[:, filled]
    ax = axes(ax, "frequency (cycles/voxel)", "power spectral density")
    (drawn,) = ax.plot(frequency, np.nanmean(density, axis=0), **{"linewidth": 1.2, **line})
    if len(density) > 1:
        low, high = np.nanmin(density, axis=0), np.nanmax(density, axis=0)
        ax.fill_between(frequency, low, high, color=drawn.get_color(), alpha=0.15, linewidth=0)
    ax.set_yscale("log")
    ax.set_xlim(0, 0.5)
    return ax
