"""Out of memory: recognising it, saying it, and giving memory back."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import torch

from spectralcal.base.errors import SpectralcalError


class OutOfMemory(SpectralcalError):
    """The device has too little memory for a step or a window; the message says what to lower."""


def smaller_steps(batch_size: int, patch: Sequence[int]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Batch sizes and patches below the given ones, largest first: batches are halved, then the patch's longest axis.

    Axes stay multiples of 16, which every architecture takes without padding to more, and end at 32 voxels.
    """
    sizes = list(patch)
    while batch_size > 1:
        batch_size //= 2
        yield batch_size, tuple(sizes)
    while max(sizes) > 32:
        longest = max(range(len(sizes)), key=sizes.__getitem__)
        sizes[longest] = max((sizes[longest] - 1) // 16 * 16, 32)
        yield 1, tuple(sizes)


def out_of_memory(where: str, device: torch.device, batch_size: int, patch: Sequence[int]) -> OutOfMemory:
    """The error in one line.

    Args:
        where: for example "step 0".
        device: the device that is full.
        batch_size: training.batch_size as configured.
        patch: training.patch as configured.
    """
    return OutOfMemory(
        f"out of memory at {where}: batch of {batch_size} patches {list(patch)} on {device}{capacity(device)}; lower "
        "training.batch_size or training.patch (every method must then use it), or let fewer cells share the device"
    )


def capacity(device: torch.device) -> str:
    """Memory of a CUDA device as text, `` (3.1 of 139.8 GiB free)``; empty for a CPU."""
    if device.type != "cuda":
        return ""
    free, total = torch.cuda.mem_get_info(device)
    return f" ({free / 2**30:.1f} of {total / 2**30:.1f} GiB free)"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch or Python says that memory is too short; of a CPU's torch has no class of its own."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def forget_peak(device: torch.device) -> None:
    """Give memory back and count peaks from now on: the device's, and on Linux the process's."""
    release()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)  # glibc keeps what is free
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def release() -> None:
    """Give cached blocks back to the device; nothing on a CPU."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
