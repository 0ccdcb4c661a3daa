"""Places for cells on GPUs: each cell is pinned to one device through a lock that a crash cannot leave behind.

A device has as many slots as cells fit into its memory (``compute.gpu_memory_mb``), and a slot is a lock file. The
first slot of every device is taken before the second of any, so that few cells spread over many devices.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from spectralcal.base.console import say
from spectralcal.base.errors import ResultError
from spectralcal.base.locks import POLL_SECONDS, REMIND_SECONDS, Lock
from spectralcal.machine.environment import temporary_folder
from spectralcal.machine.gpus import PRETEND, Gpu, visible_gpus

if TYPE_CHECKING:
    from spectralcal.study.config import ComputeConfig


def slot_count(compute: ComputeConfig, gpus: list[Gpu] | None = None) -> int:
    """How many cells may run on GPUs at a time; 0 without GPUs or with ``compute.device: cpu``."""
    return len(_slots(compute, gpus))


@contextmanager
def gpu_slot(compute: ComputeConfig) -> Iterator[str | None]:
    """Keep a slot for a block and show CUDA that device alone; call it before torch is imported.

    Waits if other processes have all slots. Without a GPU there is no slot; with ``device: auto`` a
    warning says so, because a study that was meant for a GPU takes weeks on a CPU.

    Yields:
        the device's identifier, as in CUDA_VISIBLE_DEVICES; None on a CPU.
    """
    slots = _slots(compute)
    if not slots:
        if compute.device == "auto":
            say("warning: no GPU is visible, so this runs on the CPU (compute.device: cpu says that it is meant)")
        yield None
        return
    device, lock = _wait(slots)
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    os.environ["CUDA_VISIBLE_DEVICES"] = device
    say(f"GPU {device}, slot {lock.path.suffix.removeprefix('.')}")
    try:
        if compute.device == "auto":
            _warn_if_unusable(device)
        yield device
    finally:
        lock.release()
        if before is None:
            os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = before


def _warn_if_unusable(device: str) -> None:
    import torch  # only now: what it finds is decided by CUDA_VISIBLE_DEVICES at this moment

    if not torch.cuda.is_available():
        say(f"warning: torch {torch.__version__} cannot use GPU {device}; this runs on the CPU")


def _slots(compute: ComputeConfig, gpus: list[Gpu] | None = None) -> list[tuple[str, int]]:
    """Every (device, number of the slot), the first slots of all devices before the second ones."""
    if compute.device == "cpu":
        return []
    counted = [(gpu.id, _fitting(gpu, compute.gpu_memory_mb)) for gpu in (visible_gpus() if gpus is None else gpus)]
    most = max((count for _, count in counted), default=0)
    return [(name, number) for number in range(most) for name, count in counted if number < count]


def _fitting(gpu: Gpu, need_mb: int | None) -> int:
    """Cells that fit a device; one if either memory is unknown, and never none: the cell itself says what it lacks."""
    return 1 if need_mb is None or gpu.memory_mb is None else max(1, gpu.memory_mb // need_mb)


def _wait(slots: list[tuple[str, int]]) -> tuple[str, Lock]:
    folder, reminded = _lock_folder(), -REMIND_SECONDS
    while True:
        for device, number in slots:
            lock = Lock(folder / f"{device.replace('/', '_')}.{number}")
            if lock.acquire():
                return device, lock
        if time.monotonic() - reminded >= REMIND_SECONDS:
            reminded = time.monotonic()
            say(f"all {len(slots)} GPU slots are taken; waiting for one")
        time.sleep(POLL_SECONDS)


def _lock_folder() -> Path:
    """A folder of this user on this machine: a slot is taken machine-wide, whichever study takes it."""
    kind = "pretend-slots" if PRETEND in os.environ else "slots"
    folder = temporary_folder() / f"spectralcal-{os.getuid()}" / kind
    try:
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        status = folder.parent.lstat()  # a link of another user's would lead anywhere
    except OSError as error:
        raise ResultError(
            f"{folder.parent}: expected a folder that can be made, got: {error.strerror}; set TMPDIR elsewhere"
        ) from error
    if status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode):
        raise ResultError(f"{folder.parent}: expected a folder of this user, found another's; set TMPDIR elsewhere")
    return folder
