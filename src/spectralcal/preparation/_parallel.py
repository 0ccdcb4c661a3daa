"""The same function on many jobs, here or in processes, with bounded memory."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any

from spectralcal.base.errors import DataError
from spectralcal.base.locks import NO_GUARD

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

#: jobs that travel to a process together, at most
TOGETHER = 16


def run_jobs(
    function: Callable[..., Any],
    jobs: list[tuple],
    workers: int,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Any]:
    """Call `function` on every job, here or in processes, and yield the results as they come.

    Args:
        function: importable by name, called as ``function(*job)``.
        jobs: arguments of the calls.
        workers: processes; 1 runs the jobs in this one.
        progress: called with (jobs done, jobs in all).

    Raises:
        DataError: a process died, for example for want of memory.
    """
    report = progress or (lambda done, total: None)
    if workers == 1 or len(jobs) <= 1:
        for done, job in enumerate(jobs, start=1):
            yield function(*job)
            report(done, len(jobs))
        return
    # spawn: a forked copy of a process that uses threads (torch's) can hang
    context = multiprocessing.get_context("spawn")
    count = min(workers, len(jobs))
    started = context.Event()
    # Thousands of short jobs travel together, a few long ones each by itself, so that all processes end together.
    size = max(1, min(TOGETHER, len(jobs) // (64 * count)))
    try:
        with ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(started,)) as pool:
            pending: set[Future] = set()
            done = 0
            for start in range(0, len(jobs), size):
                pending.add(_submit(pool, function, jobs[start : start + size]))
                last = start + size >= len(jobs)
                # bounded: for each process jobs in work and jobs that wait
                while len(pending) >= 2 * count or (last and pending):
                    finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                    for result in (result for future in finished for result in future.result()):
                        yield result
                        done += 1
                        report(done, len(jobs))
    except BrokenProcessPool as error:
        raise DataError(_why_broken(count, started.is_set())) from error
    except RuntimeError as error:
        # What Python says to a script that begins its own work again in every process that it starts.
        if "bootstrapping phase" not in str(error):
            raise
        raise DataError(NO_GUARD) from error


def _why_broken(count: int, started: bool) -> str:
    """Why a worker ended early, as far as it can be told: where none began, what it runs first has stopped it."""
    main = sys.modules.get("__main__")
    # `python -m` and a console script of the package run nothing when they are imported; a person's script may.
    own_script = getattr(main, "__file__", None) is not None and getattr(main, "__spec__", None) is None
    if own_script and not started:
        return f"{NO_GUARD} (where it has that line, memory may be short: use fewer workers)"
    return f"a worker process ended early, expected {count} to stay alive; memory may be short: use fewer workers"


def _submit(pool: ProcessPoolExecutor, function: Callable[..., Any], jobs: list[tuple]) -> Future:
    try:
        return pool.submit(_run, function, jobs)
    except (OSError, RuntimeError) as error:  # what a pool says that loses a worker between its own look and this call
        raise BrokenProcessPool(str(error)) from error


def _run(function: Callable[..., Any], jobs: list[tuple]) -> list[Any]:
    return [function(*job) for job in jobs]


def _begin(started: Event) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    started.set()
