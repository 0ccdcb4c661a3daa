"""Prepared volumes loaded into memory, where they fit, instead of read through memory maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from spectralcal.data.manifest import PreparedCase


class ResidentCase:
    """The arrays of a prepared case, in memory, as far as a patch sampler needs them."""

    def __init__(self, case: PreparedCase) -> None:
        self.id, self.shape = case.id, case.shape
        self._image, self._label = (np.array(array) for array in (case.image(), case.label()))
        self._foreground = np.array(case.foreground())

    def image(self) -> np.ndarray:
        """(C, *shape), as stored."""
        return self._image

    def label(self) -> np.ndarray:
        """(*shape) uint8."""
        return self._label

    def foreground(self) -> np.ndarray:
        """(N, 1 + spatial dims) int32."""
        return self._foreground


def load_into_memory(
    cases: Sequence[PreparedCase], limit_mb: int
) -> tuple[Sequence[PreparedCase | ResidentCase], bool]:
    """The cases in memory and True if their arrays take at most `limit_mb` MiB together; else as they are and False."""
    left = limit_mb * 2**20
    for case in cases:  # of thousands that do not fit, only the first are looked at
        left -= case.image().nbytes + case.label().nbytes + case.foreground().nbytes
        if left < 0:
            return cases, False
    return [ResidentCase(case) for case in cases], True
