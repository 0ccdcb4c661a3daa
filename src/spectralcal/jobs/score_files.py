"""The files of a cell's scores: the text of cases.csv, and scores that the training process left for adoption."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from spectralcal.base.files import move, read_record
from spectralcal.base.integrity import altered
from spectralcal.study.grid import Cell
from spectralcal.study.paths import CellPaths

CASE_COLUMNS = ("dataset", "architecture", "method", "seed", "case", "patient", "class", "metric", "protocol", "value",
                "status")  # fmt: skip


def cases_text(cell: Cell, rows: Iterable[Mapping[str, Any]]) -> str:
    """Scores of a cell as the text of cases.csv."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, CASE_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        value = row["value"]
        number = "" if np.isnan(value) else repr(float(value))
        writer.writerow({**asdict(cell), **row, "value": number})
    return buffer.getvalue()


def adopt_staged(files: CellPaths, stamp: Mapping[str, Any]) -> bool:
    """Make staged scores final if they carry the same stamp; drop them otherwise."""
    staged = CellPaths(files.staged)
    if not staged.evaluation.is_file():
        return False
    record = read_record(staged.evaluation) or {}
    matches = all(record.get(key) == value for key, value in stamp.items())
    matches = matches and not altered(staged.folder, record.get("files", {}))
    if matches:
        further = ["scorers"] if staged.scorers.name in record["files"] else []
        for name in ("cases", "calibration", "spectra", *further, "evaluation"):
            move(getattr(staged, name), getattr(files, name))
    shutil.rmtree(files.staged, ignore_errors=True)
    return matches
