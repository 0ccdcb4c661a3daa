"""Locks between processes that a crash cannot leave behind.

A lock is ``flock`` on a small file. The kernel releases it when its holder ends, by whatever death, so that there is
never a stale one to remove by hand. The file itself stays and says who held it last, for messages: deleting it would
let two processes lock two files of the same name.
"""

from __future__ import annotations

import errno
import fcntl
import json
import multiprocessing
import os
import pwd
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from spectralcal.base.console import say
from spectralcal.base.errors import ResultError
from spectralcal.base.files import read_json

#: file systems answer so when they have no locks (some network mounts)
_UNSUPPORTED = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
#: what a worker process says that begins the work of its script again
NO_GUARD = (
    "a worker process could not start: each runs the script that started it; put what that script does under "
    '`if __name__ == "__main__":`, or use workers=1'
)
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
            ResultError: the file cannot be made, for example in a folder that is read-only, or not be opened.
        """
        descriptor = self._open()
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
            descriptor = _opened(self.path)
        except PermissionError:
            return False  # not known
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

    def _open(self) -> int:
        """A descriptor of the file, which is made if needed, for whoever the user's umask lets in: a group may share a
        folder of results."""
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            reason = error
        with suppress(OSError):
            return _opened(self.path)
        if isinstance(reason, PermissionError) and os.path.lexists(self.path):
            raise ResultError(
                f"{self.path}: expected a lock that this user may open, found one of {_owner(self.path)}; let them run "
                f"`chmod g+rw {self.path}`, or choose another results_root"
            ) from reason
        raise ResultError(
            f"{folder}: expected a folder that can be written to, got: {reason.strerror}; "
            "make it writable or choose another results_root"
        ) from reason

    def _sign(self) -> None:
        who = {"pid": os.getpid(), "host": socket.gethostname(), "since": f"{datetime.now():%Y-%m-%d %H:%M:%S}"}
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, json.dumps(who).encode(), 0)
        except OSError:
            pass  # a full disk takes the name from a message, not the lock from its holder


def _opened(path: Path) -> int:
    """A descriptor of an existing file; of one that only others may write, to read: it can be locked all the same."""
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except PermissionError:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _owner(path: Path) -> str:
    """Whose file it is, and its mode, for a message."""
    try:
        status = path.stat()
    except OSError:
        return "another user's"
    try:
        name = pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        name = f"user {status.st_uid}"
    return f"{name} with mode {stat.S_IMODE(status.st_mode):04o}"


@contextmanager
def exclusive(path: Path, what: str) -> Iterator[None]:
    """Hold the lock at `path` in a block; wait for another process that holds it.

    Waiting, not refusing, is what continues a study whose scheduler was killed: its cells may still be running, and
    the new process finds them finished when it gets the lock.

    Args:
        path: the lock file.
        what: what is locked, for the line that says what is waited for.

    Raises:
        ResultError: as :meth:`Lock.acquire`; or this is a worker that begins its script's work again, which would wait
            for the process that waits for it.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # what Python itself asks before it starts one
        raise ResultError(NO_GUARD)
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
