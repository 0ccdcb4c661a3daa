"""Inputs that come from integer arithmetic and IEEE operations alone: the same bits on every machine, no generator."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def noise(shape: Sequence[int], seed: int = 0) -> np.ndarray:
    """Numbers in [0, 1) that look random, multiples of 2^-24, so that float32 holds them exactly."""
    with np.errstate(over="ignore"):
        index = np.arange(1, math.prod(shape) + 1, dtype=np.uint64) + (np.uint64(seed) << np.uint64(32))
        mixed = index * np.uint64(_GOLDEN)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(_FIRST)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(_SECOND)
    return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(40)).astype(np.float64).reshape(tuple(shape)) / 2**24


def axes(shape: Sequence[int]) -> list[np.ndarray]:
    """Positions from -1 to 1 along each axis, shaped to broadcast."""
    return [
        ((2 * np.arange(size) + 1) / size - 1).reshape([-1 if a == axis else 1 for a in range(len(shape))])
        for axis, size in enumerate(shape)
    ]


def labels(shape: Sequence[int], classes: int, seed: int = 0) -> np.ndarray:
    """(*shape) uint8 labels 0 to classes - 1: overlapping ellipsoids off the middle, a later class over an earlier."""
    found = np.zeros(tuple(shape), np.uint8)
    for label in range(1, classes):
        where, width = (noise([len(shape)], 100 * seed + 10 * label + k) for k in range(2))
        distance = sum(
            ((x - (w - 0.5)) / (0.45 + 0.3 * v)) ** 2 for x, w, v in zip(axes(shape), where, width, strict=True)
        )
        found[distance < 1.0 / label**0.5] = label
    return found


def slope(shape: Sequence[int], seed: int = 0) -> np.ndarray:
    """(*shape) a smooth field of size about one: a quadratic form in the positions."""
    found = np.zeros(tuple(shape))
    weights = noise([2 * len(shape)], 7000 + seed) - 0.5
    for axis, x in enumerate(axes(shape)):
        found = found + weights[2 * axis] * x + 2 * weights[2 * axis + 1] * (x * x - 0.5)
    return found


def image(shape: Sequence[int], label: np.ndarray, seed: int = 0, grain: float = 0.5) -> np.ndarray:
    """(*shape) float32 intensities that tell something of the label."""
    return (0.8 * label + slope(shape, seed) + grain * (noise(shape, 5000 + seed) - 0.5)).astype(np.float32)


def logits(label: np.ndarray, classes: int, seed: int = 0) -> np.ndarray:
    """(B, C, *spatial) float32 for labels (B, *spatial): often right, sure here and unsure there.

    Every sample has its own mixture of smooth and rough, so that spectra of a batch differ.
    """
    batch, shape = label.shape[0], label.shape[1:]
    found = np.empty((batch, classes, *shape), np.float32)
    for sample in range(batch):
        for c in range(classes):
            key = 50 * seed + 10 * sample + c
            right = (1.5 + sample) * (label[sample] == c)
            rough = (2.0 + 3.0 * sample + 0.5 * seed) * (noise(shape, 900 + key) - 0.5)
            found[sample, c] = right + rough + (3.0 - sample) * slope(shape, key)
    return found
