"""Concentric shells of the frequency domain (paper, Eq. 4) on the half spectrum that a real transform returns."""

from __future__ import annotations

import functools
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from spectralcal.spectral._checks import member

Edges = Literal["inscribed", "corner", "as_printed"]
Beyond = Literal["drop", "merge"]
Frequency = Literal["cycles", "index"]

#: a radius within this relative distance of an edge lies on it; rounding of k * r / K must not move a bin
TOLERANCE = 1e-9


class Shells(NamedTuple):
    """Which shell each bin of a half spectrum belongs to.

    Attributes:
        group: (M,) int32, M = bins of the half spectrum in row-major order. With K shells: k for a bin of shell k whose
            mirror image is not stored (it counts twice), K + k for a bin that is its own mirror image or whose mirror
            image is stored (it counts once), 2K for a bin of no shell.
        count: (K,) float64, bins of each shell in the full spectrum.
    """

    group: Tensor
    count: Tensor


def radius(shape: tuple[int, ...], frequency: Frequency = "cycles") -> Tensor:
    """Distance of each half-spectrum bin from zero frequency.

    Args:
        shape: spatial sizes of the field, for example (96, 96, 96).
        frequency: "index" measures in integer frequency indices, as Eq. 4 writes it; "cycles" measures in cycles/voxel
            times the shortest side, so that a shell is a sphere in physical frequency when the sides differ. On cubes
            both are the same. Default "cycles": an index radius is not isotropic on other shapes.

    Returns:
        (*shape[:-1], shape[-1] // 2 + 1) float64.
    """
    member("frequency", frequency, ("cycles", "index"))
    squared = torch.zeros((), dtype=torch.float64)
    for axis, size in enumerate(shape):
        last = axis == len(shape) - 1
        index = torch.arange(size // 2 + 1) if last else (torch.arange(size) + size // 2) % size - size // 2
        scale = min(shape) / size if frequency == "cycles" else 1.0
        along = (index.to(torch.float64) * scale).square()
        squared = squared + along.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return squared.sqrt()


def shell_edges(
    shape: tuple[int, ...], bands: int, edges: Edges = "inscribed", frequency: Frequency = "cycles"
) -> Tensor:
    """Outer radii r_1 < ... < r_K of the shells, in the units of :func:`radius`; r_0 = 0.

    With m the shortest side: "inscribed" r_k = k m / (2 K), K equal shells up to the Nyquist sphere; "corner"
    r_k = k r_max / K, equal shells up to the largest radius present; "as_printed" r_k = k m / 2, Eq. 4 to the letter,
    where a missing division by K leaves every shell after the corners empty. Default "inscribed", the smallest repair.

    Returns:
        (K,) float64.
    """
    member("edges", edges, ("inscribed", "corner", "as_printed"))
    steps = torch.arange(1, bands + 1, dtype=torch.float64)
    if edges == "inscribed":
        return steps * min(shape) / (2 * bands)
    if edges == "corner":
        return steps * float(radius(shape, frequency).max()) / bands
    return steps * min(shape) / 2


@functools.lru_cache(maxsize=8)
def shells(
    shape: tuple[int, ...],
    bands: int,
    edges: Edges = "inscribed",
    include_dc: bool = False,
    beyond: Beyond = "drop",
    frequency: Frequency = "cycles",
    device: torch.device | None = None,
) -> Shells:
    """The shell of every half-spectrum bin, kept for the last few (shape, options, device).

    Shell k contains the radii r_{k-1} < r <= r_k. Zero frequency lies on r_0 and so outside the first shell, as the
    strict inequality of Eq. 4 says; `include_dc` puts it there. `beyond` says what becomes of radii above r_K, the
    corners of an inscribed partition: "drop" leaves them out (literal Eq. 4), "merge" adds them to the last shell.
    """
    member("beyond", beyond, ("drop", "merge"))
    # A table first made inside inference mode could not be used by a later training step.
    with torch.inference_mode(False), torch.no_grad():
        distance = radius(shape, frequency)
        outer = shell_edges(shape, bands, edges, frequency) * (1 + TOLERANCE)
        shell = torch.bucketize(distance, outer)  # index of the first edge >= distance; K when beyond all of them
        if beyond == "merge":
            shell = shell.clamp_max(bands - 1)
        if not include_dc:
            shell[(0,) * len(shape)] = bands
        outside = shell == bands
        single = torch.zeros(shape[-1] // 2 + 1, dtype=torch.bool)
        single[0] = True
        if shape[-1] % 2 == 0:
            single[-1] = True
        group = torch.where(outside, 2 * bands, shell + bands * single).flatten()
        tally = torch.bincount(group, minlength=2 * bands + 1).to(torch.float64)
        count = 2 * tally[:bands] + tally[bands : 2 * bands]
        return Shells(group.to(torch.int32).to(device), count.to(device))


@functools.lru_cache(maxsize=64)
def empty_shells(
    shape: tuple[int, ...],
    bands: int,
    edges: Edges = "inscribed",
    include_dc: bool = False,
    beyond: Beyond = "drop",
    frequency: Frequency = "cycles",
) -> tuple[int, ...]:
    """Numbers 1..K of the shells that contain no frequency of a field of this shape."""
    count = shells(shape, bands, edges, include_dc, beyond, frequency).count
    return tuple((count == 0).nonzero()[:, 0].add(1).tolist())


def check_bands(
    shape: tuple[int, ...],
    bands: int,
    edges: Edges = "inscribed",
    include_dc: bool = False,
    beyond: Beyond = "drop",
    frequency: Frequency = "cycles",
) -> None:
    """Refuse a number of bands that leaves a shell without any frequency.

    Half the shortest side never does for shells of equal width; where the sides differ, more may fit. "as_printed"
    shells are empty by their definition, and are left alone up to that half.

    Raises:
        ValueError: `bands` is no integer of at least 1, or leaves a shell empty; an unknown option.
    """
    safe = max(min(shape) // 2, 1)
    whole = isinstance(bands, int) and not isinstance(bands, bool) and bands >= 1
    if whole and bands <= safe:
        return
    empty = empty_shells(shape, bands, edges, include_dc, beyond, frequency) if whole and bands <= max(shape) else None
    if empty == ():
        return
    numbers = f" (shell {', '.join(map(str, empty))} of {bands} has no frequency)" if empty else ""
    raise ValueError(
        f"bands: expected an integer from 1 to {safe}, half the shortest side of {shape}, or more where these leave no "
        f"shell empty, received {bands!r}{numbers}; use fewer bands or larger patches"
    )
