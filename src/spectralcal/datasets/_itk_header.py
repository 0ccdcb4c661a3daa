"""What a MetaImage or NRRD header says of its size, looked at before SimpleITK is: it takes an absurd one at its word.

MetaIO ends the process where the number of axes is none or more than ten, and memory for all voxels is asked for before
the first is read.
"""

from __future__ import annotations

import math
from pathlib import Path

from spectralcal.datasets._checks import BadFile
from spectralcal.datasets._companions import companions, header_end, header_fields
from spectralcal.datasets._voxels import axes_remedy

#: a byte of a file that is compressed stands for no more than this many (gzip); bzip2 is let through by its own reader
DENSEST = 1040
#: axes that are looked at further: a volume has three, one with channels or times four
_MOST_AXES = 10


def check_header(path: Path) -> None:
    """Refuse a header without sizes, or with ones that no volume or not this file can have.

    Raises:
        BadFile: as said.
        OSError: the header cannot be read.
    """
    fields, meta = header_fields(path), _is_meta(path)
    axes_key, sizes_key = ("ndims", "dimsize") if meta else ("dimension", "sizes")
    axes, sizes = _integers(fields.get(axes_key, "")), _integers(fields.get(sizes_key, ""))
    if axes_key not in fields or sizes_key not in fields:
        return  # the reader says what is missing
    if len(axes) != 1 or not 1 <= axes[0] <= _MOST_AXES:
        raise BadFile(path, "a three-dimensional volume", f"{fields[axes_key]} dimensions", axes_remedy(0, 1, 1))
    if len(sizes) < axes[0] or min(sizes) < 1:
        raise BadFile(
            path, f"{axes[0]} positive sizes in its header", fields[sizes_key], "correct the sizes in its header"
        )
    there, voxels = sum(file.stat().st_size for file in (path, *companions(path))), math.prod(sizes[: axes[0]])
    if voxels > there * (1 if _is_plain(path, fields) else DENSEST):
        raise BadFile(
            path,
            f"the {voxels:,} voxels of a {' x '.join(map(str, sizes[: axes[0]]))} volume",
            f"{there:,} bytes, which cannot hold them",
            "correct the sizes in its header or restore the file from its source",
        )


def as_long_as_stated(path: Path, expected: int) -> None:
    """Refuse a plain file of voxels that has more or fewer bytes than its header says: ITK takes what it needs.

    Args:
        path: the header.
        expected: bytes of all voxels.

    Raises:
        BadFile: as said.
    """
    fields, further = header_fields(path), companions(path)
    skips = "headersize" in fields or any(name in fields for name in ("lineskip", "byteskip"))
    if len(further) > 1 or not _is_plain(path, fields) or skips:
        return
    holder = further[0] if further else path
    size = holder.stat().st_size - (0 if further else header_end(path))
    if size != expected:
        found = f"a header of {expected:,} bytes of voxels, of which {holder.name} has {size:,}"
        remedy = "the two do not belong together or are damaged: restore both"
        raise BadFile(path, "a readable volume", found, remedy if further else "truncated or damaged: restore it")


def _is_meta(path: Path) -> bool:
    return path.suffix.lower() in (".mhd", ".mha")


def _is_plain(path: Path, fields: dict[str, str]) -> bool:
    """Whether each byte of the voxels is stored as it is."""
    if _is_meta(path):
        return fields.get("compresseddata", "false").lower() != "true"
    return fields.get("encoding", "") == "raw"


def _integers(text: str) -> list[int]:
    words = text.split()
    return [int(word) for word in words] if all(word.removeprefix("-").isdecimal() for word in words) else []
