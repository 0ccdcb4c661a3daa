"""Which files of a folder count: links are followed, rubbish beside the data is not, and names are compared as text."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

from spectralcal.base.errors import DataError

#: folders that systems put beside the data; in lower case, as names are compared
_RUBBISH = frozenset(
    {"__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found", "thumbs.db",
     "desktop.ini"}
)  # fmt: skip
#: what a word may be followed by and still be that word: testing, test_set, TestData
_ENDINGS = ("", "s", "ing", "set", "sets", "data", "cases", "images", "imgs", "masks", "part")


def nfc(text: str) -> str:
    """Text in Unicode's composed form: macOS may store an umlaut as two characters where a list has one."""
    return unicodedata.normalize("NFC", text)


def is_rubbish(path: PurePath | str) -> bool:
    """Whether a part of a relative path is hidden or made by a system: ``__MACOSX/...``, ``._name``, ``.DS_Store``."""
    return any((part.startswith(".") and part != "..") or part.lower() in _RUBBISH for part in PurePath(path).parts)


def has_word(path: PurePath | str, word: str) -> bool:
    """Whether a path speaks of a word in lower case: "TestData" and "testing" do of "test", "latest" does not."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", str(path))
    return any(found.lower() in {word + ending for ending in _ENDINGS} for found in words)


def walk(root: Path, rubbish: bool = False) -> Iterator[Path]:
    """Everything below `root`, files and folders, also behind links; a folder that is linked twice is entered once.

    Args:
        root: where to start.
        rubbish: give what :func:`is_rubbish` says of, too.
    """
    entered: set[tuple[int, int]] = set()
    _new(root, entered)
    for folder, folders, files in os.walk(root, followlinks=True):
        here = Path(folder)
        names = sorted(folders, key=lambda name: ((here / name).is_symlink(), name))  # the folder itself before links
        kept = [name for name in names if (rubbish or not is_rubbish(name)) and _new(here / name, entered)]
        folders[:] = kept
        yield from (here / name for name in (*kept, *files) if rubbish or not is_rubbish(name))


def files_below(root: Path, pattern: str) -> list[Path]:
    """Files below `root` whose name fits a regular expression completely, in order and without rubbish."""
    fits = re.compile(pattern).fullmatch
    return sorted(path for path in walk(root) if fits(nfc(path.name)) and path.is_file())


def files_in(folder: Path) -> list[Path]:
    """Files directly in a folder, in order and without rubbish; none where the folder is not there."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not is_rubbish(path.name) and path.is_file())


def by_key(paths: Iterable[tuple[str, Path]], root: Path) -> tuple[dict[str, Path], list[str]]:
    """The one file of each key, and a text for each further one: which of two copies counts is not ours to guess."""
    chosen: dict[str, Path] = {}
    problems = []
    for key, path in paths:
        first = chosen.setdefault(key, path)
        if first != path:
            problems.append(f"{key} is there twice, as {_below(first, root)} and {_below(path, root)}")
    return chosen, problems


def on_disk(path: Path) -> Path:
    """A path as the disk spells it: names that differ in Unicode's form alone (NFC, NFD) are one name."""
    if os.path.lexists(path) or path == path.parent:
        return path
    folder = on_disk(path.parent)
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return path
    return next((entry for entry in entries if nfc(entry.name) == nfc(path.name)), folder / path.name)


def from_home(text: str | Path) -> Path:
    """A path whose leading ``~`` is the user's home.

    Raises:
        DataError: the user has none, as in some containers.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise DataError(
            f"{text}: expected a path whose '~' is a home, found a user without one; write the folder out"
        ) from error


def lies_inside(path: Path, root: Path) -> bool:
    """Whether a path leads below `root` by its text; where links on it end does not count."""
    inner, outer = (Path(os.path.normpath(place.absolute())) for place in (path, root))
    return inner.is_relative_to(outer)


def _new(folder: Path, entered: set[tuple[int, int]]) -> bool:
    try:
        status = folder.stat()
    except OSError:
        return False
    identity = (status.st_dev, status.st_ino)
    if identity in entered:
        return False
    entered.add(identity)
    return True


def _below(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path
