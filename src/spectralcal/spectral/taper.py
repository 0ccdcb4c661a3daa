"""Separable window functions that fade a field out towards its borders."""

from __future__ import annotations

import torch
from torch import Tensor

from spectralcal.spectral._checks import member


def taper_window(shape: tuple[int, ...], kind: str = "hamming", like: Tensor | None = None) -> Tensor:
    """Product of symmetric 1-D windows, one per axis: `shape`, float64, or the type and device of `like`.

    Raises:
        ValueError: an unknown `kind`; only "hamming" is defined.
    """
    member("taper", kind, ("hamming",))
    window = torch.ones((), dtype=torch.float64)
    for axis, size in enumerate(shape):
        along = torch.hamming_window(size, periodic=False, dtype=torch.float64)
        window = window * along.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return window if like is None else window.to(like)


def tapered(field: Tensor, kind: str = "hamming") -> Tensor:
    """`field` (B, *spatial) less its mean, times the window.

    The mean goes first: under a window it would spread from zero frequency into the lowest band.
    """
    axes = tuple(range(1, field.ndim))
    return (field - field.mean(axes, keepdim=True)) * taper_window(tuple(field.shape[1:]), kind, field)
