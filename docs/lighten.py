"""Bring published cells into their light form, once; kept until the next release.

    python docs/lighten.py                        # results/open and results/explore
    python docs/lighten.py results/open ELSEWHERE/results/open

In each cell of a results folder light.zip takes the place of cases.csv, calibration.npz, spectra.npz, history.csv and
model.json. The records stay as they are: light.zip is tried before the files go, and has the hashes that the records
list. A cell that was altered stops the script before anything is changed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from spectralcal.records.checks import check_cell, read_record
from spectralcal.records.light.cell import LightCell
from spectralcal.records.light.files import lightened
from spectralcal.study.grid import Cell
from spectralcal.study.paths import CellPaths

ROOT = Path(__file__).parents[1]


def lighten(results: Path) -> str:
    """Bring all cells of a results folder into the light form; returns what it came to.

    Raises:
        SystemExit: a cell is not as its records say.
    """
    cells = []
    for folder in sorted((results / "cells").glob("*/*/*/*")):
        cell = Cell.from_path(folder.relative_to(results / "cells"))
        files = CellPaths(folder)
        cells.append(files)
        if findings := check_cell(cell, files)[0]:
            sys.exit(f"{folder}: {findings[0]}; nothing was changed")
    before = _size(results)
    for files in cells:
        records = (read_record(record) or {} for record in (files.run, files.evaluation))
        content = lightened(files, {name for record in records for name in record.get("files", {})})
        if content is not None:
            files.light.write_bytes(content)
            for name in LightCell(content, files.light).stands_for:
                (files.folder / name).unlink(missing_ok=True)
    after, of_cells = _size(results), _size(results / "cells")
    mean = of_cells / max(len(cells), 1) / 1000
    return f"{results}: {before / 1e6:.1f} MB -> {after / 1e6:.1f} MB, {len(cells)} cells of {mean:.1f} kB on average"


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


if __name__ == "__main__":
    for place in map(Path, sys.argv[1:] or (ROOT / "results/open", ROOT / "results/explore")):
        print(lighten(place))
