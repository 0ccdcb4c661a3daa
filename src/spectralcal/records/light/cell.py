"""The one file of a published cell: a zip file of what its CSV and npz files contain, and of their digests.

Its member `about.json` has the SHA-256 of the files that it stands for and of the other members, under a seal. So the
records of a cell are published as they were written, and say whether this file belongs to them; scores and history come
back as the bytes that they list. Nothing in the file is executed.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectralcal.base.errors import ResultError
from spectralcal.base.files import BROKEN_ARCHIVE
from spectralcal.base.integrity import seal_holds, sealed
from spectralcal.records.light import parcel, tables
from spectralcal.records.light.bands import PREFIXES, decode_bands, encode_bands
from spectralcal.records.light.bins import decode_bins, encode_bins
from spectralcal.records.light.curves import decode_curves, encode_curves
from spectralcal.records.light.kept import kept

FORMAT = "spectralcal light cell, version 1"
ABOUT = "about.json"
TEXTS = ("cases.csv", "history.csv", "model.json")
ARRAYS = ("calibration.npz", "spectra.npz")
#: codes of bands -> the prefix of the arrays that they stand for
_BANDS = dict(zip(("bands", "predicted_bands"), PREFIXES, strict=True))
#: what a cell has only in a study that names further scorers
FURTHER = ("scorers.npz",)
_LIMIT = 2**28  # bytes of a member, unpacked
_DATE = (1980, 1, 1, 0, 0, 0)


class Part(NamedTuple):
    """What stands for a file: its content as :func:`of_text` or :func:`of_arrays` coded it, and the file's SHA-256."""

    content: bytes
    sha256: str


def of_text(content: bytes) -> Part:
    """The part of one of :data:`TEXTS`; :meth:`LightCell.text` gives the same bytes again."""
    return Part(parcel.to_bytes(tables.columns_of(content.decode())), hashlib.sha256(content).hexdigest())


def of_arrays(name: str, arrays: Mapping[str, np.ndarray], sha256: str) -> Part:
    """The part of spectra.npz or scorers.npz, exactly, or of calibration.npz, of which :func:`~.light.kept.kept` stays.

    Args:
        name: the file.
        arrays: what is in it.
        sha256: digest of the file.
    """
    coded: dict[str, np.ndarray] = {}
    done: set[str] = set()
    if name == "calibration.npz":
        arrays = kept(arrays)
        codes = {"bins": encode_bins(arrays), "curves": encode_curves(arrays)}
        codes |= {kind: encode_bands(arrays, prefix) for kind, prefix in _BANDS.items()}
        for kind, (part, names) in codes.items():
            coded |= {f"{kind}/{key}": value for key, value in part.items()}
            done |= names
    plain = {f"plain/{key}": value for key, value in arrays.items() if key not in done}
    return Part(parcel.to_bytes(coded | plain), sha256)


def light_file(parts: Mapping[str, Part]) -> bytes:
    """The file of a cell, from the parts of its files by name; equal parts give equal bytes."""
    about = {
        "format": FORMAT,
        "stands_for": {name: parts[name].sha256 for name in sorted(parts)},
        "parts": {name: hashlib.sha256(parts[name].content).hexdigest() for name in sorted(parts)},
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in ((ABOUT, _json(sealed(about))), *((name, parts[name].content) for name in sorted(parts))):
            member = zipfile.ZipInfo(name, _DATE)
            member.create_system = 3  # the same bytes on every system
            member.external_attr = 0o100644 << 16
            member.compress_type = zipfile.ZIP_LZMA
            archive.writestr(member, content)
    return buffer.getvalue()


class LightCell:
    """A published cell's file.

    Args:
        content: its bytes.
        path: where they are from, for messages.

    Every method raises :class:`~spectralcal.base.errors.ResultError` if the file is damaged.
    """

    def __init__(self, content: bytes, path: Path | str) -> None:
        self._content, self._path = content, path

    @classmethod
    def read(cls, path: Path) -> LightCell:
        """The file at a path."""
        try:
            return cls(path.read_bytes(), path)
        except OSError as error:
            raise ResultError(f"{path}: cannot be read ({error.strerror or error})") from error

    @cached_property
    def about(self) -> dict[str, Any]:
        """``stands_for`` and ``parts``: SHA-256 of the files and of the members that stand for them, by name."""
        try:
            about = json.loads(self._member(ABOUT))
            lists = [about["stands_for"], about["parts"]]
            known = {*TEXTS, *ARRAYS, *FURTHER}
            if not seal_holds(about) or about["format"] != FORMAT or not set(lists[0]) == set(lists[1]) <= known:
                raise ValueError(f"its {ABOUT} is altered or not of '{FORMAT}'")
        except BROKEN_ARCHIVE as error:
            raise self._damaged(error) from error
        return about

    @property
    def stands_for(self) -> dict[str, str]:
        """SHA-256 of the files that this one stands for, by name."""
        return self.about["stands_for"]

    def part(self, name: str) -> Part:
        """What stands for a file of :attr:`stands_for`."""
        listed = self.about["parts"][name]
        try:
            content = self._member(name)
            if hashlib.sha256(content).hexdigest() != listed:
                raise ValueError(f"'{name}' is not the one that its {ABOUT} lists")
        except BROKEN_ARCHIVE as error:
            raise self._damaged(error) from error
        return Part(content, self.stands_for[name])

    def text(self, name: str) -> bytes:
        """One of :data:`TEXTS`, byte for byte."""
        try:
            content = tables.text_of(parcel.from_bytes(self.part(name).content)).encode()
            if hashlib.sha256(content).hexdigest() != self.stands_for[name]:
                raise ValueError(f"'{name}' does not come back as it was")
        except BROKEN_ARCHIVE as error:
            raise self._damaged(error) from error
        return content

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """The arrays of spectra.npz or scorers.npz, or what is kept of calibration.npz."""
        try:
            coded = parcel.from_bytes(self.part(name).content)
            bins = decode_bins(_under(coded, "bins"))
            bands: dict[str, np.ndarray] = {}
            for kind, prefix in _BANDS.items():
                bands |= decode_bands(_under(coded, kind), bins, prefix)
            return bins | bands | decode_curves(_under(coded, "curves")) | _under(coded, "plain")
        except BROKEN_ARCHIVE as error:
            raise self._damaged(error) from error

    def _member(self, name: str) -> bytes:
        with zipfile.ZipFile(io.BytesIO(self._content)) as archive, archive.open(name) as stream:
            content = stream.read(_LIMIT + 1)
        if len(content) > _LIMIT:
            raise ValueError(f"'{name}' has more than {_LIMIT >> 20} MiB")
        return content

    def _damaged(self, error: BaseException) -> ResultError:
        text = " ".join(str(error).split()) or type(error).__name__
        return ResultError(f"{self._path}: damaged ({text}); restore the published file, or run the cell again")


def _under(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {n.removeprefix(f"{prefix}/"): array for n, array in arrays.items() if n.startswith(f"{prefix}/")}


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1) + "\n").encode()
