"""Energy that the machine used while a cell was trained, where its counters can be read.

Counters belong to a whole processor package or GPU: what else ran there at the same time is included. On many systems
only the administrator may read the processor's counter; then there is no number, not a guess.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

POWERCAP = Path("/sys/class/powercap")


class EnergyMeter:
    """Joules between two moments.

    Args:
        gpu: PCI bus identifier of the CUDA device in use (``"00000000:17:00.0"``); None without one.
        powercap: folder of the processor's counters.
    """

    def __init__(self, gpu: str | None = None, powercap: Path = POWERCAP) -> None:
        self._zones = [zone for zone in sorted(powercap.glob("intel-rapl:*")) if zone.name.count(":") == 1]
        self._read_gpu = None if gpu is None else _gpu_counter(gpu)
        self._begun = time.monotonic()
        self._cpu_start, self._gpu_start = self._cpu(), self._gpu()

    def read(self) -> dict[str, Any] | None:
        """``cpu_joules``, ``gpu_joules`` (None where a counter cannot be read) and the ``seconds`` that they cover.

        None if neither counter can be read.
        """
        cpu, gpu = self._cpu(), self._gpu()
        processor = None
        if self._cpu_start and cpu and cpu.keys() == self._cpu_start.keys():
            processor = sum(_difference(self._cpu_start[z][0], cpu[z][0], cpu[z][1]) for z in cpu) / 1e6
        device = None if gpu is None or self._gpu_start is None else (gpu - self._gpu_start) / 1e3
        if processor is None and device is None:
            return None
        return {
            "cpu_joules": None if processor is None else round(processor, 1),
            "gpu_joules": None if device is None else round(device, 1),
            "seconds": round(time.monotonic() - self._begun, 2),
        }

    def _cpu(self) -> dict[str, tuple[int, int]]:
        """Microjoules and their range by zone; empty where a counter cannot be read."""
        try:
            return {
                zone.name: (
                    int((zone / "energy_uj").read_text(encoding="utf-8")),
                    int((zone / "max_energy_range_uj").read_text(encoding="utf-8")),
                )
                for zone in self._zones
            }
        except (OSError, ValueError):
            return {}

    def _gpu(self) -> int | None:
        return None if self._read_gpu is None else self._read_gpu()


def _difference(before: int, after: int, limit: int) -> int:
    """Growth of a counter that starts again at zero when it reaches `limit`."""
    return after - before if after >= before else after - before + limit


def _gpu_counter(bus: str) -> Callable[[], int | None] | None:
    """A function that reads the millijoules of a GPU since its driver was loaded; None if NVML cannot."""
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
        handle = ctypes.c_void_p()
        if library.nvmlInit_v2() or library.nvmlDeviceGetHandleByPciBusId_v2(bus.encode(), ctypes.byref(handle)):
            return None
    except (OSError, AttributeError):
        return None

    def read() -> int | None:
        energy = ctypes.c_ulonglong()
        failed = library.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(energy))
        return None if failed else energy.value

    return read
