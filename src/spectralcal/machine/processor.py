"""Which processor computes, and what else decides which of torch's kernels run on it."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path
from typing import Any

import torch

#: variables that choose kernels: oneDNN's under its two names, and torch's own
CHOOSING = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")
_CPUINFO = Path("/proc/cpuinfo")
#: what Linux says of a core on x86 and on ARM; "flags" and "Features" are what the system lets programs use
_LINES = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags",
          "CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision", "Features")  # fmt: skip


def processor_name(device: torch.device) -> str:
    """For people: ``AMD EPYC`` or ``NVIDIA H200``; what the platform knows where Linux's file is missing."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return _first_core().get("model name") or platform.processor() or platform.machine() or "unknown processor"


def arithmetic_facts(device: torch.device) -> dict[str, Any]:
    """All that decides which kernels run on `device` and how, as JSON-like values: two equal answers compute alike."""
    core = _first_core()
    facts = {
        "name": processor_name(device),
        "core": hashlib.sha256(repr(sorted(core.items())).encode()).hexdigest()[:16],
        "capability": torch.backends.cpu.get_cpu_capability(),
        "environment": {name: os.environ[name] for name in CHOOSING if name in os.environ},
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    if device.type == "cuda":
        facts |= {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    return facts


def _first_core() -> dict[str, str]:
    """What Linux says of the first core; empty elsewhere."""
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip() in _LINES}
