"""Answers that a machine keeps between runs, in the user's cache folder: one file each, which may be deleted.

Nothing here fails. Without a home, or where the folder cannot be written, an answer is computed again each time. Files
appear complete, so any number of processes may ask at once; the last one writes the same answer again.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from spectralcal.base.files import read_json, write_json


def cache_folder(name: str) -> Path | None:
    """``spectralcal/<name>`` in XDG_CACHE_HOME, or else in ``~/.cache``; None where neither is an absolute path."""
    home = os.environ.get("HOME", "")
    for base in (Path(os.environ.get("XDG_CACHE_HOME", "")), Path(home, ".cache")):
        if base.is_absolute():
            return base / "spectralcal" / name
    return None


def recall(name: str, question: dict[str, Any]) -> dict[str, Any] | None:
    """The kept answer to a question of JSON-like values; None if there is none, or only a damaged one."""
    if (path := _path(name, question)) is None:
        return None
    kept = read_json(path)
    if _text(kept.get("question")) != _text(question):
        return None
    answer = kept.get("answer")
    return answer if isinstance(answer, dict) else None


def keep(name: str, question: dict[str, Any], answer: dict[str, Any]) -> None:
    """Keep an answer where that is possible."""
    if (path := _path(name, question)) is not None:
        with suppress(OSError):
            write_json(path, {"question": question, "answer": answer})


def _path(name: str, question: dict[str, Any]) -> Path | None:
    folder = cache_folder(name)
    return None if folder is None else folder / f"{hashlib.sha256(_text(question).encode()).hexdigest()[:16]}.json"


def _text(question: Any) -> str:
    return json.dumps(question, sort_keys=True, default=str)
