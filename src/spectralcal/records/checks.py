"""Whether the files of a cell are as they were recorded. Nothing but the cell's own folder is needed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from spectralcal.base.digests import digest
from spectralcal.base.errors import ResultError
from spectralcal.base.files import read_record
from spectralcal.base.integrity import altered, seal_holds
from spectralcal.records.light.cell import ARRAYS, FURTHER, TEXTS
from spectralcal.records.light.files import light_of
from spectralcal.study.grid import Cell
from spectralcal.study.paths import CellPaths
from spectralcal.study.recipe import cell_fingerprint

#: files that may be gone without anything being wrong: results are shared without weights
OPTIONAL = frozenset({"weights.safetensors"})


def check_cell(cell: Cell, files: CellPaths) -> tuple[list[str], list[str]]:
    """What is wrong with a cell's files, and what could not be checked.

    Returns:
        Findings ("cases.csv: altered") and notes ("run.json: has no hashes").
    """
    findings: list[str] = []
    notes: list[str] = []
    for path in (files.run, files.evaluation):
        record = read_record(path)
        if record is not None:
            findings += _check_record(cell, path, record)
            if seal_holds(record) is None:
                notes.append(f"{path.name}: written before hashes were recorded; its files cannot be checked")
    if files.light.is_file():
        light_findings, light_notes = check_light(files)
        findings += light_findings
        notes += light_notes
    if (files.cases.is_file() or files.cases.name in _in_light(files.folder)) and not files.evaluation.is_file():
        findings.append(f"{files.cases.name}: scores without {files.evaluation.name}, which says what they are of")
    return findings, notes


def weights_conflict(evaluation: dict[str, Any] | None, runs: Sequence[dict[str, Any] | None]) -> bool:
    """Whether scores were made with other weights than records of trainings list.

    Args:
        evaluation: the record of the scores.
        runs: those of the trainings, of an ensemble in the order of its members; None for one that is not there.
    """
    if not evaluation:
        return False
    made = evaluation.get("weights")
    made = made if isinstance(made, list) else [made]
    listed = [(run or {}).get("files", {}).get("weights.safetensors") for run in runs]
    if len(made) != len(listed):
        return any(listed)
    return any(there is not None and there != here for there, here in zip(listed, made, strict=True))


def _check_record(cell: Cell, path: Path, record: dict[str, Any]) -> list[str]:
    name = path.name
    if not record:
        return [f"{name}: cannot be read as a record"]
    findings = []
    if seal_holds(record) is False:
        findings.append(f"{name}: altered since it was written (its seal does not fit)")
    parts = record.get("parts")
    tested = [part for part in ("tested_manifest", "tested_split") if part in (parts or {})]
    made_of = [(parts or {}).get(part) for part in ("recipe", "manifest", "split", *tested)]
    if parts and record.get("fingerprint") != cell_fingerprint(*made_of):
        findings.append(f"{name}: its fingerprint {record.get('fingerprint')} is not that of its parts")
    identity = record.get("identity")
    if identity and (parts or {}).get("recipe") != digest(identity):
        findings.append(f"{name}: its recipe {(parts or {}).get('recipe')} is not that of its identity")
    if record.get("cell") not in (None, vars(cell)):
        findings.append(f"{name}: is of another cell ({record['cell']})")
    hashes = record.get("files", {})
    findings += [f"{other}: altered since {name} was written" for other in altered(path.parent, hashes)]
    in_light = _in_light(path.parent)
    gone = [file for file in hashes if file not in {*OPTIONAL, *in_light} and not (path.parent / file).is_file()]
    return findings + [f"{file}: is gone, but {name} lists it" for file in gone]


def check_light(files: CellPaths) -> tuple[list[str], list[str]]:
    """What is wrong with a cell's light file, and a note if the cell was run again since.

    Scores and history must come back as the bytes that the records list, and histograms and spectra be those of the
    files that they list. Where such a file lies in the folder itself, the light one is not read.
    """
    try:
        light = light_of(files)
        if light is None:
            return [], []
        for name in light.stands_for:
            (light.text if name in TEXTS else light.arrays)(name)
    except ResultError as error:
        return [str(error).removeprefix(f"{files.folder}/")], []
    listed: dict[str, str] = {}
    for path in (files.run, files.evaluation):
        listed |= (read_record(path) or {}).get("files", {})
    other = [name for name, value in light.stands_for.items() if listed.get(name, value) != value]
    findings = [
        f"{files.light.name}: stands for another {name} than the records list"
        for name in other
        if not (files.folder / name).is_file()
    ]
    again = f"{files.light.name}: is older than the files beside it; `spectralcal export` makes the one of these"
    return findings, [again] if len(other) > len(findings) else []


def _in_light(folder: Path) -> Collection[str]:
    """Files that the light file of a cell stands for; all if it is damaged, which is a finding of its own."""
    try:
        light = light_of(CellPaths(folder))
        return () if light is None else light.stands_for
    except ResultError:
        return (*TEXTS, *ARRAYS, *FURTHER)
