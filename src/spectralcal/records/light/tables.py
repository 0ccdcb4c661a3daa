"""CSV files as columns of numbers and back, to the byte."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping

import numpy as np

_RAW = "text"


def columns_of(text: str) -> dict[str, np.ndarray]:
    """A CSV file as arrays: numbers where numbers give the same text again, else places in a list of what occurs.

    A file that would not come back byte for byte is kept as it is.
    """
    arrays = _columns(text)
    return arrays if arrays is not None and _text(arrays) == text else {_RAW: _bytes(text)}


def text_of(arrays: Mapping[str, np.ndarray]) -> str:
    """The file of :func:`columns_of`.

    Raises:
        ValueError: the arrays are no such file.
    """
    try:
        return arrays[_RAW].tobytes().decode() if _RAW in arrays else _text(arrays)
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"the columns are damaged ({type(error).__name__}: {error})") from None


def _columns(text: str) -> dict[str, np.ndarray] | None:
    rows = list(csv.reader(io.StringIO(text, newline="")))
    if not rows or any(len(row) != len(rows[0]) for row in rows):
        return None
    arrays = {"names": np.array(rows[0])}
    for place, column in enumerate(zip(*rows[1:], strict=True)):
        numbers = _numbers(column)
        if numbers is not None:
            arrays[f"{place}/{numbers[0]}"] = numbers[1]
            continue
        known = {value: code for code, value in enumerate(dict.fromkeys(column))}
        arrays[f"{place}/values"] = _bytes("\0".join(known))
        arrays[f"{place}/codes"] = np.array([known[value] for value in column])
    arrays["rows"] = np.array(len(rows) - 1)
    return arrays


def _text(arrays: Mapping[str, np.ndarray]) -> str:
    names = [str(name) for name in arrays["names"]]
    columns = []
    for place in range(len(names)):
        way = next((name for name in _WRITTEN if f"{place}/{name}" in arrays), None)
        if way:
            numbers = arrays[f"{place}/{way}"].tolist()
            columns.append(["" if value != value else _WRITTEN[way][1](value) for value in numbers])
        elif int(arrays["rows"]):
            values = arrays[f"{place}/values"].tobytes().decode().split("\0")
            columns.append([values[code] for code in arrays[f"{place}/codes"].tolist()])
        else:
            columns.append([])
    if any(len(column) != int(arrays["rows"]) for column in columns):
        raise ValueError("columns of different lengths")
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(zip(*columns, strict=True))
    return buffer.getvalue()


def _numbers(column: tuple[str, ...]) -> tuple[str, np.ndarray] | None:
    """Integers, or floats with NaN for an empty field, if they are written in one of the ways of :data:`_WRITTEN`."""
    for name, (kind, write) in _WRITTEN.items():
        try:
            numbers = np.array([kind(text) if text or kind is int else np.nan for text in column], np.dtype(kind))
        except (ValueError, OverflowError):
            continue
        if ["" if value != value else write(value) for value in numbers.tolist()] == list(column):
            return name, numbers
    return None


def _short(value: float) -> str:
    """As :mod:`spectralcal.engine.history` writes: without a fraction where there is none."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


#: how numbers are written, by name
_WRITTEN: dict[str, tuple[type, Callable[..., str]]] = {
    "integers": (int, str),
    "floats": (float, repr),
    "short": (float, _short),
}


def _bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)
