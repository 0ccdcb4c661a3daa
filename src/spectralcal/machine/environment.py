"""What a result was made with: code version, packages, machine and cost."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from spectralcal.base.errors import ResultError

PACKAGES = ("torch", "monai", "numpy", "scipy", "pandas", "nibabel", "SimpleITK")
#: further packages that take part in a cell
OTHERS = ("numba", "safetensors", "pyarrow", "pydantic", "snakemake")


def environment() -> dict[str, Any]:
    """Versions of spectralcal, Python and the packages that take part, the commit of the code and whether it was
    edited since (``dirty``; None outside a repository)."""
    import spectralcal

    head = commit()
    return {
        "spectralcal": spectralcal.__version__,
        "commit": None if head is None else head.removesuffix("-dirty"),
        "dirty": None if head is None else head.endswith("-dirty"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: version for name in (*PACKAGES, *OTHERS) if (version := _version(name)) is not None},
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def commit(folder: Path = Path(__file__).parents[1]) -> str | None:
    """The git commit of the code in `folder`; ``-dirty`` if a file there was edited or added. None: no repository.

    Results of other cells lie in the same repository and do not count: they change no number.
    """
    head = _git(folder, "rev-parse", "HEAD")
    if not head:
        return None
    edited = _git(folder, "status", "--porcelain", "--", ".")
    return f"{head}-dirty" if edited or edited is None else head


def _git(folder: Path, *command: str) -> str | None:
    """What git prints; None where it cannot answer."""
    try:
        process = subprocess.run(
            ["git", "-C", str(folder), *command],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return process.stdout.strip() if process.returncode == 0 else None


def temporary_folder() -> Path:
    """Where temporary files go: TMPDIR, or else ``/tmp`` and the like.

    Raises:
        ResultError: none of these can be written to.
    """
    try:
        return Path(tempfile.gettempdir())
    except OSError as error:
        raise ResultError(
            "TMPDIR: expected a folder for temporary files that can be written to, found none "
            f"({error.strerror or error}); set it to one"
        ) from error


def usable_cores() -> int:
    """Cores that this process may use: a scheduler or ``taskset`` may allow fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)
