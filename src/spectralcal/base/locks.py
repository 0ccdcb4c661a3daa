"""Locks between processes that a crash cannot leave behind.

A lock is ``flock`` on a small file. The kernel releases it when its holder ends, by whatever death, so that there is
never a stale one to remove by hand. The file itself stays and says who held it last, for messages: deleting it would
let two processes lock two files of the same name.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from spectralcal.base.console import say
from spectralcal.base.errors import ResultError
from spectralcal.base.files import read_json

#: file systems answer so when they have no locks (some network mounts)
_UNSUPPORTED = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
#: seconds between two attempts, and between two lines that say what is waited for
POLL_SECONDS, REMIND_SECONDS = 0.5, 60.0


class Lock:
    """A lock file; held from a successful :meth:`acquire` to :meth:`release` or the end of the process.

    Args:
        path: the file; it and its folder are made if needed.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock if it is free; False if another process (or another :class:`Lock` of this one) holds it.

        On a file system without locks it is always granted, with a warning: a study must be able to run there.

        Raises:
            ResultError: the file cannot be made, for example in a folder that is read-only.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ResultError(
                f"{self.path.parent}: expected a folder that can be written to, got: {error.strerror}; "
                "make it writable or choose another results_root"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                os.close(descriptor)
                raise
            say(f"warning: {self.path.parent} has no file locks; do not start the same work twice")
        self._descriptor = descriptor
        self._sign()
        return True

    def is_free(self) -> bool:
        """Whether nobody holds the lock; takes nothing and makes nothing."""
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return True

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> dict[str, Any]:
        """Who took the lock last: ``pid``, ``host``, ``since``; empty if nobody did or it cannot be read."""
        return read_json(self.path)

    def holder_text(self) -> str:
        """The same for a message: ``process 123 on node7 since 2026-03-01 12:00:00``."""
        who = self.holder()
        return f"process {who['pid']} on {who['host']} since {who['since']}" if "since" in who else "another process"

    def _sign(self) -> None:
        who = {"pid": os.getpid(), "host": socket.gethostname(), "since": f"{datetime.now():%Y-%m-%d %H:%M:%S}"}
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, json.dumps(who).encode(), 0)
        except OSError:
            pass  # a full disk takes the name from a message, not the lock from its holder


@contextmanager
def exclusive(path: Path, what: str) -> Iterator[None]:
    """Hold the lock at `path` in a block; wait for another process that holds it.

    Waiting, not refusing, is what continues a study whose scheduler was killed: its cells may still be running, and
    the new process finds them finished when it gets the lock.

    Args:
        path: the lock file.
        what: what is locked, for the line that says what is waited for.

    Raises:
        ResultError: as :meth:`Lock.acquire`.
    """
    lock = Lock(path)
    reminded = -REMIND_SECONDS
    while not lock.acquire():
        if time.monotonic() - reminded >= REMIND_SECONDS:
            reminded = time.monotonic()
            say(f"{what}: {lock.holder_text()} works on it; waiting until it ends")
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()
