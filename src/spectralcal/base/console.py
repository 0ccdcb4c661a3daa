"""Progress for people: a bar on a terminal, plain lines in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Progress:
    """Counts done units; :meth:`advance` after each."""

    def __init__(self, title: str, total: int) -> None:
        self.title, self.total, self.done, self.begun, self._last = title, total, 0, time.monotonic(), 0.0

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Note that `amount` more units are done."""
        self.done += amount
        now = time.monotonic()
        # A log file gets a line every ten seconds and one at the end, not thousands.
        if self.done >= self.total or now - self._last >= 10:
            self._last = now
            say(f"{self.title}: {self.done}/{self.total} ({now - self.begun:.0f} s){'  ' + note if note else ''}")


class _Bar(Progress):
    def __init__(self, title: str, total: int, bar: object, task: object) -> None:
        super().__init__(title, total)
        self._bar, self._task = bar, task

    def advance(self, amount: int = 1, note: str = "") -> None:
        self.done += amount
        self._bar.update(self._task, advance=amount, note=note)  # type: ignore[attr-defined]


@contextmanager
def progress(title: str, total: int) -> Iterator[Progress]:
    """A progress display for `total` units."""
    if not sys.stderr.isatty():
        yield Progress(title, total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Rich

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
               TextColumn("{task.fields[note]}"))  # fmt: skip
    with Rich(*columns, console=Console(stderr=True)) as bar:
        yield _Bar(title, total, bar, bar.add_task(title, total=total, note=""))


def say(message: str) -> None:
    """One line to the log (standard error; standard output is for what a verb prints)."""
    print(message, file=sys.stderr, flush=True)


def show_any_sign() -> None:
    """Let standard output replace signs that the locale lacks, such as ``×`` in ASCII, by their codes; standard error
    does so by itself."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
