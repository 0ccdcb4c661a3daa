"""Voxels in portions that stay in a processor's cache while several operations pass over them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

#: elements of one portion for each thread: 1 MiB in float32
PORTION = 2**18


def blocks(field: Tensor) -> Iterator[tuple[slice, slice, slice]]:
    """Index triples that together cover a (B, C, V) tensor, each with all C channels of some voxels.

    On a CPU a portion has about :data:`PORTION` elements per thread, all of one sample. Elsewhere there is a single
    portion, because the number of kernels matters most there.
    """
    if field.device.type != "cpu":
        yield slice(None), slice(None), slice(None)
        return
    samples, channels, voxels = field.shape
    step = max(1024, PORTION * torch.get_num_threads() // channels)
    for sample in range(samples):
        for start in range(0, voxels, step):
            yield slice(sample, sample + 1), slice(None), slice(start, start + step)
