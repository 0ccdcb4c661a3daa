"""Facts of a data set beside its manifest, so that nothing but the prepared folder is needed to train and to score.

They lie in a file of their own: the manifest's bytes are part of the identity of results.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from spectralcal.base.errors import DataError
from spectralcal.base.files import require_json, write_json
from spectralcal.data.manifest import prepared_classes
from spectralcal.datasets.facts import DataFacts, Unit

if TYPE_CHECKING:
    from spectralcal.datasets import Dataset

FILE = "facts.json"
_SEAL = "sha256"
_REMEDY = "run `spectralcal prepare` again"


def write_facts(facts: DataFacts, out: Path) -> Path:
    """Write ``facts.json`` into a prepared folder in one atomic step; the file includes the SHA-256 of its content."""
    content = asdict(facts)
    path = Path(out) / FILE
    write_json(path, {**content, _SEAL: _digest(content)}, indent=1)
    return path


def data_facts(prepared: Path, entry: type[Dataset] | None = None) -> DataFacts:
    """The facts of a prepared data set.

    Data that were prepared before there was a file of facts have those of their class. A class that stands for no data
    set has no classes; they are then in the records of the cases, and axes and channels are those of the arrays.

    Args:
        prepared: folder of the manifest.
        entry: the class of the data set, for data of before; None: as for data of one's own.

    Raises:
        DataError: the file is damaged or was altered, or nothing is prepared.
    """
    path = Path(prepared) / FILE
    if path.is_file():
        return read_facts(path)
    stated = {field.name: getattr(entry, field.name) for field in fields(DataFacts) if hasattr(entry, field.name)}
    return DataFacts(**stated) if "classes" in stated else _recorded(Path(prepared))


def read_facts(path: Path) -> DataFacts:
    """The facts in a file that :func:`write_facts` wrote.

    Raises:
        DataError: it is missing, cut off or altered.
    """
    content = require_json(path, "the facts of a data set", _REMEDY)
    seal = content.pop(_SEAL, "(none)")
    if seal != _digest(content):
        raise DataError(f"{path}: expected the content with SHA-256 {str(seal)[:12]}..., found another; {_REMEDY}")
    names = [field.name for field in fields(DataFacts)]
    if sorted(content) != sorted(names) or content["unit"] not in get_args(Unit):
        raise DataError(f"{path}: expected {', '.join(names)} of another version; {_REMEDY}")
    nested = content["nested"]
    lists = {
        "classes": tuple(content["classes"]),
        "channels": tuple(content["channels"]),
        "nested": None if nested is None else {name: tuple(labels) for name, labels in nested.items()},
    }
    return DataFacts(**{**content, **lists})


def _recorded(prepared: Path) -> DataFacts:
    classes = prepared_classes(prepared)
    path = next((prepared / "cases").glob("*/image.npy"), prepared / "cases")
    try:
        image = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: expected a prepared image, got {type(error).__name__}; {_REMEDY}") from None
    names = ("image",) if len(image) == 1 else tuple(f"image {index}" for index in range(len(image)))
    return DataFacts(classes, image.ndim - 1, "mm", names)


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
