"""Many damaged inputs side by side: processes that try one at a time, and are ended and started anew if one hangs."""

from __future__ import annotations

import importlib
import multiprocessing
import resource
import shutil
import time
from collections import deque
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path

from fuzzing import HANGS, PATIENCE, Try, Verdict, World

#: seconds until a process is ended that does not notice that its verb hangs
GIVEN_UP = 2 * PATIENCE
IMPORTED = ("torch", "monai.networks.nets", "matplotlib.pyplot", "pandas", "SimpleITK", "spectralcal.jobs.scoring")
#: bytes of address space of a process: a header that asks for more gets no memory, whatever the machine has
MEMORY = 24 << 30


class FuzzPool:
    """`count` processes, each with its own copy of the study in `whole`, below `root`.

    A process that hangs beyond the reach of an alarm, or dies, costs its input the verdict and is started again.
    """

    def __init__(self, whole: Path, root: Path, count: int) -> None:
        self._whole, self._root, self._started = whole, root, 0
        self._workers = [self._start() for _ in range(count)]

    def verdicts(self, tries: Iterable[Try]) -> Iterator[tuple[Try, Verdict]]:
        """Every input with what became of it, in the order in which they end."""
        waiting = iter(tries)
        idle, busy = deque(self._workers), {}
        for tried in waiting:
            worker = idle.popleft()
            worker.give(tried)
            busy[worker] = tried
            if not idle:
                yield from self._ended(busy, idle)
        while busy:
            yield from self._ended(busy, idle)

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers:
            worker.end()

    def _ended(self, busy: dict[_Worker, Try], idle: deque[_Worker]) -> Iterator[tuple[Try, Verdict]]:
        """What has come of at least one input."""
        while True:
            ready = wait([worker.pipe for worker in busy], timeout=1)
            late = [worker for worker in busy if time.monotonic() - worker.since > GIVEN_UP]
            for worker in [worker for worker in busy if worker.pipe in ready or worker in late]:
                verdict = worker.verdict() if worker.pipe in ready else Verdict(f"{HANGS} for {GIVEN_UP} s")
                lost = worker in late or verdict is None or HANGS in verdict.problem  # its imports may be half done
                yield busy.pop(worker), verdict or Verdict(f"the process died ({worker.end()})")
                if lost:
                    worker.end()
                    self._workers.remove(worker)
                    worker = self._start()
                    self._workers.append(worker)
                idle.append(worker)
            if idle:
                return

    def _start(self) -> _Worker:
        self._started += 1
        return _Worker(self._whole, self._root / f"process{self._started}")


class _Worker:
    """One process and the pipe to it."""

    def __init__(self, whole: Path, root: Path) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would inherit the threads of libraries, half
        self.pipe, other = context.Pipe()
        self.root, self.since, self.ready = root, time.monotonic(), False
        self.process = context.Process(target=_serve, args=(other, whole, root), daemon=True)
        self.process.start()
        other.close()

    def give(self, tried: Try) -> None:
        if not self.ready:
            self.ready = self.pipe.recv() is None
        self.since = time.monotonic()
        self.pipe.send(tried)

    def verdict(self) -> Verdict | None:
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            return None

    def end(self) -> int | None:
        self.process.kill()
        self.process.join()
        shutil.rmtree(self.root, ignore_errors=True)
        return self.process.exitcode


def _serve(pipe: Connection, whole: Path, root: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    root.mkdir(parents=True)
    world = World(root, whole)
    for name in IMPORTED:  # which takes longer than any verb on a busy machine
        importlib.import_module(name)
    pipe.send(None)
    while True:
        try:
            tried = pipe.recv()
        except EOFError:  # nobody asks any more
            return
        pipe.send(world.try_input(tried.target, tried.content))
