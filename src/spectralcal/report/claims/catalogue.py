"""The list of claims (``paper/claims.csv``): what the paper says, where, and what would support or refute it."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parents[2] / "papers/spectral_entropy/printed/claims.csv"
#: in the column "data_sets": the claim is about training in general, or about no data at all
ANY, NONE = "any", "none"
NAMED = "named"


@dataclass(frozen=True)
class Claim:
    """One line of the list.

    Attributes:
        id: ``C01`` ... for claims of the paper's text and figures, ``T01`` ... for its formulas.
        claim: in our words.
        place: where the paper makes it.
        measured_by: what is computed.
        supported_if, refuted_if: the rule.
        printed: what the paper's own numbers say, where it prints any.
        data_sets: the data sets that it is about; empty if it names none.
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


@functools.cache
def catalogue() -> dict[str, Claim]:
    """All claims by id, in the order of the file."""
    with FILE.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {row["id"]: _claim(row) for row in rows}


def _claim(row: dict[str, str]) -> Claim:
    names = row.pop("data_sets")
    if names in (ANY, NONE):
        return Claim(**row, data_sets=(), kind=names)
    return Claim(**row, data_sets=tuple(names.split()), kind=NAMED)
