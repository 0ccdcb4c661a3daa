"""Small and read-only disks for tests: a tmpfs, which takes root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def missing() -> str | None:
    """Why no disk can be made here; None if one can."""
    if os.geteuid() != 0:
        return "mounting a small disk needs root"
    found = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return None if found.returncode == 0 else "mounting is not allowed here"


@contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[Path]:
    """A disk of so many KiB at `folder`, gone after the block."""
    folder.mkdir(parents=True, exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        _run("umount", "--lazy", str(folder))


def change(folder: Path, options: str) -> None:
    """Mount again with other options: ``ro``, ``rw``, ``size=8m``."""
    _run("mount", "-o", f"remount,{options}", str(folder))


@contextmanager
def filled(folder: Path, leave_kib: int) -> Iterator[None]:
    """Fill the disk of `folder` up to a rest, in a block."""
    ballast = folder / "ballast"
    free = os.statvfs(folder)
    size = free.f_bavail * free.f_frsize - leave_kib * 1024
    ballast.write_bytes(bytes(max(size, 0)))
    try:
        yield
    finally:
        ballast.unlink()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
