"""What a result was made with: code version, packages, machine and cost."""

from __future__ import annotations

import importlib.metadata
import platform
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "monai", "numpy", "scipy", "pandas", "nibabel", "SimpleITK")
#: further packages that take part in a cell
OTHERS = ("numba", "safetensors", "scikit-learn", "pyarrow", "pydantic", "snakemake")


def environment() -> dict[str, Any]:
    """Versions of spectralcal, Python and the packages that take part, the commit of the code and whether it was
    edited since (``dirty``; None outside a repository)."""
    import spectralcal

    found = commit()
    return {
        "spectralcal": spectralcal.__version__,
        "commit": None if found is None else found.removesuffix("-dirty"),
        "dirty": None if found is None else found.endswith("-dirty"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: version for name in (*PACKAGES, *OTHERS) if (version := _version(name)) is not None},
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def commit() -> str | None:
    """The git commit of the source, ``-dirty`` if it was edited; None outside a repository."""
    folder = Path(__file__).parent
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)
