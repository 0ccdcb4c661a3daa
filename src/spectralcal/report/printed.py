"""A paper's printed numbers, each with what is known about how well it was read.

They lie in the paper's folder as ``printed/<table>.csv``, a row for each cell of the printed table: ``dataset``,
``metric`` and ``method`` as the paper calls them, ``value`` (empty: lost in the text at hand), ``unit`` and ``note``.
Further columns are for people.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spectralcal.base.errors import ConfigError
from spectralcal.report.results import Results

FOLDER = "printed"
FIELDS = ("dataset", "metric", "method", "value", "unit", "note")
#: words of a note that make the number itself doubtful; other notes only say where it was confirmed
DOUBT = ("suspicio", "odd", "inconsistent", "prints", "numbers printed", "garbled", "ambiguous", "conflict")
SHIFTED = "row label in the source text is shifted"


@dataclass(frozen=True)
class PaperValue:
    """One cell of a printed table.

    Attributes:
        value: the number in the table's unit; None if it is lost in the text at hand.
        note: how it was read.
        unit: the table's unit; a ``fraction`` is scaled to the unit in which ours is printed, others stand as they are.
    """

    value: float | None
    note: str
    unit: str = ""

    @property
    def status(self) -> str:
        """How far the cell can be trusted: ``printed``, ``doubtful`` or ``lost``."""
        if self.value is None:
            return "lost"
        if self.note.startswith("confirmed"):
            return "printed"
        return "doubtful" if any(word in self.note.lower() for word in DOUBT) else "printed"

    def scaled(self, scale: float) -> float | None:
        """The value in the unit in which ours is printed, `scale` times the stored score."""
        if self.value is None or self.unit != "fraction":
            return self.value
        return round(self.value * scale, 9)  # 0.0091 * 1000 would not be 9.1


#: (paper's data set, metric, our method) -> the paper's cell, or None where it has none
Lookup = Callable[[str, str, str], "PaperValue | None"]


@functools.cache
def paper_values(paper: Path, table: str) -> dict[tuple[str, str, str], PaperValue]:
    """Cells of a printed table by (data set, metric, method), all under the paper's names.

    Args:
        paper: the paper's folder.
        table: name of its file.

    Raises:
        ConfigError: there is no such file, or one line of it cannot be read.
    """
    file = paper / FOLDER / f"{table}.csv"
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            rows = list(reader)
    except OSError as error:
        raise ConfigError(f"{file}: cannot read the paper's printed values: {error.strerror}") from error
    if lacking := [name for name in FIELDS if name not in (reader.fieldnames or ())]:
        raise ConfigError(f"{file}: expected columns {', '.join(FIELDS)}, found no '{lacking[0]}'")
    values: dict[tuple[str, str, str], PaperValue] = {}
    for number, row in enumerate(rows, start=2):
        key = row["dataset"], row["metric"], row["method"]
        if key in values:
            raise ConfigError(f"{file}, row {number}: expected each cell once, found {', '.join(key)} again")
        try:
            values[key] = PaperValue(float(row["value"]) if row["value"] else None, row["note"], row["unit"])
        except ValueError:
            raise ConfigError(f"{file}, row {number}: value: expected a number, found '{row['value']}'") from None
    return values


def by_method(results: Results, table: str) -> Lookup:
    """Cells of a table with a column for each training loss, none for variants and in a study without a paper."""
    if results.paper_folder is None:
        return lambda dataset, metric, method: None
    values = paper_values(results.paper_folder, table)
    return lambda dataset, metric, method: values.get((dataset, metric, results.paper_name(method)))
