"""Unpacking downloaded archives without trusting what they name."""

from __future__ import annotations

import errno
import lzma
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from spectralcal.base.errors import DataError
from spectralcal.base.files import flush_all, move
from spectralcal.datasets.listing import is_rubbish

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


def unpack(archive: Path, folder: Path, max_bytes: int) -> Path:
    """Unpack a tar or zip file into `folder`, completely or not at all; a single top folder of the archive is left out.

    Args:
        archive: ``.tar``, ``.tar.gz`` or ``.zip``.
        folder: where the content goes; replaced if it exists.
        max_bytes: refuse archives whose members add up to more.

    Raises:
        DataError: not an archive, damaged, too large, or with a member that is a link, a device, or that would land
            outside the folder; or the folder cannot be written. What was in `folder` is then left as it was.
    """
    try:
        return _unpack_atomically(archive, folder, max_bytes)
    except OSError as error:
        if error.errno not in _DISK:
            raise DataError(_not_an_archive(archive, error)) from error
        raise DataError(
            f"{archive}: expected enough space to unpack it to {folder}, got: {error.strerror}; free some space or "
            "choose another folder"
        ) from error
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError) as error:
        # zipfile says by a RuntimeError that a member needs a password
        raise DataError(_not_an_archive(archive, error)) from error


def _not_an_archive(archive: Path, error: Exception) -> str:
    with archive.open("rb") as stream:
        start = stream.read(1024).lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        content, remedy = "a web page (a login or an error?)", "open the address in a browser and sign in"
    else:
        content, remedy = (str(error).splitlines() or [type(error).__name__])[0].rstrip(":"), "download it again"
    return f"{archive}: expected a tar or zip archive, got: {content}; {remedy}"


def _unpack_atomically(archive: Path, folder: Path, max_bytes: int) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
        target = Path(temporary) / "content"  # whose mode is the user's; the temporary folder itself is nobody else's
        target.mkdir()
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                _unpack(archive, _zip_members(archive, opened), target, max_bytes)
        else:
            with tarfile.open(archive) as opened:
                _unpack(archive, _tar_members(archive, opened), target, max_bytes)
        content = list(target.iterdir())
        top = content[0] if len(content) == 1 and content[0].is_dir() else target
        flush_all()  # a folder that is there is taken for complete
        if folder.exists():
            shutil.rmtree(folder)
        move(top, folder)
    return folder


def _tar_members(archive: Path, opened: tarfile.TarFile) -> Iterator[tuple[str, int, object]]:
    for member in opened:
        if member.isdir():
            continue
        if not member.isfile():
            raise DataError(f"{archive}: member {member.name}: expected a plain file, found a link or device")
        yield member.name, member.size, opened.extractfile(member)


def _zip_members(archive: Path, opened: zipfile.ZipFile) -> Iterator[tuple[str, int, object]]:
    for member in opened.infolist():
        if member.is_dir():
            continue
        if (member.external_attr >> 28) not in (0, 0o10):
            raise DataError(f"{archive}: member {member.filename}: expected a plain file, found a link or device")
        yield member.filename, member.file_size, opened.open(member)


def _unpack(archive: Path, members: Iterator[tuple[str, int, object]], target: Path, max_bytes: int) -> None:
    left = max_bytes
    for name, size, stream in members:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in name:
            raise DataError(f"{archive}: member {name}: expected a path inside the archive's folder")
        left -= size
        if left < 0:
            raise DataError(f"{archive}: expected at most {max_bytes} bytes unpacked, found more; wrong file?")
        if is_rubbish(path):  # such as resource forks that macOS adds, which look like volumes
            continue
        destination = target.joinpath(*path.parts)
        destination.parent.mkdir(parents=True, exist_ok=True)
        with stream, destination.open("wb") as output:
            shutil.copyfileobj(stream, output)
        # A member may be longer than its header says: what counts is what arrived.
        left -= max(destination.stat().st_size - size, 0)
