"""What libraries in C print on standard error, past Python: kept from the terminal, and read to learn the cause."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def kept_output() -> Iterator[Callable[[], list[str]]]:
    """Nothing that is written to the process's standard error within the block appears.

    Gives a function that returns the lines that were written so far, without empty ones. A process without standard
    error has none.
    """
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        outside = os.dup(2)
    except OSError:
        yield list
        return
    with tempfile.TemporaryFile() as stream:
        os.dup2(stream.fileno(), 2)
        try:
            yield lambda: _lines(stream.fileno())
        finally:
            os.dup2(outside, 2)
            os.close(outside)


def _lines(descriptor: int) -> list[str]:
    content = os.pread(descriptor, 1 << 16, 0).decode(errors="replace")
    return [line.strip() for line in content.splitlines() if line.strip()]
