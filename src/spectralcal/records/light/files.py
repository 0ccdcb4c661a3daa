"""The files of a cell, whether they lie in its folder or inside its light file. A file in the folder comes first."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from spectralcal.base.digests import file_digest
from spectralcal.base.errors import ResultError
from spectralcal.base.files import BROKEN_ARCHIVE, load_arrays, parse_json, read_record
from spectralcal.base.record_types import is_sound
from spectralcal.records.light.cell import ARRAYS, FURTHER, TEXTS, LightCell, Part, light_file, of_arrays, of_text
from spectralcal.records.light.kept import kept, kept_spectra
from spectralcal.study.paths import CellPaths

#: file -> what is published of its arrays
_KEPT = {"calibration.npz": kept, "spectra.npz": kept_spectra}


class AlteredFile(ResultError):
    """A file of a cell is not the one that was recorded with it."""


def light_of(files: CellPaths) -> LightCell | None:
    """The light file of a cell, if it has one."""
    return LightCell.read(files.light) if files.light.is_file() else None


def has(path: Path) -> bool:
    """Whether a file of a cell is there, or stood for by the light file beside it.

    Raises:
        ResultError: the light file is damaged.
    """
    if path.is_file():
        return True
    light = light_of(CellPaths(path.parent))
    return light is not None and path.name in light.stands_for


def read_text(path: Path) -> bytes:
    """The bytes of a cell's cases.csv, history.csv or model.json.

    Raises:
        FileNotFoundError: neither the file is there nor a light one that stands for it.
        ResultError: the light file is damaged, or the file is not the one that the cell's records list.
    """
    light = None if path.is_file() else light_of(CellPaths(path.parent))
    if light is not None and path.name in light.stands_for:
        return light.text(path.name)
    content = path.read_bytes()
    _as_recorded(path, content)
    return content


def read_sound(path: Path) -> dict[str, Any] | None:
    """The record in a cell's run.json, evaluation.json or model.json; None if it is not there.

    Raises:
        ResultError: it is damaged, has a value of another kind than records have, or is not the one that was recorded.
    """
    try:
        record = parse_json(read_text(path)) if has(path) else None
    except (OSError, ValueError) as error:
        raise ResultError(f"{path}: damaged ({error}); delete it and run the cell again") from error
    if record is not None and not (isinstance(record, dict) and is_sound(record)):
        raise ResultError(f"{path}: damaged (a value of another kind than records have); run the cell again")
    return record


def read_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays of a cell's scorers.npz, or what is published of its calibration.npz or spectra.npz; None: no file.

    Raises:
        ResultError: the file is damaged, or not the one that the cell's records list.
    """
    if not path.is_file():
        light = light_of(CellPaths(path.parent))
        return light.arrays(path.name) if light is not None and path.name in light.stands_for else None
    arrays = load_arrays(path)
    _as_recorded(path)
    try:
        return _KEPT.get(path.name, dict)(arrays)
    except BROKEN_ARCHIVE as error:
        raise ResultError(f"{path}: damaged ({error}); delete it and run the cell again") from error


def lightened(files: CellPaths, names: Collection[str] = (*TEXTS, *ARRAYS, *FURTHER)) -> bytes | None:
    """The light file of a cell as it is now, tried: all that must come back does. None if there is nothing to hold.

    Args:
        files: the cell.
        names: which of its files that are there, or held by its light file, are wanted.

    Raises:
        ResultError: a file is damaged.
    """
    names = [name for name in (*TEXTS, *ARRAYS, *FURTHER) if name in names]
    here = [name for name in names if (files.folder / name).is_file()]
    light = light_of(files)
    held = [] if light is None else [name for name in names if name in light.stands_for and name not in here]
    parts = {name: light.part(name) for name in held} | {name: _part(files.folder / name) for name in here}
    if not parts:
        return None
    if not here and set(held) == set(light.stands_for):
        return files.light.read_bytes()  # another version of the compressor would give other bytes
    content = light_file(parts)
    _try(LightCell(content, files.light), files, here)
    return content


def _as_recorded(path: Path, content: bytes | None = None) -> None:
    """Refuse a file of a cell whose bytes are not those that were recorded with it: numbers would be drawn from it."""
    files = CellPaths(path.parent)
    for record in (files.run, files.evaluation):
        listed = (read_record(record) or {}).get("files", {}).get(path.name)
        if listed is None:
            continue
        if listed != (file_digest(path) if content is None else hashlib.sha256(content).hexdigest()):
            raise AlteredFile(
                f"{path}: expected the bytes that {record.name} lists (SHA-256), found others; put the file back, or "
                "delete it and run the cell again"
            )


def _part(path: Path) -> Part:
    content = path.read_bytes()
    if path.name in TEXTS:
        return of_text(content)
    return of_arrays(path.name, read_arrays(path) or {}, hashlib.sha256(content).hexdigest())


def _try(light: LightCell, files: CellPaths, names: list[str]) -> None:
    for name in names:
        path = files.folder / name
        if name in TEXTS:
            same = light.text(name) == path.read_bytes()
        else:
            there, back = read_arrays(path) or {}, light.arrays(name)
            same = there.keys() == back.keys() and all(_equal(there[key], back[key]) for key in there)
        if not same:
            raise ResultError(f"{path}: does not come back from its light form as it is; evaluate the cell again")


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
