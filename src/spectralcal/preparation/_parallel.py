"""The same function on many jobs, here or in processes, with bounded memory."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from spectralcal.base.errors import DataError

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
    # Thousands of short jobs travel together, a few long ones each by itself, so that all processes end together.
    size = max(1, min(TOGETHER, len(jobs) // (64 * count)))
    try:
        with ProcessPoolExecutor(count, mp_context=context, initializer=_single_threaded) as pool:
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
        raise DataError(
            f"a worker process ended early, expected {count} to stay alive; memory may be short: use fewer workers"
        ) from error


def _submit(pool: ProcessPoolExecutor, function: Callable[..., Any], jobs: list[tuple]) -> Future:
    try:
        return pool.submit(_run, function, jobs)
    except (OSError, RuntimeError) as error:  # what a pool says that loses a worker between its own look and this call
        raise BrokenProcessPool(str(error)) from error


def _run(function: Callable[..., Any], jobs: list[tuple]) -> list[Any]:
    return [function(*job) for job in jobs]


def _single_threaded() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
