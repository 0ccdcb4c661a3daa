"""SIGTERM and SIGINT as a flag that a loop reads between two steps, so that what it saves is complete."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Stop:
    """`requested` is the name of the signal that arrived, empty before."""

    requested: str = ""


@contextmanager
def stop_requests() -> Iterator[Stop]:
    """Catch both signals inside the block; outside of the main thread, where none arrive, do nothing."""
    stop = Stop()

    def remember(number: int, frame: object) -> None:
        stop.requested = signal.Signals(number).name

    previous = {}
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            previous[number] = signal.signal(number, remember)
    except ValueError:
        pass  # not the main thread
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
