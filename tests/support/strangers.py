"""A user of this machine who may read everything and write only what belongs to them, for tests that run as root.

That is somebody who works from another's checkout: the package, the configuration and the current folder are there to
be read, and the user has no entry in the machine's list of users, as in many containers.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

USER = 54321
#: reads what root reads: the interpreter may lie in root's home
COMMAND = (
    "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--inh-caps=-all,+dac_read_search",
    "--ambient-caps=-all,+dac_read_search", "--",
)  # fmt: skip


def missing() -> str | None:
    """Why nobody else can be played here; None if it can."""
    if os.geteuid() != 0:
        return "becoming another user needs root"
    try:
        found = subprocess.run([*COMMAND, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return "setpriv is not installed"
    return None if found.returncode == 0 else "the system does not let root give its rights away in part"


def give(folder: Path) -> None:
    """Let a folder and all that is in it belong to the stranger."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, USER, USER, follow_symlinks=False)
