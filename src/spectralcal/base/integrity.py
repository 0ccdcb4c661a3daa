"""Records that notice when they, or the files that they speak of, are changed by hand.

``run.json`` and ``evaluation.json`` list the SHA-256 of the files that were written with them and carry a seal over
their own content. This finds accidents and edits in good faith; it is no signature.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from spectralcal.base.digests import file_digest


def file_hashes(files: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of files, by name."""
    return {file.name: file_digest(file) for file in files}


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON record with the digest of the rest of it under ``seal``, as the last key."""
    content = json.loads(json.dumps({key: value for key, value in record.items() if key != "seal"}, default=str))
    return {**content, "seal": _seal(content)}


def seal_holds(record: Mapping[str, Any]) -> bool | None:
    """Whether a record is as it was sealed; None if it has no seal."""
    if "seal" not in record:
        return None
    return _seal({key: value for key, value in record.items() if key != "seal"}) == record["seal"]


def altered(folder: Path, hashes: Mapping[str, str]) -> list[str]:
    """Names of the files in `folder` whose bytes are not those of `hashes`; a file that is gone is none of them."""
    return [
        name
        for name, expected in hashes.items()
        if (folder / name).is_file() and file_digest(folder / name) != expected
    ]


def _seal(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
