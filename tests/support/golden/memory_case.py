"""Prepared cases that lie in memory: what samplers, prediction and scoring read, without preparation and files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from golden import formula


class MemoryCase:
    """As much of a prepared case as the engine reads.

    Args:
        name: of the case; the patient is the part before ``_``.
        shape: voxels of the prepared grid.
        classes: labels of the formula, background included.
        channels: of the image.
        original_shape: of the reference's grid; default the prepared one.
        crop: (start, stop) of the prepared grid's box in it; default the whole.
        spacing_mm: of both grids.
        seed: of the formula.
    """

    def __init__(
        self,
        name: str,
        shape: Sequence[int],
        classes: int = 3,
        channels: int = 1,
        *,
        original_shape: Sequence[int] | None = None,
        crop: Sequence[Sequence[int]] | None = None,
        spacing_mm: Sequence[float] | None = None,
        seed: int = 0,
    ) -> None:
        self.id, self.patient, self.shape = name, name.partition("_")[0], tuple(shape)
        self.original_shape = tuple(original_shape or shape)
        self.crop = tuple(map(tuple, crop or [(0, size) for size in self.original_shape]))
        self.spacing_mm = self.original_spacing_mm = tuple(spacing_mm or (1.0,) * len(self.shape))
        self._label = formula.labels(self.shape, classes, seed)
        self._reference = formula.labels(self.original_shape, classes, seed)
        self._image = np.stack([formula.image(self.shape, self._label, seed + c) for c in range(channels)])
        self._posterior: np.ndarray | None = None

    def image(self) -> np.ndarray:
        """(C, *shape) float32."""
        return self._image

    def label(self) -> np.ndarray:
        """(*shape) uint8."""
        return self._label

    def reference(self) -> np.ndarray:
        """(*original_shape) uint8."""
        return self._reference

    def foreground(self) -> np.ndarray:
        """(N, 1 + spatial dims) int32: class, then index, of every foreground voxel."""
        index = np.argwhere(self._label > 0)
        rows = np.column_stack([self._label[tuple(index.T)], index]).astype(np.int32)
        return rows[np.lexsort([*index.T[::-1], rows[:, 0]])]

    def posterior(self) -> np.ndarray | None:
        """(classes, *original_shape), where one was set."""
        return self._posterior

    def with_posterior(self, posterior: np.ndarray) -> MemoryCase:
        """This case with known probabilities."""
        self._posterior = posterior
        return self
