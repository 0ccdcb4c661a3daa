"""Which GPUs this process may use, found without importing torch, and why torch may have none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass

from spectralcal.base.errors import ConfigError

#: names devices that need not exist, for tests and for machines without nvidia-smi: ``0:81920,1:81920`` (id:MiB)
PRETEND = "SPECTRALCAL_GPUS"

_REASON = """
import torch
if torch.cuda.is_available():
    print("")
elif torch.version.cuda is None:
    print(f"torch {torch.__version__} is built without CUDA; install a CUDA build of the same version")
else:
    try:
        torch.zeros(1, device="cuda")
        print("")
    except Exception as error:
        print(" ".join(str(error).split()))
"""


@dataclass(frozen=True)
class Gpu:
    """A device: what to write into CUDA_VISIBLE_DEVICES, and its memory in MiB if known."""

    id: str
    memory_mb: int | None = None


def visible_gpus() -> list[Gpu]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves to this process; all of the machine's if it is not set.

    Raises:
        ConfigError: the variable that names pretend devices is malformed.
    """
    pretended = os.environ.get(PRETEND)
    present = _pretended(pretended) if pretended is not None else _installed()
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is None:
        return [gpu for gpu, _ in present]
    names = [name.strip() for name in allowed.split(",")]
    visible = []
    for name in names:
        if name in ("", "-1", "NoDevFiles"):
            break  # CUDA, too, ignores what follows an invalid entry
        # What no list knows (a MIG slice, a device under a container runtime) is somebody's deliberate choice.
        visible.append(next((gpu for gpu, index in present if name == index or gpu.id.startswith(name)), Gpu(name)))
    return visible


def why_no_cuda() -> str | None:
    """Why torch cannot use CUDA here, in one line; None if it can. Asks in a process of its own (torch is heavy)."""
    process = subprocess.run(
        [sys.executable, "-c", _REASON], capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if process.returncode:
        return (process.stderr.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
    return process.stdout.strip() or None


def _installed() -> list[tuple[Gpu, str]]:
    """The machine's GPUs with their indices, as nvidia-smi lists them; none without it."""
    if shutil.which("nvidia-smi") is None:
        return []
    # Identifiers, not indices: CUDA may count devices in another order than nvidia-smi.
    command = ["nvidia-smi", "--query-gpu=index,uuid,memory.total", "--format=csv,noheader,nounits"]
    try:
        process = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    rows = [[cell.strip() for cell in line.split(",")] for line in process.stdout.splitlines()]
    return [
        (Gpu(row[1], int(row[2]) if row[2].isdigit() else None), row[0])
        for row in rows
        if len(row) == 3 and process.returncode == 0
    ]


def _pretended(text: str) -> list[tuple[Gpu, str]]:
    devices = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, _, memory = entry.partition(":")
        if memory and not memory.isdigit():
            raise ConfigError(f"{PRETEND}: expected entries like 0:81920 (id:MiB), found '{entry}'")
        devices.append((Gpu(name, int(memory) if memory else None), name))
    return devices
