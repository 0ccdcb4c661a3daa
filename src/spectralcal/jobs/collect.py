"""Scores of all cells in one Parquet table, written cell by cell: memory does not grow with the study.

Behind a cell's own scores stand those that follow from its bins (:mod:`spectralcal.jobs.derived`).
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spectralcal.base.console import say
from spectralcal.base.errors import ResultError
from spectralcal.base.files import atomic_write, read_record, write_text
from spectralcal.jobs.derived import derived_scores
from spectralcal.jobs.score_files import CASE_COLUMNS
from spectralcal.records.light.files import AlteredFile, read_text
from spectralcal.study.conditions import TEST, further_conditions
from spectralcal.study.config import StudyConfig
from spectralcal.study.grid import Cell, parent_cells, study_cells
from spectralcal.study.paths import CellPaths, StudyPaths

if TYPE_CHECKING:
    import pyarrow as pa

#: rows of a row group: large enough to pack well, small enough that a reader can skip most cells
GROUP_ROWS = 50_000
_CASES = "cases.csv"
_STATUS = ("dataset", "architecture", "method", "seed", "status", "fingerprint")


def collect(config: StudyConfig, allow_missing: bool = False) -> tuple[int, int]:
    """Gather cases.csv of all cells, and what follows from their bins, in cases.parquet; list every cell with its
    status in cells.csv.

    Where the study has conditions, a column `condition` says what a score was tested on: "test", or the name of one.

    Args:
        config: the study.
        allow_missing: mark cells without scores instead of refusing.

    Returns:
        How many cells have the scores of their ordinary test, and how many cells there are.

    Raises:
        ResultError: a cell is not scored, its file is damaged or of another cell, or no cell is scored at all.
    """
    import pyarrow.parquet as pq

    paths = StudyPaths(config)
    status: list[dict[str, object]] = []
    with atomic_write(paths.cases) as temporary:
        with pq.ParquetWriter(temporary, _with_condition(_table([]), config, TEST).schema) as writer:
            for group in _grouped(_tables(config, paths, allow_missing, status)):
                writer.write_table(group)
        ordinary = [entry for entry in status if entry.get("condition", TEST) == TEST]
        done = sum(entry["status"] == "complete" for entry in ordinary)
        if not done:
            raise ResultError(f"{config.results / 'cells'}: no cell of the study '{config.study}' is scored yet")
    text = io.StringIO()
    further = ["condition"] if config.evaluation.conditions else []
    rows = csv.DictWriter(text, [*_STATUS, *further], lineterminator="\n")
    rows.writeheader()
    rows.writerows(status)
    write_text(paths.cells, text.getvalue())
    return done, len(ordinary)


def read_scores(path: Path, columns: Sequence[str] = CASE_COLUMNS) -> pa.Table:
    """cases.csv of one cell; an empty value is null, and every other text stands for itself ("NA" may be a name).

    Args:
        path: the file.
        columns: those to read.

    Raises:
        OSError: there is no such file.
        ValueError: it is not a table of scores.
    """
    return _parsed(path.read_bytes(), columns)


def _parsed(content: bytes, columns: Sequence[str] = CASE_COLUMNS) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    schema = _schema(columns)
    options = arrow_csv.ConvertOptions(column_types=schema, null_values=[""], include_columns=schema.names)
    return arrow_csv.read_csv(pa.BufferReader(content), convert_options=options).cast(schema)


def _tables(
    config: StudyConfig, paths: StudyPaths, allow_missing: bool, status: list[dict[str, object]]
) -> Iterator[pa.Table]:
    """Scores of each scored cell under each condition; what became of every test of every cell goes to `status`."""
    for cell, condition in _tests(config):
        files = paths.cell(cell, condition)
        entry: dict[str, object] = {**vars(cell), "status": "missing", "fingerprint": ""}
        entry |= {"condition": condition} if config.evaluation.conditions else {}
        status.append(entry)
        try:
            table, fingerprint = _scored(cell, files)
        except (OSError, ValueError, KeyError, AlteredFile) as error:
            if condition != TEST and not _can_be_tested(config, paths, cell):
                say(f"{cell}, condition {condition}: not scored, and its weights are not here")
            elif not allow_missing and not config.partial:
                raise ResultError(
                    f"{files.cases}: cell is not scored ({' '.join(str(error).split())}); run it, or collect with "
                    "--allow-missing"
                ) from None
            continue
        entry |= {"status": "complete", "fingerprint": fingerprint}
        for part in (table, *_derived(table, files)):
            yield _with_condition(part, config, condition)


def _tests(config: StudyConfig) -> Iterator[tuple[Cell, str]]:
    """Every cell with the ordinary test, then with each condition that it is tested under."""
    cells = study_cells(config)
    yield from ((cell, TEST) for cell in cells)
    yield from ((cell, condition) for cell in cells for condition in further_conditions(config, cell))


def _can_be_tested(config: StudyConfig, paths: StudyPaths, cell: Cell) -> bool:
    """Whether the weights of a cell are here: one that came with shared results has none to test further."""
    return all(paths.cell(parent).weights.is_file() for parent in parent_cells(config, cell))


def _derived(table: pa.Table, files: CellPaths) -> Iterator[pa.Table]:
    """What follows from the bins of a cell, if anything does."""
    try:
        rows = derived_scores(table, files.calibration)
    except ResultError as error:  # the scores are sound; whoever shows the bins names the file again
        say(f"without what follows from its bins: {error}")
        return
    if rows:
        yield _table(rows)


def _with_condition(table: pa.Table, config: StudyConfig, condition: str) -> pa.Table:
    """The table with a column that says what was tested, where a study has more than one such thing."""
    import pyarrow as pa

    if not config.evaluation.conditions:
        return table
    return table.append_column("condition", pa.array([condition] * table.num_rows, pa.string()))


def _scored(cell: Cell, files: CellPaths) -> tuple[pa.Table, str]:
    record = read_record(files.evaluation)
    if not record:
        raise ValueError(f"{files.evaluation.name} is missing or damaged")
    content = read_text(files.cases)
    if record.get("files", {}).get(_CASES, digest := hashlib.sha256(content).hexdigest()) != digest:
        raise ValueError(f"altered since {files.evaluation.name} was written")
    table = _parsed(content)
    for name, value in vars(cell).items():
        values = table.column(name).unique().to_pylist()
        if values != [value]:
            raise ValueError(f"expected scores of {name} {value!r}, found {values[:3]}")
    return table, record["fingerprint"]


def _table(rows: list[dict[str, object]]) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_pylist(rows, schema=_schema())


def _grouped(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Tables joined until they have GROUP_ROWS rows."""
    import pyarrow as pa

    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(part.num_rows for part in waiting) >= GROUP_ROWS:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _schema(columns: Sequence[str] = CASE_COLUMNS) -> pa.Schema:
    import pyarrow as pa

    types = {"seed": pa.int64(), "value": pa.float64()}
    return pa.schema([(name, types.get(name, pa.string())) for name in columns])
