"""The further files that a volume is read from: voxels beside their header, and the other way round."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

#: endings that nibabel looks for beside the file that it is given, in this order
_BESIDE = {
    ".hdr": (".img", ".mat"),
    ".img": (".hdr", ".mat"),
    ".head": (".brik",),
    ".brik": (".head",),
    ".par": (".rec",),
    ".rec": (".par",),
}
_COMPRESSED = ("", ".gz", ".bz2", ".zst")
#: endings that SimpleITK reads here, in lower case
ITK = (".mha", ".mhd", ".nhdr", ".nrrd")
#: bytes of a header that are looked at, lists of slices among them
_HEADER = 1 << 20


def companions(path: Path) -> tuple[Path, ...]:
    """Every file besides `path` that reading it reads. Those that a header names are listed although they are missing.

    Raises:
        OSError: the header cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix in ITK:
        named = _meta_image(path) if suffix in (".mha", ".mhd") else _nrrd(path)
        return tuple(dict.fromkeys(path.parent / name for name in named))
    compressed = suffix if suffix in _COMPRESSED else ""
    whole = path.with_suffix("") if compressed else path
    beside = []
    for ending in _BESIDE.get(whole.suffix.lower(), ()):
        names = [whole.with_suffix(kind).name + extra for extra, kind in product(_COMPRESSED, (ending, ending.upper()))]
        beside += [path.with_name(name) for name in names if path.with_name(name).is_file()]
    return tuple(beside)


def header_fields(path: Path) -> dict[str, str]:
    """The fields of a MetaImage or NRRD header, their names in lower case without spaces.

    Raises:
        OSError: the header cannot be read.
    """
    sign = "=" if path.suffix.lower() in (".mha", ".mhd") else ":"
    fields = {}
    for line in _lines(path):
        if not line.strip():
            break
        key, found, value = line.partition(sign)
        if found:
            fields.setdefault(key.strip().lower().replace(" ", ""), value.lstrip("=").strip())
        if key.strip().lower() == "elementdatafile":
            break  # voxels follow
    return fields


def header_end(path: Path) -> int:
    """Bytes of a MetaImage or NRRD header, after which its own voxels follow.

    Raises:
        OSError: the header cannot be read.
    """
    end = 0
    for line in _lines(path):
        end += len(line.encode("utf-8", errors="surrogateescape")) + 1
        if not line.strip() or line.partition("=")[0].strip().lower() == "elementdatafile":
            break
    return end


def _meta_image(path: Path) -> list[str]:
    lines = _lines(path)
    for index, line in enumerate(lines):
        key, _, value = line.partition("=")
        if key.strip().lower() == "elementdatafile":
            return _named(value.strip(), lines[index + 1 :])
    return []


def _nrrd(path: Path) -> list[str]:
    lines = _lines(path)
    for index, line in enumerate(lines):
        if not line.strip():
            return []  # the header ends, and voxels follow
        key, _, value = line.partition(":")
        if key.strip().lower() in ("data file", "datafile"):
            return _named(value.lstrip("=").strip(), lines[index + 1 :])
    return []


def _named(value: str, rest: list[str]) -> list[str]:
    """Names that a data file's field stands for: one, a list below it, or a pattern: ``slice%03d.raw 1 20 1``."""
    if value.upper() in ("", "LOCAL"):
        return []
    if re.match(r"LIST\b", value, re.IGNORECASE):
        return [line.strip() for line in rest if line.strip()]
    if pattern := re.fullmatch(r"(\S*%\d*d\S*)\s+(-?\d+)\s+(-?\d+)\s+(-?\d+)(\s+\d+)?", value):
        form, (first, last, step) = pattern[1], map(int, pattern.group(2, 3, 4))
        return [form % number for number in range(first, last + (1 if step > 0 else -1), step or 1)]
    return [value]


def _lines(path: Path) -> list[str]:
    with path.open("rb") as stream:
        return stream.read(_HEADER).decode("utf-8", errors="surrogateescape").split("\n")
