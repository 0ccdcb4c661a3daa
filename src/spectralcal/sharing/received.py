"""What an unpacked archive has: cells, and their scores under other conditions, each as its records say."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from spectralcal.base.errors import DataError
from spectralcal.base.files import read_record
from spectralcal.records.checks import check_cell
from spectralcal.records.light.files import has
from spectralcal.study.grid import Cell
from spectralcal.study.paths import CellPaths


def received_cells(archive: Path, folder: Path) -> list[tuple[Cell, CellPaths]]:
    """The cells of an unpacked archive; every one as its records say."""
    cells = [_sound(archive, folder, place) for place in sorted(folder.glob("cells/*/*/*/*"))]
    if not cells:
        raise DataError(f"{archive}: contains no cell")
    return cells


class ReceivedTest(NamedTuple):
    """Scores of a cell under another condition than the ordinary test."""

    cell: Cell
    condition: str
    files: CellPaths

    def __str__(self) -> str:
        return f"{self.cell}, condition {self.condition}"


def received_tests(archive: Path, folder: Path) -> list[ReceivedTest]:
    """What an unpacked archive has of other conditions; all as its records say."""
    tests = []
    for place in sorted(folder.glob("cells/*/*/*/*/condition=*")):
        cell, files = _sound(archive, folder, place)
        tests.append(ReceivedTest(cell, place.name.partition("=")[2], files))
        recorded = (read_record(files.evaluation) or {}).get("condition")
        if recorded != tests[-1].condition:
            raise DataError(f"{archive}: cell {tests[-1]}: {files.evaluation.name} is of the condition {recorded}")
    return tests


def _sound(archive: Path, folder: Path, place: Path) -> tuple[Cell, CellPaths]:
    """The cell that a folder of an archive is of, and its files, which are as their records say."""
    cell, files = Cell.from_path(place.relative_to(folder / "cells")), CellPaths(place)
    findings, _ = check_cell(cell, files)
    if not findings and files.evaluation.is_file() != has(files.cases):
        findings = [f"{files.evaluation.name}: comes without {files.cases.name}"]
    if findings:
        raise DataError(f"{archive}: cell {cell}: {findings[0]}; ask for it again")
    return cell, files
