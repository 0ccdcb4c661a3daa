"""Batches ahead of time: while the device works on one step, a thread reads the patches of the next.

A batch is a pure function of its step, so reading ahead cannot change what a step sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from spectralcal.engine.patches import PatchSampler


def prefetched(
    sampler: PatchSampler, start: int, stop: int, device: torch.device
) -> Iterator[tuple[int, Tensor, Tensor, list[str]]]:
    """Steps `start` to `stop` - 1 with images (B, C, *patch), labels (B, *patch) on `device`, and case names.

    Close the iterator (or exhaust it) to end its thread. An error while reading surfaces at the step it belongs to.
    """

    def read(step: int) -> tuple[Tensor, Tensor, list[str]]:
        images, labels, names = sampler.batch(step)
        tensors = torch.from_numpy(images), torch.from_numpy(labels)
        if device.type == "cuda":
            # Only page-locked memory is copied without a wait of the host.
            tensors = tensors[0].pin_memory(), tensors[1].pin_memory()
        return *tensors, names

    with ThreadPoolExecutor(1, "batches") as reader:
        following = reader.submit(read, start) if start < stop else None
        for step in range(start, stop):
            images, labels, names = following.result()
            following = reader.submit(read, step + 1) if step + 1 < stop else None
            yield step, images.to(device, non_blocking=True), labels.to(device, non_blocking=True), names
