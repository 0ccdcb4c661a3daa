"""Values of JSON files that people and tools wrote: each is looked at before it is used as what it should be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spectralcal.base.errors import DataError
from spectralcal.datasets.listing import from_home, nfc, on_disk

_KINDS = {dict: "an object", list: "a list", bool: "a truth value", type(None): "null"}


def shown(value: Any) -> str:
    """A value for messages: text in quotes, numbers as they are, the rest by its kind."""
    if isinstance(value, str):
        return f"'{value}'"
    return _KINDS.get(type(value), str(value)) if value or not isinstance(value, list | dict) else f"an empty {value!r}"


def name_of(value: Any, where: str, what: str, default: str = "") -> str:
    """A name, in Unicode's composed form: text or a number; `default` for null and for empty text.

    Raises:
        DataError: anything else.
    """
    if value is None or value == "":
        return default
    if isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
        return nfc(str(value))
    raise DataError(f"{where}: {what}: expected a text or a number, found {shown(value)}; correct it")


def integer_of(value: Any) -> int | None:
    """A whole number, also written as text or as 1.0; None for anything else."""
    if isinstance(value, str):
        text = value.strip()
        return int(text) if text.removeprefix("-").isdecimal() else None
    whole = isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1
    return int(value) if whole and abs(value) < 2**53 else None


def paths_of(value: Any, root: Path, where: str, what: str) -> tuple[Path, ...]:
    """The files that an entry names, as the disk spells them: one path or a list of them, from `root` or absolute.

    Raises:
        DataError: no path, or something else than text.
    """
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise DataError(f"{where}: {what}: expected a path or a list of paths, found {_inside(value)}; correct it")
    return tuple(on_disk(root / from_home(text)) for text in texts)


def path_of(value: Any, root: Path, where: str, what: str) -> Path:
    """The one file that an entry names, see :func:`paths_of`."""
    paths = paths_of(value, root, where, what)
    if len(paths) > 1:
        raise DataError(f"{where}: {what}: expected one path, found {len(paths)}; correct it")
    return paths[0]


def entries_of(content: dict[str, Any], key: str, where: str, keys: tuple[str, ...], expected: str) -> list[dict]:
    """The list of objects under a key, each with the `keys`.

    Raises:
        DataError: another kind of value, naming the first entry that is.
    """
    entries = content.get(key)
    if not isinstance(entries, list) or not entries:
        found = "nothing" if key not in content else shown(entries)
        raise DataError(f"{where}: expected {expected} under '{key}', found {found}; correct it")
    for number, entry in enumerate(entries):
        lacking = [name for name in keys if not isinstance(entry, dict) or name not in entry]
        if lacking:
            found = f"without {lacking[0]}" if isinstance(entry, dict) else shown(entry)
            raise DataError(f"{where}: expected {expected}, found {key}[{number}] {found}; correct it")
    return entries


def _inside(value: Any) -> str:
    if isinstance(value, list) and value:
        return "a list with " + next(shown(item) for item in value if not (isinstance(item, str) and item.strip()))
    return shown(value)
