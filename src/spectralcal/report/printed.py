"""The paper's printed numbers, each with what is known about how well it was read."""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spectralcal.report.results import Results
from spectralcal.study.methods import loss_options, parse_method

FOLDER = Path(__file__).parents[1] / "papers/spectral_entropy/printed"
#: words of a note that say the number itself may be another one; other notes only tell where it was confirmed
DOUBT = ("suspicio", "odd", "inconsistent", "prints", "numbers printed", "garbled", "ambiguous", "conflict")
SHIFTED = "row label in the source text is shifted"
#: option of the spectral loss -> (its name in Table 4, the value that the paper keeps while it varies another)
SWEPT: dict[str, tuple[str, float]] = {"weight": ("lambda", 0.01), "window": ("W", 50), "bands": ("K", 5)}


@dataclass(frozen=True)
class PaperValue:
    """One cell of a printed table.

    Attributes:
        value: the number in the table's unit; None if it is lost in the text at hand.
        note: how it was read.
        unit: the table's unit; Tables 3 and 4 print fractions where Tables 1 and 2 print percent and thousandths.
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
def paper_values(table: str) -> dict[tuple[str, str, str], PaperValue]:
    """Cells of ``"table1"`` ... ``"table4"`` by (data set, metric, method), all under the paper's names."""
    with (FOLDER / f"{table}.csv").open(newline="") as stream:
        return {
            (row["dataset"], row["metric"], row["method"]): PaperValue(
                float(row["value"]) if row["value"] else None, row["note"], row["unit"]
            )
            for row in csv.DictReader(stream)
        }


def by_method(results: Results, table: str) -> Lookup:
    """Cells of Tables 1 and 2: a column for each training loss, none for variants."""
    return lambda dataset, metric, method: paper_values(table).get((dataset, metric, results.paper_name(method)))


def by_term(results: Results) -> Lookup:
    """Cells of Table 3: cross-entropy, and the spectral loss with the paper's settings, with and without a window."""

    def row(method: str) -> str | None:
        settings = _spectral_settings(results, method)
        if settings in ((0.01, 50, 5), (0.01, 1, 5)):
            return "L_CE + L_Spectral" + (" w/o W" if settings[1] == 1 else "")
        return "L_CE" if results.paper_name(method) == "CE" else None

    return lambda dataset, metric, method: paper_values("table3").get((dataset, metric, row(method)))


def by_value(results: Results, option: str | None) -> Lookup:
    """Cells of the block of Table 4 that varies `option`; a method matches if the other options are the paper's."""
    if option not in SWEPT:
        return lambda dataset, metric, method: None
    others = [key for key in SWEPT if key != option]
    symbol = SWEPT[option][0]
    cells = {
        (dataset, metric, float(name.partition("=")[2])): found
        for (dataset, metric, name), found in paper_values("table4").items()
        if name.partition("=")[0] == symbol
    }

    def find(dataset: str, metric: str, method: str) -> PaperValue | None:
        settings = _spectral_settings(results, method)
        if settings is None:
            return None
        value = dict(zip(SWEPT, settings, strict=True))
        same = all(value[key] == SWEPT[key][1] for key in others)
        return cells.get((dataset, metric, float(value[option]))) if same else None

    return find


def _spectral_settings(results: Results, method: str) -> tuple[Any, ...] | None:
    """Weight, window and bands of the spectral loss; None for other losses and for variants of its other options."""
    parsed = parse_method(method, results.config.methods)
    if parsed.loss != "spectral" or parsed.post_hoc or not {key for key, _ in parsed.options} <= set(SWEPT):
        return None
    options = loss_options(results.config, method)
    return tuple(options[key] for key in SWEPT)
