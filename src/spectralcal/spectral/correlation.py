"""Correlation of two fields by their spectra: the sums behind 2 sum Re(F conj S) / sum(|F|^2 + |S|^2)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from spectralcal.spectral._checks import member
from spectralcal.spectral.power import shell_power
from spectralcal.spectral.shells import shells

BANDS = ("low", "mid", "high")
SPECTRA = ("complex", "amplitude", "log_amplitude")
Band = Literal["all", "low", "mid", "high"]
Spectrum = Literal["complex", "amplitude", "log_amplitude"]


def correlation_sums(
    first: Tensor, second: Tensor, band: Band = "all", spectrum: Spectrum = "complex", onesided: bool = False
) -> tuple[Tensor, Tensor]:
    """Cross power sum Re(F conj S) and power sum(|F|^2 + |S|^2) of two fields, for each image and channel.

    F and S are the unnormalised Fourier transforms of `first` and `second`; both sums are divided by the number of
    voxels. Over all frequencies of the complex spectrum they are therefore sum(f s) and sum(f^2 + s^2) over voxels
    (Parseval), and are computed so, without a transform.

    Args:
        first, second: (B, C, *spatial) of one shape, float32 or float64, 2-D or 3-D. An axis of length 1 counts as
            absent.
        band: "all" frequencies (default), or the "low", "mid" or "high" third of the radii up to the corners; zero
            frequency is in "low".
        spectrum: "complex" (default); "amplitude", |F| and |S| in place of F and S, which ignores where things are;
            "log_amplitude", log(1 + |F|) and log(1 + |S|), which depends on the scale of the transform too.
        onesided: sum over the half spectrum that a real transform returns without counting mirrored frequencies twice.
            Default False, the full spectrum; the half weighs frequencies of its edges double and is no Dice.

    Returns:
        Two tensors (B, C). Differentiable in `first`; in `second` only without a band or with another spectrum than
        the complex one.

    Raises:
        ValueError: an unknown option; a band of sides below 6, where a third may contain no frequency.
    """
    member("band", band, ("all", *BANDS))
    member("spectrum", spectrum, SPECTRA)
    first, second = _without_single(first), _without_single(second)
    shape = tuple(first.shape[2:])
    if band != "all" and min(shape) < 2 * len(BANDS):
        raise ValueError(
            f"band: expected spatial sides >= {2 * len(BANDS)} for {band!r}, received {shape}; use band='all'"
        )
    if spectrum == "complex" and not onesided:
        if band == "all":
            f, s = first.flatten(2), second.flatten(2)
            return (f * s).sum(2), (f.square() + s.square()).sum(2)
        return _of_band(first, second, band)
    return _of_bins(first, second, band, spectrum, onesided)


def _of_band(first: Tensor, second: Tensor, band: str) -> tuple[Tensor, Tensor]:
    """Sums over a band of the complex spectrum."""
    shape, table = tuple(first.shape[2:]), first.shape[:2]
    count, index = len(BANDS), BANDS.index(band)
    group = shells(shape, count, "corner", True, "drop", "cycles", first.device).group
    f, s = first.flatten(0, 1), second.flatten(0, 1)  # (B * C, *spatial)
    power = (shell_power(f, group, count) + shell_power(s, group, count))[:, index] / math.prod(shape)
    # One factor restricted to the band restricts the product: the sum stays linear in the first field.
    product = (_restricted(s, group, count, index) * f).flatten(1).sum(1)
    return product.reshape(table), power.reshape(table)


def _of_bins(first: Tensor, second: Tensor, band: str, spectrum: str, onesided: bool) -> tuple[Tensor, Tensor]:
    """Sums over the bins of real transforms, written out."""
    shape = tuple(first.shape[2:])
    axes = tuple(range(2, first.ndim))
    f, s = torch.fft.rfftn(first, dim=axes), torch.fft.rfftn(second, dim=axes)
    weight = _bin_weights(shape, band, onesided, first.device).to(first.dtype) / math.prod(shape)
    if spectrum == "complex":
        cross = f.real * s.real + f.imag * s.imag
        power = f.real.square() + f.imag.square() + s.real.square() + s.imag.square()
    else:
        f, s = f.abs(), s.abs()
        if spectrum == "log_amplitude":
            f, s = f.log1p(), s.log1p()
        cross, power = f * s, f.square() + s.square()
    return (weight * cross).flatten(2).sum(2), (weight * power).flatten(2).sum(2)


def _bin_weights(shape: tuple[int, ...], band: str, onesided: bool, device: torch.device) -> Tensor:
    """How often each bin of a half spectrum counts: (*shape[:-1], shape[-1] // 2 + 1)."""
    count = len(BANDS)
    group = shells(shape, count, "corner", True, "drop", "cycles", device).group
    # Groups below `count` are bins whose mirror images are not stored.
    weight = torch.where(group < count, 1 if onesided else 2, 1)
    if band != "all":
        weight = weight * (group % count == BANDS.index(band))
    return weight.reshape(*shape[:-1], shape[-1] // 2 + 1)


def _without_single(field: Tensor) -> Tensor:
    """A field (B, C, *spatial) without its spatial axes of length 1, of which the last stays if all are."""
    sizes = [size for size in field.shape[2:] if size > 1] or [1]
    return field.reshape(*field.shape[:2], *sizes)


@torch.no_grad()
def _restricted(field: Tensor, group: Tensor, bands: int, index: int) -> Tensor:
    """`field` (N, *spatial) with the frequencies of one shell alone."""
    axes = tuple(range(1, field.ndim))
    spectrum = torch.fft.rfftn(field, dim=axes)
    keep = ((group == index) | (group == bands + index)).reshape(spectrum.shape[1:])
    return torch.fft.irfftn(spectrum * keep, s=field.shape[1:], dim=axes)
