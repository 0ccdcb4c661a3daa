"""Watching for a loss or gradient that is not finite without making the host wait for the device."""

from __future__ import annotations

import torch
from torch import Tensor


class FiniteWatch:
    """Remembers, on the device, the first step at which a number was NaN or infinite, and its numbers."""

    def __init__(self, device: torch.device, numbers: int) -> None:
        self._step = torch.full((), -1, dtype=torch.long, device=device)
        self._values = torch.zeros(numbers, device=device)

    def observe(self, step: int, *values: Tensor) -> None:
        """Note the scalars of a step; never waits for the device."""
        latest = torch.stack([value.detach().float() for value in values])
        first = (self._step < 0) & ~torch.isfinite(latest).all()
        self._step = torch.where(first, step, self._step)
        self._values = torch.where(first, latest, self._values)

    def first_bad(self) -> tuple[int, list[float]] | None:
        """The first step with a number that was not finite, and its numbers; None if there is none. Waits."""
        step = int(self._step)
        return None if step < 0 else (step, self._values.tolist())
