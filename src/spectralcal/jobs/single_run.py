"""One scheduler per study: distinguishes a live run from a killed one, which Snakemake's own lock cannot do.

Snakemake marks the files that it works on and keeps the marks when it is killed, so that the next run is refused
until somebody removes them by hand. Here a run also holds a lock that dies with it (:mod:`spectralcal.base.locks`):
marks of a study whose lock is free are left over and are removed.
"""

from __future__ import annotations

import socket
from pathlib import Path

from spectralcal.base.errors import ResultError
from spectralcal.base.locks import Lock
from spectralcal.machine.gpus import why_no_cuda
from spectralcal.study.config import StudyConfig
from spectralcal.study.paths import StudyPaths


class StudyRun:
    """The run of a study by one scheduler process.

    Args:
        config: the study.
        marks: folder of Snakemake's own locks.
    """

    def __init__(self, config: StudyConfig, marks: Path = Path(".snakemake/locks")) -> None:
        self.config, self.marks = config, marks
        self._lock = Lock(StudyPaths(config).study_lock)

    def look(self) -> str | None:
        """Remove what a killed run left; a line to print if there was something, or if a run is under way."""
        if not self._lock.is_free():
            return f"note: the study '{self.config.study}' is being run by {self._lock.holder_text()}"
        left = self._left_over()
        if not left:
            return None
        who = self._lock.holder()
        if not who:
            return None  # marks of another program or an earlier version: not ours to judge
        if who.get("host") != socket.gethostname():
            return (
                f"note: the last run of '{self.config.study}' was {self._lock.holder_text()}, and its marks are still "
                "there; if it is not running any more, `snakemake --unlock` with the same --configfile removes them"
            )
        for file in left:
            file.unlink(missing_ok=True)
        return (
            f"note: the last run of '{self.config.study}' ({self._lock.holder_text()}) was killed; going on from there"
        )

    def begin(self, *, local: bool = True) -> None:
        """Hold the study for the rest of this process.

        Args:
            local: the cells run on this machine, so that what it lacks can be said now.

        Raises:
            ResultError: another process runs the study, or a GPU is asked for that torch cannot use here.
        """
        if local and self.config.compute.device == "cuda" and (reason := why_no_cuda()) is not None:
            raise ResultError(f"compute.device: 'cuda' is asked for, but torch cannot use it here: {reason}")
        if not self._lock.acquire():
            raise ResultError(
                f"the study '{self.config.study}' is being run by {self._lock.holder_text()}; wait until it ends, or "
                "stop it with Ctrl-C (cells write a checkpoint and go on from there next time)"
            )

    def _left_over(self) -> list[Path]:
        """Snakemake's lock files that speak of this study's results."""
        inside = f"{self.config.results}/"
        return [
            file
            for file in sorted(self.marks.glob("*.lock"))
            if any(line.startswith(inside) for line in file.read_text(encoding="utf-8", errors="replace").splitlines())
        ]
