"""The list of a paper's claims (``printed/claims.csv``): what it says, where, and what would support or refute it."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass, fields
from pathlib import Path

from spectralcal.base.errors import ConfigError
from spectralcal.base.papers import paper_of

FILE = "printed/claims.csv"
#: hypotheses of our own about a paper, in the same columns; a paper may have none
OWN = "printed/hypotheses.csv"
#: in the column "data_sets": the claim is about training in general, or about no data at all
ANY, NONE = "any", "none"
NAMED = "named"
#: columns that a list may lack
OPTIONAL = ("damaged", "trivial")


@dataclass(frozen=True)
class Claim:
    """One line of the list.

    Attributes:
        id: for example ``C01`` ... for claims of the paper's text and figures, ``T01`` ... for its formulas.
        claim: in our words.
        place: where the paper makes it.
        measured_by: what is computed.
        supported_if, refuted_if: the rule.
        printed: what the paper's own numbers say, where it prints any.
        data_sets: the data sets that it is about; empty if it names none.
        damaged: what is known to be damaged in the text that the claim or its printed numbers were read from; empty if
            nothing is. Optional column.
        trivial: why the claim holds whatever the method does; empty if it could fail. Optional column.
        kind: "named" (about these data sets), "any" (about training in general) or "none" (computed without data).
    """

    id: str
    claim: str
    place: str
    measured_by: str
    supported_if: str
    refuted_if: str
    printed: str
    data_sets: tuple[str, ...]
    kind: str
    damaged: str = ""
    trivial: str = ""


@functools.cache
def catalogue(paper: str) -> dict[str, Claim]:
    """All claims of a paper by id, in the order of its file.

    Args:
        paper: the configuration's `paper`.

    Raises:
        ConfigError: the file cannot be read, or lacks a column.
    """
    return _read(paper_of(paper).folder / FILE)


@functools.cache
def hypotheses(paper: str) -> dict[str, Claim]:
    """Our own hypotheses about a paper by id, in the order of their file; empty if there is no such file.

    Args, Raises: as :func:`catalogue`.
    """
    file = paper_of(paper).folder / OWN
    return _read(file) if file.is_file() else {}


def _read(file: Path) -> dict[str, Claim]:
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            rows = list(reader)
    except OSError as error:
        raise ConfigError(f"{file}: cannot read the list of the paper's claims: {error.strerror}") from error
    columns = [field.name for field in fields(Claim) if field.name != "kind"]
    present = reader.fieldnames or ()
    if sorted(columns) != sorted({*present, *OPTIONAL}) or len(present) != len(set(present)):
        raise ConfigError(
            f"{file}: expected columns {', '.join(columns)} ({' and '.join(OPTIONAL)} may be left out), found "
            f"{', '.join(present)}"
        )
    return {row["id"]: _claim(row) for row in rows}


def _claim(row: dict[str, str]) -> Claim:
    names = row.pop("data_sets")
    if names in (ANY, NONE):
        return Claim(**row, data_sets=(), kind=names)
    return Claim(**row, data_sets=tuple(names.split()), kind=NAMED)
