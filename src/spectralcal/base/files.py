"""The one way to write a file that others read, and the one way to read JSON.

A file or folder appears under its name only when it is complete and on disk, so a reader sees the old content or the
new one, never a part. The content is flushed before the name changes, because a power cut could otherwise leave the
new name with nothing behind it. The folder is flushed afterwards, because records are written after the files that they
speak of and must not outlive them. Text is UTF-8 with ``\\n`` line ends on every system.
"""

from __future__ import annotations

import json
import lzma
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from spectralcal.base.errors import DataError, ResultError, SpectralcalError
from spectralcal.base.record_types import is_sound

#: what reading a damaged zip, npz or what is packed in one may raise
BROKEN_ARCHIVE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, KeyError, IndexError,
                  TypeError, AttributeError, NotImplementedError, RuntimeError, MemoryError)  # fmt: skip

_JSON_NAMES = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary name to write to: it becomes `path` when the block ends well, and is removed when it does not.

    The file may be read and written by whom the user's umask lets in, however the block makes it: some libraries make
    theirs for the user alone, and a group that shares a folder could not go on from there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        temporary.unlink(missing_ok=True)  # of a process that was killed, with whatever mode
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        if temporary.stat().st_mode != mode:
            temporary.chmod(mode)
        _flush(temporary)
        move(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A new, empty folder to fill: it replaces `folder` when the block ends well, and is removed when it does not.

    Its files are not flushed one by one, which would take longer than making them: where thousands of folders are made,
    call :func:`flush_all` once before a file says that they are there.
    """
    temporary = _temporary(folder)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def move(source: Path, target: Path) -> None:
    """Give a complete file or folder another name on the same disk, in one step; an existing file is replaced."""
    os.replace(source, target)
    with suppress(OSError):  # some network mounts cannot flush a folder; the new name is there all the same
        _flush(target.parent)


def flush_all() -> None:
    """Return when everything written so far is on disk."""
    os.sync()


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left unfinished directly in `folder`. Nobody else may be writing there."""
    for leftover in folder.glob("*.tmp"):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file in one atomic step."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a text file in one atomic step."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, content: Mapping[str, Any], indent: int = 2) -> None:
    """Write a JSON file in one atomic step. What JSON does not know, such as a path, is written as text."""
    write_text(path, json.dumps(content, indent=indent, default=str) + "\n")


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write a compressed npz in one atomic step."""
    with atomic_write(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def load_arrays(path: Path, remedy: str = "delete it and run the cell again") -> dict[str, np.ndarray]:
    """The arrays of an npz.

    Args:
        path: the file.
        remedy: what to do about a damaged one.

    Raises:
        ResultError: it is damaged, in whatever way a reader of archives says so.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}
    except BROKEN_ARCHIVE as error:
        raise ResultError(f"{path}: damaged ({error}); {remedy}") from error


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty if the file is missing, damaged, or not an object.

    For files that are simply made again. Where it matters whether the file is there, use :func:`read_record`;
    where nothing goes on without it, :func:`require_json`.
    """
    try:
        content = _parsed(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def read_record(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file such as run.json: None if the file is missing, empty if it is damaged.

    Damaged is also a record one of whose values is of another kind than records have (:mod:`.record_types`).
    """
    try:
        there = path.exists()
    except OSError:  # a name too long for any file, of an altered record
        there = False
    if not there:
        return None
    record = read_json(path)
    return record if is_sound(record) else {}


def require_json(
    path: Path,
    expected: str,
    remedy: str,
    *,
    types: type | tuple[type, ...] = dict,
    error: type[SpectralcalError] = DataError,
    where: str = "",
) -> Any:
    """The content of a JSON file without which nothing goes on.

    Args:
        path: the file.
        expected: what it should contain, for the message ("a split").
        remedy: what to do if it does not, for the message.
        types: of the content: an object unless said otherwise.
        error: what is raised.
        where: what the message begins with, if not with the path ("hippocampus: ").

    Raises:
        SpectralcalError: of the kind `error`; the file is missing, cannot be read, or contains something else.
    """
    try:
        content = _parsed(path)
    except FileNotFoundError:
        problem = "no such file"
    except OSError as reason:
        problem = reason.strerror or type(reason).__name__
    except ValueError as reason:
        problem = f"no JSON ({str(reason).splitlines()[0]})"
    else:
        if isinstance(content, types):
            return content
        problem = _JSON_NAMES.get(type(content), "a number")
    raise error(f"{where}{path}: expected {expected}, found {problem}; {remedy}")


def parse_json(text: str | bytes) -> Any:
    """The content of a JSON text.

    Raises:
        ValueError: it is no JSON, has a key twice in one object, or nests without end.
    """
    try:
        return json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _parsed(path: Path) -> Any:
    return parse_json(path.read_text(encoding="utf-8"))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, which would forget the first of two equal keys without a word."""
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key '{next(name for name in names if names.count(name) > 1)}' stands twice")
    return content


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
