"""Compiled versions of :mod:`spectralcal.metrics.kernels`, made when they pay and kept in the user's cache folder.

Nothing here imports the compiler before a kernel is asked for: a process that reads stored histograms, or scores a few
small images, never waits for it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

#: Work of a process, in voxels times classes, after which compiled loops are loaded. Loading costs about half a second,
#: in which NumPy does about that much; so no process pays more than twice what hindsight would.
PAYS_FROM = 1 << 25
#: The same while they are not on disk yet: compiling takes a few seconds, once.
PAYS_TO_COMPILE_FROM = 1 << 28

_done = 0


def kernel_if_it_pays(name: str, work: int) -> Callable | None:
    """The compiled ``name`` once this process has enough to do, else None: use NumPy, which gives the same bits.

    Args:
        name: a function of :mod:`spectralcal.metrics.kernels`.
        work: voxels times classes of this call.
    """
    global _done
    _done += work
    if _done < PAYS_FROM or (_done < PAYS_TO_COMPILE_FROM and not _on_disk()):
        return None
    return kernel(name)


@cache
def _on_disk() -> bool:
    folder = cache_folder()
    return folder is not None and any(folder.rglob("kernels.*.nbi"))


@cache
def kernel(name: str) -> Callable | None:
    """The compiled ``name``; None where the compiler is not installed."""
    from spectralcal.metrics import kernels

    try:
        import numba
    except ImportError:
        return None
    function, folder = getattr(kernels, name), cache_folder()
    if folder is None:
        return numba.njit(nogil=True, error_model="numpy")(function)
    given, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder)
    try:
        # The folder is read once, here; left alone, it would be beside this file, which may be read-only or versioned.
        return numba.njit(nogil=True, error_model="numpy", cache=True)(function)
    finally:
        numba.config.CACHE_DIR = given


def read_only(array: np.ndarray) -> np.ndarray:
    """A view that cannot be written: to the compiler another type, so that all arrays need one compilation only."""
    view = array[:]
    view.setflags(write=False)
    return view


def cache_folder() -> Path | None:
    """Where compiled code is kept: NUMBA_CACHE_DIR, or ``spectralcal/compiled`` in the user's cache folder.

    None where that cannot be written, or the user has no home; each process then compiles for itself.
    """
    default = {"win32": "~/AppData/Local", "darwin": "~/Library/Caches"}.get(sys.platform, "~/.cache")
    try:
        if given := os.environ.get("NUMBA_CACHE_DIR"):
            folder = Path(given)
        else:
            folder = Path(os.environ.get("XDG_CACHE_HOME") or default).expanduser() / "spectralcal" / "compiled"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except (OSError, RuntimeError):
        return None
