"""Archives that are the same bytes for the same content, list their contents, and cannot write outside a folder.

An archive is a zip file whose first member, ``index.json``, names every other member with its size and SHA-256.
Members have no dates and no owners.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import re
import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spectralcal.base.errors import DataError
from spectralcal.base.files import atomic_write
from spectralcal.base.integrity import seal_holds, sealed

#: what a damaged or unusual zip may raise
_BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, NotImplementedError, RuntimeError)

INDEX = "index.json"
FORMAT = "spectralcal results, version 1"
#: a study of hundreds of cells takes well under a gigabyte; more than this is taken for an attack on the disk
LIMIT_BYTES = 8 * 2**30
_INDEX_LIMIT = 64 * 2**20
_CHUNK = 1 << 20
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can say
_PACKED = {".npz", ".parquet", ".png", ".pdf", ".zip"}


def write_archive(out: Path, files: Mapping[str, Path | bytes], about: Mapping[str, Any]) -> str:
    """Write an archive in one atomic step.

    Args:
        out: the archive.
        files: content by its name in the archive: a file, or bytes.
        about: JSON values for the index, beside the list of files.

    Returns:
        SHA-256 of the archive.
    """
    names = sorted(files)
    listed = {name: {"bytes": _size(files[name]), "sha256": _hash(files[name])} for name in names}
    index = json.dumps(sealed({"format": FORMAT, **about, "files": listed}), indent=1) + "\n"
    with atomic_write(out) as temporary, zipfile.ZipFile(temporary, "w", allowZip64=True) as archive:
        _add(archive, INDEX, index.encode())
        for name in names:
            _add(archive, name, files[name])
    return _hash(out)


def unpack_archive(path: Path, folder: Path, allowed: re.Pattern[str], limit_bytes: int = LIMIT_BYTES) -> dict:
    """Unpack an archive of :func:`write_archive` into an empty folder, checking every member on the way.

    Args:
        path: the archive; it may come from anyone.
        folder: where to; nothing is written anywhere else.
        allowed: pattern of the full name of a member; it must exclude ``..`` and absolute paths.
        limit_bytes: size of everything unpacked, at most.

    Returns:
        The index.

    Raises:
        DataError: no such archive, a name that is not allowed, a link, more bytes than the index or the limit says, or
            content that does not have the listed SHA-256. What was unpacked until then is in `folder`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            index = _read_index(path, archive, members)
            _check_members(path, members, index["files"], allowed, limit_bytes)
            for member in members:
                if member.filename != INDEX:
                    _unpack(path, archive, member, index["files"][member.filename], folder)
    except _BROKEN as error:
        raise DataError(f"{path}: cannot be read as an archive of results ({error}); ask for it again") from error
    return index


def _read_index(path: Path, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> dict[str, Any]:
    first = members[0] if members else None
    if first is None or first.filename != INDEX or first.file_size > _INDEX_LIMIT:
        raise DataError(f"{path}: expected {INDEX} as its first member; make it with `spectralcal export`")
    with archive.open(first) as stream:
        text = stream.read(_INDEX_LIMIT + 1)
    try:
        index = json.loads(text)
        valid = seal_holds(index) and index["format"] == FORMAT and isinstance(index["files"], dict)
    except (ValueError, KeyError, TypeError, AttributeError):
        valid = False
    if not valid:
        raise DataError(f"{path}: {INDEX} is altered or not of '{FORMAT}'; make it again with `spectralcal export`")
    return index


def _check_members(
    path: Path, members: list[zipfile.ZipInfo], listed: Mapping[str, Any], allowed: re.Pattern[str], limit_bytes: int
) -> None:
    names = [member.filename for member in members if member.filename != INDEX]
    for member in members:
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG) or member.flag_bits & 0x1:
            raise DataError(f"{path}: {member.filename!r} is a link, a folder or encrypted; only plain files are taken")
    for name in names:
        # The raw name: zipfile cuts names at a NUL, which may hide what follows.
        if not allowed.fullmatch(name):
            raise DataError(f"{path}: {name!r} is no name of a result file; nothing was imported")
    if sorted(names) != sorted(listed):
        odd = sorted(set(names) ^ set(listed)) or sorted({name for name in names if names.count(name) > 1})
        raise DataError(f"{path}: {odd[0]!r} is in the archive or in its index, but not once in both")
    total = sum(member.file_size for member in members)
    if total > limit_bytes:
        raise DataError(
            f"{path}: unpacks to {total / 2**30:.1f} GiB, more than the limit of {limit_bytes / 2**30:g} GiB; "
            "raise --limit-gib if you trust it"
        )


def _unpack(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, expected: Any, folder: Path) -> None:
    target = folder / member.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with archive.open(member) as source, target.open("xb") as stream:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > member.file_size:
                raise DataError(f"{path}: {member.filename!r} contains more bytes than it declares")
            digest.update(chunk)
            stream.write(chunk)
    if not isinstance(expected, dict) or (size, digest.hexdigest()) != (expected.get("bytes"), expected.get("sha256")):
        raise DataError(f"{path}: {member.filename!r} is altered (its SHA-256 is not the listed one); ask for it again")


def _add(archive: zipfile.ZipFile, name: str, content: Path | bytes) -> None:
    member = zipfile.ZipInfo(name, _DATE)
    member.create_system = 3  # the same bytes on every system
    member.external_attr = (stat.S_IFREG | 0o644) << 16
    member.compress_type = zipfile.ZIP_STORED if Path(name).suffix in _PACKED else zipfile.ZIP_DEFLATED
    member.file_size = _size(content)
    with archive.open(member, "w") as stream:
        if isinstance(content, bytes):
            stream.write(content)
            return
        with content.open("rb") as source:
            while chunk := source.read(_CHUNK):
                stream.write(chunk)


def _size(content: Path | bytes) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def _hash(content: Path | bytes) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
