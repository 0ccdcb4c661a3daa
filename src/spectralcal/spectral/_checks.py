"""What a field must look like before it goes through a Fourier transform."""

from __future__ import annotations

import torch
from torch import Tensor


def as_field(field: Tensor, name: str = "field") -> Tensor:
    """`field` as float32 or float64, after checking that it is (B, H, W) or (B, D, H, W).

    Half precision is widened: squared magnitudes of a 96^3 sum exceed the range of float16. A 3-D axis of length 1 is
    dropped, because a single slice of a volume has the spectrum of a 2-D slice.

    Raises:
        ValueError: not floating point, or not a batch of 2-D or 3-D fields with sides of at least 2.
    """
    if not isinstance(field, Tensor) or not field.is_floating_point():
        received = field.dtype if isinstance(field, Tensor) else type(field).__name__
        raise ValueError(f"{name}: expected a floating-point tensor, received {received}; convert it with .float()")
    if field.ndim == 4 and 1 in field.shape[1:]:
        axis = 1 + tuple(field.shape[1:]).index(1)
        field = field.squeeze(axis)
    if field.ndim not in (3, 4) or min(field.shape[1:]) < 2 or field.shape[0] < 1:
        raise ValueError(
            f"{name}: expected shape (B, H, W) or (B, D, H, W) with sides >= 2, received {tuple(field.shape)}; "
            "reduce the class axis first, for example with confidence_map"
        )
    return field if field.dtype in (torch.float32, torch.float64) else field.float()


def member(name: str, value: object, valid: tuple[str, ...]) -> None:
    """Raise ValueError unless `value` is one of `valid`."""
    if value not in valid:
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, valid))}, received {value!r}")
