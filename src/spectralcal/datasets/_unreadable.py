"""Why a file cannot be read: the real cause and its remedy, not one text for all."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path

from spectralcal.datasets._checks import BadFile, brief

DAMAGED = "truncated or damaged: restore the file from its source"
#: first bytes of what is not a volume -> what it is, and the remedy
_CONTENTS = (
    (rb"version https://git-lfs", "a Git LFS pointer in place of the file", "fetch the file with `git lfs pull`"),
    (rb"/?(\.\./)*\.?(git)?/?annex/objects/", "a git-annex pointer in place of the file",
     "fetch the file with `git annex get` or `datalad get`"),
    (rb"\s*<(!doctype html|html)", "a web page", "download the file again, signed in if the site asks for it"),
    (rb"\x00\x05\x16[\x00\x07]", "a resource fork of macOS", "remove it: the data are in the file without '._'"),
    (rb"PK\x03\x04", "a zip archive", "unpack it"),
    (rb"(?s).{128}DICM", "a DICOM file", "convert the series to NIfTI, for example with dcm2niix"),
)  # fmt: skip
_SHORT = re.compile(
    r"expected .* bytes, got|mmap length|not read completely|end of|unexpected|too small", re.IGNORECASE
)


def missing(path: Path) -> BadFile:
    """The refusal of a path where there is no file."""
    if path.is_dir():
        return BadFile(path, "a file", "a folder", "move the file out of it and remove the folder")
    if path.is_symlink():
        target = path.readlink()
        return BadFile(path, "a file", f"a link to {target}, which is not there", "fetch that file or mend the link")
    return BadFile(path, "a file", "nothing")


def unreadable(path: Path, error: BaseException) -> BadFile:
    """The refusal of a volume that a reader gave up on."""
    return BadFile(path, "a readable volume", *_cause(path, error))


def _cause(path: Path, error: BaseException) -> tuple[str, str]:
    """What was found, and what to do."""
    said = _said(error)
    if isinstance(error, PermissionError):
        return "a file that this user may not read", "change its permissions"
    if isinstance(error, MemoryError):
        return "more voxels than memory holds", "correct the sizes in its header, or use a machine with more memory"
    if content := _content(path):
        return content
    if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile) or _SHORT.search(said):
        return said, DAMAGED
    kind = type(error).__name__
    if kind.startswith("Header"):
        return f"a header that cannot be right ({said})", "correct the header or restore the file from its source"
    if kind == "ImageFileError":
        return f"no volume of a known format ({said})", "restore the file from its source or convert it to NIfTI"
    return said, "restore the file from its source or convert it to NIfTI"


def _content(path: Path) -> tuple[str, str] | None:
    """What the file is instead, if its first bytes tell."""
    try:
        with path.open("rb") as stream:
            start = stream.read(256)
    except OSError:
        return None
    if not start:
        return "an empty file", DAMAGED
    known = next((found for pattern, *found in _CONTENTS if re.match(pattern, start, re.IGNORECASE)), None)
    if known:
        return tuple(known)
    named, packed = path.suffix.lower() in (".gz", ".mgz"), start.startswith(b"\x1f\x8b")
    if packed and not named:
        return "content that gzip has compressed", "add .gz to its name, or decompress it"
    if named and not packed and start[:4] in (b"\x5c\x01\0\0", b"\0\0\x01\x5c", b"\x1c\x02\0\0", b"\0\0\x02\x1c"):
        return "a volume that is not compressed", "take .gz from its name, or compress it"
    return None


def _said(error: BaseException) -> str:
    """The line of an error's text that tells: SimpleITK's last, which comes after places in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and "SimpleITK" in lines[0]:
        return re.sub(r"^(sitk::|ITK )ERROR:\s*", "", lines[-1])
    return brief(error)
