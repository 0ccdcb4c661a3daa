"""How far two fields agree frequency by frequency, and how far their amplitude maps do."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from spectralcal.spectral._checks import as_field, member
from spectralcal.spectral.shells import Edges, check_bands, shells

SCALES = ("log_amplitude", "amplitude", "power")
Scale = Literal["log_amplitude", "amplitude", "power"]


def spectral_coherence(
    first: Tensor, second: Tensor, bands: int = 1, edges: Edges = "corner", include_dc: bool = False
) -> Tensor:
    """Re sum(F conj S) / sqrt(sum |F|^2 sum |S|^2) over each shell of frequencies: the Fourier shell correlation.

    1 where both fields are alike up to a positive factor, 0 where their phases have nothing in common, -1 where one is
    the other's negative. Over one band of all frequencies but zero it is the Pearson correlation of the fields.

    Args:
        first, second: (B, H, W) or (B, D, H, W) floating point of one shape; a 3-D axis of length 1 counts as absent.
        bands: concentric shells; default 1, all frequencies. As many as leave no shell empty.
        edges: "corner" (default), shells up to the largest radius, or "inscribed", up to the shortest side's Nyquist
            frequency; see :func:`spectralcal.spectral.shells.shell_edges`.
        include_dc: count zero frequency in the first shell. Default False: the means of two masks agree whatever their
            shapes.

    Returns:
        (B, bands) from -1 to 1, float32 or float64; nan where a field has no power in the shell.

    Raises:
        ValueError: wrong shape or type, different shapes, or more bands than leave no shell empty.
    """
    first, second = _pair(first, second)
    shape = tuple(first.shape[1:])
    check_bands(shape, bands, edges, include_dc)
    group = shells(shape, bands, edges, include_dc, "drop", "cycles", first.device).group
    axes = tuple(range(1, first.ndim))
    with torch.autocast(first.device.type, enabled=False):
        f, s = (torch.fft.rfftn(field, dim=axes).flatten(1).to(torch.complex128) for field in (first, second))
    cross, own, other = (
        _shell_sums(values, group, bands)
        for values in ((f * s.conj()).real, f.abs().square(), s.abs().square())
    )  # fmt: skip
    return (cross / (own * other).sqrt()).to(first.dtype)


def log_spectrum(field: Tensor) -> Tensor:
    """log(1 + |FFT|) with zero frequency in the middle, the usual picture of a spectrum.

    Args:
        field: (B, H, W) or (B, D, H, W) floating point.

    Returns:
        The field's shape, float32 or float64.

    Raises:
        ValueError: wrong shape or type.
    """
    shape, field = field.shape, as_field(field)
    axes = tuple(range(1, field.ndim))
    with torch.autocast(field.device.type, enabled=False):
        return torch.fft.fftshift(torch.fft.fftn(field, dim=axes).abs().log1p(), dim=axes).reshape(shape)


def spectrum_correlation(first: Tensor, second: Tensor, scale: Scale = "log_amplitude") -> Tensor:
    """Pearson correlation over frequencies of two fields' amplitude maps, the number beside published spectral maps.

    It sees no phase, so that a shifted mask correlates perfectly with itself, and in "log_amplitude" the many high
    frequencies outweigh the few low ones: :func:`spectral_coherence` by band has neither property.

    Args:
        first, second: (B, H, W) or (B, D, H, W) floating point of one shape.
        scale: of the maps, "log_amplitude" log(1 + |F|) (default), "amplitude" |F| or "power" |F|^2.

    Returns:
        (B,) from -1 to 1, float32 or float64; nan where a map is constant.

    Raises:
        ValueError: wrong shape or type, different shapes or an unknown scale.
    """
    member("scale", scale, SCALES)
    first, second = _pair(first, second)
    axes = tuple(range(1, first.ndim))
    with torch.autocast(first.device.type, enabled=False):
        maps = [torch.fft.fftn(field, dim=axes).abs().flatten(1).double() for field in (first, second)]
    if scale != "amplitude":
        maps = [values.log1p() if scale == "log_amplitude" else values.square() for values in maps]
    f, s = (values - values.mean(1, keepdim=True) for values in maps)
    return ((f * s).sum(1) / (f.square().sum(1) * s.square().sum(1)).sqrt()).to(first.dtype)


def _pair(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    first, second = as_field(first, "first"), as_field(second, "second")
    if first.shape != second.shape:
        raise ValueError(f"second: expected the shape of first, {tuple(first.shape)}, received {tuple(second.shape)}")
    return first, second


def _shell_sums(values: Tensor, group: Tensor, bands: int) -> Tensor:
    """Sum over the full spectrum's bins in each shell, from a half spectrum (B, M) -> (B, bands)."""
    sums = values.new_zeros(len(values), 2 * bands + 1).index_add_(1, group, values)
    return 2 * sums[:, :bands] + sums[:, bands : 2 * bands]
