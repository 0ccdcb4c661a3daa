"""The paper's printed numbers, each with what is known about how well it was read."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "paper"
#: words of a note that say the number itself may be another one; other notes only tell where it was confirmed
DOUBT = ("suspicio", "odd", "inconsistent", "prints", "numbers printed", "garbled", "ambiguous")
SHIFTED = "row label in the source text is shifted"


@dataclass(frozen=True)
class PaperValue:
    """One cell of a printed table.

    Attributes:
        value: the number in the table's unit; None if it is lost in the text at hand.
        note: how it was read.
        status: ``printed``, ``doubtful`` or ``lost``.
    """

    value: float | None
    note: str

    @property
    def status(self) -> str:
        """How far the cell can be trusted."""
        if self.value is None:
            return "lost"
        if self.note.startswith("confirmed"):
            return "printed"
        return "doubtful" if any(word in self.note for word in DOUBT) else "printed"


@functools.cache
def paper_values(table: str) -> dict[tuple[str, str, str], PaperValue]:
    """Cells of ``"table1"`` ... ``"table4"`` by (data set, metric, method), all under the paper's names."""
    with (FOLDER / f"{table}.csv").open(newline="") as stream:
        return {
            (row["dataset"], row["metric"], row["method"]): PaperValue(
                float(row["value"]) if row["value"] else None, row["note"]
            )
            for row in csv.DictReader(stream)
        }
