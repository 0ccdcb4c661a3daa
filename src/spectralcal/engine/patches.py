"""Patches from prepared cases, without a scan: arrays are read by memory map, foreground centres are stored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from spectralcal.base.errors import DataError
from spectralcal.base.seeds import stream_seed

if TYPE_CHECKING:
    from spectralcal.data.manifest import PreparedCase


@dataclass(frozen=True)
class PatchSampler:
    """Draws batches of patches; batch `step` is a pure function of (data set, seed, step).

    Args:
        cases: prepared cases to draw from.
        patch: patch size in voxels per axis.
        batch_size: patches per batch.
        foreground_share: the last ``ceil(batch_size * foreground_share)`` patches of a batch are centred on a voxel of
            a foreground class, the class drawn first, so that small structures are seen as often as large ones.
        stream: names of the random stream, for example ``("batch", "hippocampus", 0)``.
    """

    cases: Sequence[PreparedCase]
    patch: tuple[int, ...]
    batch_size: int
    foreground_share: float
    stream: tuple[str | int, ...]

    def __post_init__(self) -> None:
        if not self.cases:
            raise DataError(f"{'/'.join(map(str, self.stream))}: no case to draw patches from; check the split")
        dims = len(self.cases[0].shape)
        if len(self.patch) != dims:
            raise DataError(f"training.patch: expected {dims} sizes for {dims}-D images, found {list(self.patch)}")

    @cached_property
    def _arrays(self) -> list[tuple[np.ndarray, np.ndarray]]:
        return [(case.image(), case.label()) for case in self.cases]

    @cached_property
    def _centres(self) -> dict[int, list[np.ndarray]]:
        return {}

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """Images (B, C, *patch) float32, labels (B, *patch) int64 and case names of batch `step`."""
        rng = np.random.default_rng(stream_seed(*self.stream, step))
        centred = math.ceil(self.batch_size * self.foreground_share)
        images = np.empty((self.batch_size, self._arrays[0][0].shape[0], *self.patch), np.float32)
        labels = np.empty((self.batch_size, *self.patch), np.int64)
        names = []
        for index in range(self.batch_size):
            chosen = int(rng.integers(len(self.cases)))
            image, label = self._arrays[chosen]
            centres = self._centres_of(chosen) if index >= self.batch_size - centred else []
            if centres:
                start = self._foreground_start(rng, label.shape, centres)
            else:
                start = [int(rng.integers(size - patch + 1)) if size > patch else 0
                         for size, patch in zip(label.shape, self.patch, strict=True)]  # fmt: skip
            images[index] = extract(image, start, self.patch, fill=None)
            labels[index] = extract(label[None], start, self.patch, fill=0)[0]
            names.append(self.cases[chosen].id)
        return images, labels, names

    def _centres_of(self, chosen: int) -> list[np.ndarray]:
        """(N, spatial dims) foreground voxels of a case, one array for each class that it has, kept for later draws."""
        if chosen not in self._centres:
            foreground = np.asarray(self.cases[chosen].foreground())
            order = np.argsort(foreground[:, 0], kind="stable")
            _, starts = np.unique(foreground[order, 0], return_index=True)
            voxels = np.split(foreground[order, 1:], starts[1:])
            self._centres[chosen] = voxels if len(foreground) else []
        return self._centres[chosen]

    def _foreground_start(
        self, rng: np.random.Generator, shape: tuple[int, ...], centres: list[np.ndarray]
    ) -> list[int]:
        voxels = centres[int(rng.integers(len(centres)))]
        centre = voxels[int(rng.integers(len(voxels)))].tolist()
        return [min(max(middle - patch // 2, 0), max(size - patch, 0))
                for middle, size, patch in zip(centre, shape, self.patch, strict=True)]  # fmt: skip


def extract(array: np.ndarray, start: Sequence[int], patch: Sequence[int], fill: float | None) -> np.ndarray:
    """A patch (C, *patch) of `array` (C, *spatial) at `start`; axes shorter than the patch are padded on both sides.

    Args:
        fill: value of padded voxels; None: the minimum of each channel of the patch (docs/ambiguities.md M22).
    """
    spatial = array.shape[1:]
    window = tuple(slice(s, s + min(p, n)) for s, p, n in zip(start, patch, spatial, strict=True))
    values = np.asarray(array[(slice(None), *window)])
    missing = [p - n for p, n in zip(patch, values.shape[1:], strict=True)]
    if not any(missing):
        return values
    widths = [(gap // 2, gap - gap // 2) for gap in missing]
    if fill is not None:
        return np.pad(values, [(0, 0), *widths], constant_values=fill)
    return np.stack([np.pad(channel, widths, constant_values=channel.min()) for channel in values])


def check_patch(cases: Sequence[PreparedCase], patch: Sequence[int], pad_small: bool) -> int:
    """Number of cases smaller than the patch along some axis.

    Raises:
        DataError: if there are any and `pad_small` is false; the message names the smallest case.
    """
    small = [case for case in cases if any(n < p for n, p in zip(case.shape, patch, strict=True))]
    if small and not pad_small:
        case = min(small, key=lambda item: (math.prod(item.shape), item.id))
        raise DataError(
            f"training.patch: {list(patch)} is larger than the prepared volume of case '{case.id}', {list(case.shape)} "
            f"({len(small)} of {len(cases)} cases); use a smaller patch or set training.pad_small: true"
        )
    return len(small)
