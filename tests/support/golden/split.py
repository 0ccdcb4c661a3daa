"""Split: which patient is on which side, drawn and published. Everything is exact."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from spectralcal.data.splits import split_patients
from spectralcal.preparation.published import published_split


class Scan(NamedTuple):
    """A case as a split sees it."""

    id: str
    patient: str
    stratum: str


def scans(patients: int, strata: int = 1, each: int = 1) -> list[Scan]:
    """So many patients with so many scans each, in strata of unequal size."""
    return [
        Scan(f"p{number:03d}_{scan}", f"p{number:03d}", f"s{number * number % strata}")
        for number in range(patients)
        for scan in range(each)
    ]


#: name -> cases and options of `split_patients`
DRAWN: dict[str, tuple[list[Scan], dict[str, Any]]] = {
    "6 patients": (scans(6), {}),
    "7 patients, seed 1": (scans(7), {"seed": 1}),
    "23 patients of 2 scans": (scans(23, each=2), {}),
    "30 patients in 5 strata": (scans(30, strata=5), {}),
    "30 patients in 5 strata, seed 2": (scans(30, strata=5), {"seed": 2}),
    "100 patients in 7 strata of 2 scans": (scans(100, strata=7, each=2), {}),
    "40 patients, 7:1:2": (scans(40), {"ratio": (7, 1, 2)}),
}


def values() -> dict[str, Any]:
    """Golden values of the split part."""
    return {
        **{name: _parts(split_patients(cases, **options)) for name, (cases, options) in DRAWN.items()},
        **published(),
    }


def published() -> dict[str, Any]:
    """Splits from files: three named parts, and folds without a test part."""
    cases = scans(12, strata=3, each=2)
    named = {"train": ["p000", "p001", "p002", "p003", "p004", "p005"], "val": ["p006", "p007_0", "p007_1"],
             "test": ["p008.nii.gz", "p009", "p010", "p011"]}  # fmt: skip
    ids = [case.id for case in cases]
    folds = [{"train": ids[:16], "val": ids[16:]}, {"train": ids[8:], "val": ids[:8]}]
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder) / "named.json", Path(folder) / "folds.json"
        first.write_text(json.dumps(named))
        second.write_text(json.dumps(folds))
        return {
            "published, named parts": _parts(published_split(first, cases)),
            "published, fold 0": _parts(published_split(second, cases)),
            "published, fold 1, seed 3": _parts(published_split(second, cases, fold=1, seed=3)),
            "published, fold 0, 2:1": _parts(published_split(second, cases, ratio=(2, 1, 1))),
        }


def _parts(split: dict[str, list[str]]) -> dict[str, str]:
    """The two smaller parts; the rest is training, of which the number says enough."""
    return {"train": f"{len(split['train'])} cases", **{part: " ".join(split[part]) for part in ("val", "test")}}
