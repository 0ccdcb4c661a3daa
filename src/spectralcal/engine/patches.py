"""Patches from prepared cases, without a scan: arrays are read by memory map, foreground centres are stored.

What a sampler keeps does not grow with the number of cases: a few open files, and foreground voxels up to a limit.
Cases are drawn evenly, so that which of them are kept makes no difference to how often one is found.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from spectralcal.base.errors import DataError
from spectralcal.base.seeds import stream_seed

if TYPE_CHECKING:
    from spectralcal.data.manifest import PreparedCase

#: cases that a sampler keeps open, however many files the process may open; opening one again takes 0.4 ms
MOST_OPEN = 1024
#: foreground voxels that a sampler keeps, 4 bytes each: enough for the volumes of any study of a few hundred cases. Of
#: the cases beyond, they are read when one is drawn.
CENTRES_KEPT = 1 << 24


@dataclass
class _Centres:
    """Foreground voxels that are kept, by case, and how many more may be."""

    space: int
    cases: dict[int, list[np.ndarray]] = field(default_factory=dict)


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
    def _opened(self) -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
        """Image and label of a case by its place among the cases."""

        @lru_cache(open_cases())
        def opened(chosen: int) -> tuple[np.ndarray, np.ndarray]:
            return self.cases[chosen].image(), self.cases[chosen].label()

        return opened

    @cached_property
    def _channels(self) -> int:
        return self._opened(0)[0].shape[0]

    @cached_property
    def _centres(self) -> _Centres:
        return _Centres(CENTRES_KEPT)

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """Images (B, C, *patch) float32, labels (B, *patch) int64 and case names of batch `step`."""
        rng = np.random.default_rng(stream_seed(*self.stream, step))
        centred = math.ceil(self.batch_size * self.foreground_share)
        images = np.empty((self.batch_size, self._channels, *self.patch), np.float32)
        labels = np.empty((self.batch_size, *self.patch), np.int64)
        names = []
        for index in range(self.batch_size):
            chosen = int(rng.integers(len(self.cases)))
            image, label = self._opened(chosen)
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
        """(N,) foreground voxels of a case by their place in the flat label, one array for each class that it has."""
        centres = self._centres.cases.get(chosen)
        if centres is None:
            centres = flat_centres(self.cases[chosen].foreground(), self.cases[chosen].shape)
            size = sum(voxels.size for voxels in centres)
            if size <= self._centres.space:
                self._centres.cases[chosen] = centres
                self._centres.space -= size
        return centres

    def _foreground_start(
        self, rng: np.random.Generator, shape: tuple[int, ...], centres: list[np.ndarray]
    ) -> list[int]:
        voxels = centres[int(rng.integers(len(centres)))]
        centre = np.unravel_index(voxels[int(rng.integers(len(voxels)))], shape)
        return [min(max(int(middle) - patch // 2, 0), max(size - patch, 0))
                for middle, size, patch in zip(centre, shape, self.patch, strict=True)]  # fmt: skip


def open_cases() -> int:
    """Cases that a sampler keeps open: two files each, and the samplers of training and validation live side by side,
    so that both together take half of the files that this process may open (32 cases each if those are 256)."""
    try:
        import resource
    except ImportError:  # Windows, whose C runtime opens 512
        return 512 // 8
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_OPEN if allowed == resource.RLIM_INFINITY else max(1, min(allowed // 8, MOST_OPEN))


def flat_centres(foreground: np.ndarray, shape: Sequence[int]) -> list[np.ndarray]:
    """Foreground voxels by class, in ascending order of the classes, each class in the order in which it is stored.

    Args:
        foreground: (N, 1 + spatial dims) class and index of each voxel.
        shape: (*spatial) of the label.

    Returns:
        For each class that occurs, (n,) places in the flat label: a third or a quarter of the memory of indices.
    """
    foreground = np.asarray(foreground)
    if not len(foreground):
        return []
    classes, voxels = foreground[:, 0], np.ravel_multi_index(tuple(foreground[:, 1:].T), tuple(shape))
    order = np.argsort(classes, kind="stable")
    _, starts = np.unique(classes[order], return_index=True)
    fits = math.prod(shape) <= np.iinfo(np.int32).max
    return np.split(voxels[order].astype(np.int32 if fits else np.int64), starts[1:])


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
