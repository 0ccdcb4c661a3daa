"""A published split instead of one drawn here: three named parts, or a fold of nnU-Net's splits_final.json."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from spectralcal.base.errors import DataError
from spectralcal.base.files import require_json
from spectralcal.data.splits import PARTS, HasPatient, check_split, draw, quotas_of
from spectralcal.datasets.json_values import name_of
from spectralcal.datasets.listing import nfc
from spectralcal.datasets.pictures import is_picture


def published_split(
    path: Path, cases: Iterable[HasPatient], *, fold: int = 0, ratio: Sequence[float] = (4, 1, 1), seed: int = 0
) -> dict[str, list[str]]:
    """Read a split from a file and turn it into ``{"train": ids, "val": ids, "test": ids}``, each sorted.

    The file is JSON: an object with the lists ``train``, ``val`` and ``test`` (other keys are left aside), or a list of
    folds, each an object with ``train`` and ``val`` as nnU-Net writes them to ``splits_final.json``. Entries are ids of
    cases or names of patients, with or without the ending of an image file.

    A file without ``test`` holds back one part only. That part is then our test part, because nothing may be tuned on
    what is reported, and the validation part is drawn from the training patients as :func:`~.splits.split_patients`
    draws it, with `ratio` (training to validation) and `seed`.

    Args:
        path: the file.
        cases: all cases of the manifest; each must be named once.
        fold: which entry of a list of folds.
        ratio: training : validation : test; only the first two count, and only for a file without ``test``.
        seed: of that draw.

    Raises:
        DataError: the file cannot be read or is no split, the fold is not in it, an entry is neither case nor patient,
            or :func:`~.splits.check_split` fails.
    """
    cases = list(cases)
    parts = _parts(path, fold)
    named = {part: _ids(path, part, parts.get(part, []), cases) for part in PARTS if part in parts}
    if "test" not in named:
        held_out = set(named["val"])
        remaining = [case for case in cases if case.id in set(named["train"]) - held_out]
        drawn = _validation(path, remaining, ratio, seed)
        named = {"train": sorted(set(named["train"]) - drawn), "val": sorted(drawn), "test": named["val"]}
    split = {part: sorted(named[part]) for part in PARTS}
    check_split(split, cases, str(path))
    return split


def _parts(path: Path, fold: int) -> dict[str, Any]:
    expected = "train, val and test, or a list of folds with train and val"
    content = require_json(Path(path), f"a split as JSON ({expected})", "correct split.file", types=(dict, list))
    if isinstance(content, list):
        if not 0 <= fold < len(content):
            raise DataError(f"{path}: expected a fold from 0 to {len(content) - 1}, found {fold}; correct split.fold")
        content = content[fold]
    good = isinstance(content, dict) and {"train", "val"} <= set(content)
    if not good or not all(isinstance(content[part], list) for part in PARTS if part in content):
        raise DataError(f"{path}: expected {expected}, found another content; correct split.file")
    return content


def _ids(path: Path, part: str, entries: list[Any], cases: Sequence[HasPatient]) -> list[str]:
    """Cases that the entries name; one that names a patient stands for all of the patient's cases."""
    by_name: dict[str, list[str]] = {}
    for case in cases:
        by_name.setdefault(nfc(case.patient), []).append(case.id)
    by_name |= {nfc(case.id): [case.id] for case in cases}
    ids: list[str] = []
    for entry in entries:
        name = name_of(entry, str(path), part).rsplit("/", 1)[-1]
        matching = by_name.get(name) or by_name.get(_without_ending(name))
        if matching is None:
            raise DataError(f"{path}: '{part}' names {entry}, which is no case or patient of the manifest; correct it")
        ids += matching
    return ids


def _without_ending(name: str) -> str:
    return Path(name).stem if is_picture(name) else name.removesuffix(".gz").removesuffix(".nii")


def _validation(path: Path, cases: Sequence[HasPatient], ratio: Sequence[float], seed: int) -> set[str]:
    """Validation cases among the training cases of a file that names none: by patient, strata in proportion."""
    stratum = {case.patient: case.stratum for case in sorted(cases, key=lambda case: case.id, reverse=True)}
    count = max(1, int(len(stratum) * ratio[1] / (ratio[0] + ratio[1]) + 0.5))
    if count >= len(stratum):
        raise DataError(
            f"{path}: expected at least two patients in 'train', of which one validates, found {len(stratum)}; "
            "name a test part"
        )
    groups: dict[str, list[str]] = {}
    for patient in sorted(stratum, key=lambda patient: draw(seed, patient)):
        groups.setdefault(stratum[patient], []).append(patient)
    quotas = quotas_of({name: len(group) for name, group in groups.items()}, count, seed)
    chosen = {patient for name, group in groups.items() for patient in group[: quotas[name]]}
    return {case.id for case in cases if case.patient in chosen}
