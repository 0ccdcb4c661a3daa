"""Training, validation and test parts: by patient, stratified, the same on every machine, checked when read."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from spectralcal.base.errors import DataError
from spectralcal.base.files import require_json, write_json

PARTS = ("train", "val", "test")
#: key of a split with fewer training patients: the cases of the others
LEFT_OUT = "left_out"


class HasPatient(Protocol):
    """A case of a data set or of a manifest."""

    id: str
    patient: str
    stratum: str


def split_patients(
    cases: Iterable[HasPatient], ratio: Sequence[float] = (4, 1, 1), seed: int = 0
) -> dict[str, list[str]]:
    """Split cases by patient into ``{"train": ids, "val": ids, "test": ids}``, each sorted.

    The paper splits 4:1:1 without saying by what; cases of one patient never stand on two sides here. Validation and
    test get ``round(n * share)`` of the n patients each, training the rest. Strata keep their shares as closely as
    whole patients allow. The order of patients comes from a hash of seed and name, not from a random generator, so
    that neither the order of `cases` nor the version of a library matters.

    Raises:
        DataError: fewer patients than would give each part one.
        ValueError: a ratio that is not three positive numbers.
    """
    if len(ratio) != 3 or not all(share > 0 for share in ratio):
        raise ValueError(f"expected three positive numbers as ratio, got {tuple(ratio)}")
    cases = list(cases)
    stratum = {case.patient: case.stratum for case in sorted(cases, key=lambda case: case.id, reverse=True)}
    total, whole = len(stratum), sum(ratio)
    sizes = {part: int(total * share / whole + 0.5) for part, share in zip(PARTS, ratio, strict=True)}
    sizes["train"] = total - sizes["val"] - sizes["test"]
    if min(sizes.values()) < 1:
        raise DataError(
            f"split: expected at least one patient in each part, got {total} patients, which ratio "
            f"{':'.join(f'{share:g}' for share in ratio)} turns into {sizes}; add cases or change the ratio"
        )
    remaining: dict[str, list[str]] = defaultdict(list)
    for patient in sorted(stratum, key=lambda patient: draw(seed, patient)):
        remaining[stratum[patient]].append(patient)
    side: dict[str, str] = dict.fromkeys(stratum, "train")
    for part in ("test", "val"):
        sizes_left = {name: len(group) for name, group in remaining.items()}
        for name, count in quotas_of(sizes_left, sizes[part], seed).items():
            for patient in remaining[name][:count]:
                side[patient] = part
            del remaining[name][:count]
    return {part: sorted(case.id for case in cases if side[case.patient] == part) for part in PARTS}


def write_split(
    path: Path,
    split: Mapping[str, Sequence[str]],
    *,
    dataset: str,
    seed: int,
    ratio: Sequence[float] = (4, 1, 1),
    origin: Mapping[str, Any] | None = None,
) -> Path:
    """Write a split as JSON with data set, seed, ratio, where it was published if it was, and a hash over the ids.

    Training cases that are left out (:mod:`spectralcal.data.fewer_patients`) are listed; the hash covers the three
    parts.
    """
    parts = {part: list(split[part]) for part in PARTS}
    content = {"dataset": dataset, "seed": seed, "ratio": list(ratio), **parts, "hash": split_hash(parts)}
    content |= {LEFT_OUT: list(split[LEFT_OUT])} if LEFT_OUT in split else {}
    content |= {} if origin is None else {"origin": dict(origin)}
    write_json(Path(path), content, indent=1)
    return Path(path)


def read_split(path: Path, cases: Iterable[HasPatient]) -> dict[str, Any]:
    """Read a split and check it against the cases of the manifest.

    Raises:
        DataError: the file is missing, not a split, or was altered; or :func:`check_split` fails.
    """
    remedy = "run `spectralcal split` again"
    split = require_json(Path(path), "a split as JSON", remedy)
    keys = {"dataset", "seed", "ratio", *PARTS, "hash"}
    if set(split) - {"origin", LEFT_OUT} != keys:
        raise DataError(f"{path}: expected the keys {', '.join(sorted(keys))}; {remedy}")
    for part in (*PARTS, LEFT_OUT):
        ids = split.get(part, [])
        if not isinstance(ids, list) or not all(isinstance(case, str) for case in ids):
            raise DataError(f"{path}: '{part}': expected a list of case ids; {remedy}")
    if split["hash"] != split_hash(split):
        raise DataError(f"{path}: expected hash {split_hash(split)} over its ids, found {split['hash']}; {remedy}")
    check_split(split, cases, str(path))
    return split


def check_split(split: Mapping[str, Sequence[str]], cases: Iterable[HasPatient], where: str = "split") -> None:
    """Check that the parts have every case once and every patient on one side; ``left_out`` is a side if it is there.

    Raises:
        DataError: an id is unknown, missing or used twice, a part is empty, or a patient is on two sides.
    """
    patient = {case.id: case.patient for case in cases}
    sides: dict[str, str] = {}
    seen: set[str] = set()
    for part in (*PARTS, LEFT_OUT) if LEFT_OUT in split else PARTS:
        if part in PARTS and not split[part]:
            raise DataError(f"{where}: expected at least one case in '{part}', found none; split again")
        for case in split[part]:
            if case not in patient:
                raise DataError(f"{where}: '{part}' names case {case}, which is not in the manifest; split again")
            if case in seen:
                raise DataError(f"{where}: case {case} is named twice, the second time in '{part}'; split again")
            seen.add(case)
            other = sides.setdefault(patient[case], part)
            if other != part:
                raise DataError(f"{where}: patient {patient[case]} is in '{other}' and in '{part}'; split again")
    missing = sorted(set(patient) - seen)
    if missing:
        raise DataError(f"{where}: {len(missing)} case(s) of the manifest in no part, {missing[0]} first; split again")


def split_hash(split: Mapping[str, Sequence[str]]) -> str:
    """SHA-256 over the ids of the three parts."""
    return hashlib.sha256(json.dumps([list(split[part]) for part in PARTS]).encode()).hexdigest()


def quotas_of(groups: Mapping[str, int], count: int, seed: int) -> dict[str, int]:
    """Share `count` out over groups in proportion to their sizes, by largest remainder; ties by hash."""
    total = sum(groups.values())
    quotas = {name: count * size // total for name, size in groups.items()}
    by_remainder = sorted(groups, key=lambda name: (-(count * groups[name] % total), draw(seed, name)))
    for name in by_remainder[: count - sum(quotas.values())]:
        quotas[name] += 1
    return quotas


def draw(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()
