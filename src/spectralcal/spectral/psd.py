"""Radially averaged power spectral density."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from spectralcal.spectral._checks import as_field
from spectralcal.spectral.power import shell_power
from spectralcal.spectral.shells import shells
from spectralcal.spectral.taper import taper_window


def radial_psd(
    field: Tensor, bins: int = 24, demean: bool = True, taper: Literal["hamming"] | None = "hamming"
) -> tuple[Tensor, Tensor]:
    """Power spectral density averaged over directions, on a frequency axis that every volume size shares.

    The axis is cut into `bins` equal intervals of [0, 0.5] cycles/voxel; bin i contains the frequencies
    i / (2 bins) < f <= (i + 1) / (2 bins), measured as the Euclidean length of the frequency in cycles/voxel. Zero
    frequency and the corners above 0.5 are left out. An interval without a frequency of this volume is NaN, not 0;
    average over volumes with ``nanmean``.

    The scale is |FFT(w x)|^2 / sum(w^2): white noise of variance v has density v at every size and with every taper.

    Args:
        field: (B, H, W) or (B, D, H, W) floating point.
        bins: intervals of the axis. Default 24, so that no interval is empty when the longest side is at least 48.
        demean: subtract each field's mean first. Default True: the taper would smear it over the lowest bins.
        taper: "hamming" (default, as in the paper's Fig. 1, against the jump at the borders) or None.

    Returns:
        frequencies (bins,), interval centres in cycles/voxel, and densities (B, bins) in squared units of the field,
        both in the type of `field` (float32 or float64).

    Raises:
        ValueError: wrong shape or type of `field`, `bins` below 1, or an unknown `taper`.
    """
    field = as_field(field)
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise ValueError(f"bins: expected an integer >= 1, received {bins!r}")
    shape = tuple(field.shape[1:])
    energy = float(math.prod(shape))
    if demean:
        field = field - field.mean(tuple(range(1, field.ndim)), keepdim=True)
    if taper is not None:
        window = taper_window(shape, taper)
        energy = float(window.square().sum())
        field = field * window.to(field)
    # On the "cycles" scale 0.5 cycles/voxel is half the shortest side: these are inscribed shells.
    table = shells(shape, bins, "inscribed", False, "drop", "cycles", field.device)
    density = shell_power(field, table.group, bins) / (table.count * energy).to(field)
    density = torch.where(table.count > 0, density, torch.nan)
    frequencies = (torch.arange(bins, device=field.device, dtype=field.dtype) + 0.5) / (2 * bins)
    return frequencies, density
