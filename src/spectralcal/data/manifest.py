"""The manifest of a prepared data set: one row per case, and the arrays behind it, opened as memory maps."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from spectralcal.base.errors import DataError
from spectralcal.base.files import parse_json, require_json, write_bytes, write_text
from spectralcal.base.texts import csv_rows

ARRAYS = ("foreground.npy", "image.npy", "label.npy", "posterior.npy", "reference.npy")
#: contains the manifest's SHA-256, in the format of ``sha256sum --check``
CHECKSUM = "manifest.csv.sha256"
_REMEDY = "run `spectralcal prepare` again"


@dataclass(frozen=True)
class PreparedCase:
    """One row of the manifest.

    Attributes:
        id, patient, stratum: as in the data set's :class:`~spectralcal.datasets.Case`.
        shape: voxels of the prepared grid.
        spacing_mm: voxel edges of the prepared grid, mm.
        original_shape: voxels of the original grid in RAS axis order, before the crop.
        original_spacing_mm: voxel edges of the original grid, mm.
        affine: (4, 4), index on the original grid to mm (RAS).
        crop: (start, stop) of each axis on the original grid; the prepared grid covers exactly that box.
        labels: label values present in the reference, background included.
        source_sha256: hash of the files that the case was made from.
        sha256: hash of the prepared arrays.
        folder: where the arrays are.
    """

    id: str
    patient: str
    stratum: str
    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    original_shape: tuple[int, ...]
    original_spacing_mm: tuple[float, ...]
    affine: tuple[tuple[float, ...], ...]
    crop: tuple[tuple[int, int], ...]
    labels: tuple[int, ...]
    source_sha256: str
    sha256: str
    folder: Path

    def image(self) -> np.ndarray:
        """(C, *shape) float32 or float16, read-only memory map."""
        return self._open("image.npy", self.shape, channels=True)

    def label(self) -> np.ndarray:
        """(*shape) uint8 on the prepared grid."""
        return self._open("label.npy", self.shape)

    def reference(self) -> np.ndarray:
        """(*original_shape) uint8 on the original grid."""
        return self._open("reference.npy", self.original_shape)

    def foreground(self) -> np.ndarray:
        """(N, 1 + spatial dims) int32: class and index on the prepared grid of sampled foreground voxels."""
        return self._open("foreground.npy", None)

    def posterior(self) -> np.ndarray | None:
        """(num_classes, *original_shape) float16, or None where the truth is not known."""
        if not (self.folder / "posterior.npy").is_file():
            return None
        return self._open("posterior.npy", self.original_shape, channels=True)

    def row(self) -> dict[str, Any]:
        """The manifest's cells, as values."""
        return {name: getattr(self, name) for name in COLUMNS}

    def _open(self, name: str, shape: tuple[int, ...] | None, channels: bool = False) -> np.ndarray:
        path = self.folder / name
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"case {self.id}: {path}: expected a prepared array, got {error}; {_REMEDY}") from error
        spatial = array.shape[1:] if channels else array.shape
        if shape is not None and spatial != shape:
            raise DataError(f"case {self.id}: {path}: expected shape {shape} on the grid, found {spatial}; {_REMEDY}")
        return array


COLUMNS = tuple(field.name for field in fields(PreparedCase) if field.name != "folder")
#: of the numbers in a column
_AXES = {
    "shape": 1,
    "spacing_mm": 1,
    "original_shape": 1,
    "original_spacing_mm": 1,
    "affine": 2,
    "crop": 2,
    "labels": 1,
}
_TEXT = ("id", "patient", "stratum", "source_sha256", "sha256")


def write_manifest(cases: Iterable[PreparedCase], out: Path) -> Path:
    """Write ``manifest.csv`` and its checksum into `out`, sorted by id: equal cases give equal bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for case in sorted(cases, key=lambda case: case.id):
        cells = case.row()
        writer.writerow([cells[name] if name in _TEXT else json.dumps(cells[name]) for name in COLUMNS])
    content = text.getvalue().encode()
    write_text(out / CHECKSUM, f"{hashlib.sha256(content).hexdigest()}  manifest.csv\n")
    write_bytes(out / "manifest.csv", content)
    return out / "manifest.csv"


def read_manifest(path: Path) -> list[PreparedCase]:
    """The cases of a manifest, sorted by id.

    Raises:
        DataError: it is missing, was cut off or altered since it was written, or a case's folder is gone.
    """
    path = Path(path)
    content = _content(path)
    recorded = path.parent / CHECKSUM
    if not recorded.is_file():
        raise DataError(f"{path}: expected its checksum in {recorded}, found nothing; {_REMEDY}")
    expected, actual = recorded.read_text(encoding="utf-8").split(" ")[0], hashlib.sha256(content).hexdigest()
    if expected != actual:
        raise DataError(
            f"{path}: expected SHA-256 {expected[:12]}..., found {actual[:12]}...: cut off or edited by hand; {_REMEDY}"
        )
    try:
        rows = csv_rows(content.decode(), COLUMNS)
        if not rows or tuple(rows[0]) != COLUMNS:
            raise ValueError(f"other columns than {', '.join(COLUMNS)}, or no row")
        folder = path.parent / "cases"
        cases = [_parse(row, folder / row["id"]) for row in rows]
    except ValueError as error:
        raise DataError(f"{path}: expected rows with columns {', '.join(COLUMNS)}, found {error}; {_REMEDY}") from error
    missing = [case.id for case in cases if not (case.folder / "image.npy").is_file()]
    if missing:
        raise DataError(f"{path}: {len(missing)} case(s) without arrays, {missing[0]} first; {_REMEDY}")
    return cases


def manifest_hash(path: Path) -> str:
    """SHA-256 of the manifest's bytes: it changes with any array, grid, patient or source file."""
    return hashlib.sha256(_content(Path(path))).hexdigest()


def prepared_classes(out: Path) -> tuple[str, ...]:
    """Names of the foreground classes of a prepared data set, as its cases recorded them.

    Raises:
        DataError: no case is prepared, or its record is damaged.
    """
    path = next(iter(sorted((Path(out) / "cases").glob("*/case.json"))), Path(out) / "cases")
    expected = "the record of a prepared case"
    record = require_json(path, expected, _REMEDY)
    try:
        return tuple(record["settings"]["classes"])
    except (KeyError, TypeError):
        raise DataError(f"{path}: expected {expected}, found no names of classes; {_REMEDY}") from None


def case_from_row(row: dict[str, Any], folder: Path) -> PreparedCase:
    """A case from values as JSON stores them (lists for tuples).

    Raises:
        KeyError, ValueError: a value is missing, or is no text or no list of numbers where it should be.
    """
    values = {name: row[name] if name in _TEXT else _numbers(row[name], _AXES[name]) for name in COLUMNS}
    if odd := next((name for name in _TEXT if not isinstance(values[name], str)), None):
        raise ValueError(f"{odd}: {values[odd]!r} in place of text")
    return PreparedCase(**values, folder=folder)


def hash_arrays(folder: Path) -> str:
    """SHA-256 over the array files of a prepared case, name and bytes, in the order of their names."""
    digest = hashlib.sha256()
    for name in ARRAYS:
        if (folder / name).is_file():
            with (folder / name).open("rb") as stream:
                digest.update(name.encode() + hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: expected the manifest of a prepared data set, got {error.strerror}; {_REMEDY}"
        ) from None


def _parse(row: dict[str, str], folder: Path) -> PreparedCase:
    values = {name: row[name] if name in _TEXT else _cell(row[name], _AXES[name]) for name in COLUMNS}
    return PreparedCase(**values, folder=folder)


@lru_cache(4096)
def _cell(text: str, axes: int) -> Any:
    """A cell as a value: of thousands of images nearly all have the same grid, which is parsed and kept once."""
    return _numbers(parse_json(text), axes)


def _numbers(value: Any, axes: int) -> Any:
    numbers = np.asarray(value)
    if numbers.ndim != axes or numbers.dtype.kind not in "if":
        raise ValueError(f"{str(value)[:40]!r} in place of numbers")
    return _tuples(value)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value
