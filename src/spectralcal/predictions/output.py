"""The folder that a verb writes: complete or not there, and never in the place of somebody's files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spectralcal.base.errors import ConfigError
from spectralcal.base.files import read_json, write_json

#: says that a folder is of one of these verbs, and which files it may have
RECORD = "made_by.json"


def check_out(out: Path, *inputs: Path) -> None:
    """Refuse a folder whose replacement would lose something, before any work is done.

    Raises:
        ConfigError: it is a file, holds files of others, or is one of the inputs, in one or around one.
    """
    place = out.resolve()
    for folder in (folder.resolve() for folder in inputs):
        if place == folder or folder in place.parents or place in folder.parents:
            raise ConfigError(f"--out {out}: expected a folder apart from {folder}, found one around it or in it")
    if not out.exists():
        return
    if not out.is_dir():
        raise ConfigError(f"--out {out}: expected a new folder, found a file; name another")
    there = {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir()}
    own = read_json(out / RECORD).get("files", []) if RECORD in there else []
    if strange := sorted(there - {RECORD, *(name for name in own if isinstance(name, str))}):
        raise ConfigError(
            f"--out {out}: expected a new or empty folder, found {len(strange)} file(s) of others, {strange[0]} first; "
            "name another folder"
        )


def write_record(folder: Path, content: Mapping[str, Any]) -> None:
    """Write what a folder was made from and which files it holds, as its last file."""
    from spectralcal import __version__

    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    write_json(folder / RECORD, {**content, "spectralcal": __version__, "files": files})
