"""Comparing a study's files with what was recorded when they were written."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from spectralcal.base.console import progress
from spectralcal.base.digests import file_digest
from spectralcal.base.errors import DataError
from spectralcal.base.files import read_record
from spectralcal.base.integrity import altered, seal_holds
from spectralcal.records.arithmetic import arithmetic_summary
from spectralcal.records.checks import check_cell, weights_conflict
from spectralcal.records.products import collected_cells
from spectralcal.study.conditions import TEST
from spectralcal.study.config import StudyConfig
from spectralcal.study.grid import Cell, parent_cells, study_cells
from spectralcal.study.paths import CellPaths, StudyPaths


@dataclass
class Verification:
    """Outcome of a verification.

    Attributes:
        findings: files that are not as they were recorded, one line each.
        notes: what is out of date or could not be checked; no sign of alteration.
        cells: number of cells that were checked.
        arithmetic: how many trainings were made in which arithmetic; "" where no record says it.
    """

    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    cells: int = 0
    arithmetic: str = ""

    @property
    def text(self) -> str:
        """For people: findings, notes, and a last line that sums up."""
        lines = [f"altered: {line}" for line in self.findings] + [f"   note: {line}" for line in self.notes]
        lines += [f"trainings: {self.arithmetic}"] if self.arithmetic else []
        summary = f"{len(self.findings)} files altered" if self.findings else "nothing altered"
        return "\n".join([*lines, f"{self.cells} cells checked: {summary}"])


def verify_study(config: StudyConfig, *, data: bool = False) -> Verification:
    """Check cells, splits, manifests, collected scores, tables and figures of a study.

    Args:
        config: the study.
        data: also hash every prepared array (minutes for a large data set).
    """
    paths, verification = StudyPaths(config), Verification()
    cells = _cells_on_disk(config)
    unrecorded = 0
    with progress("checking cells", len(cells)) as bar:
        for cell, files in cells:
            findings, notes = check_cell(cell, files)
            verification.findings += [f"{files.folder}/{line}" for line in findings]
            older = [note for note in notes if note.startswith(files.light.name)]
            verification.notes += [f"{files.folder}/{note}" for note in older]
            unrecorded += len(notes) > len(older)
            bar.advance()
    verification.cells = len({cell for cell, _ in cells})
    runs = filter(None, (read_record(files.run) for _, files in cells))
    verification.arithmetic = arithmetic_summary(run for run in runs if "precision" in run)
    if unrecorded:
        verification.notes.append(
            f"{unrecorded} cells were written before hashes were recorded; run them again to have them"
        )
    _check_data(config, paths, cells, verification, data)
    _check_weights(config, paths, verification)
    _check_products(paths, verification)
    return verification


def _cells_on_disk(config: StudyConfig) -> list[tuple[Cell, CellPaths]]:
    root = config.results / "cells"
    folders = sorted([*root.glob("*/*/*/*"), *root.glob("*/*/*/*/condition=*")])
    return [(cell, CellPaths(f)) for f in folders if (cell := Cell.from_path(f.relative_to(root)))]


def _check_weights(config: StudyConfig, paths: StudyPaths, verification: Verification) -> None:
    """Scores belong to the weights that are listed, also those of methods whose weights lie elsewhere."""
    for cell in study_cells(config):
        evaluation = read_record(paths.cell(cell).evaluation)
        runs = [read_record(paths.cell(parent).run) for parent in parent_cells(config, cell)]
        if weights_conflict(evaluation, runs):
            verification.findings.append(f"{paths.cell(cell).evaluation}: scores of other weights than run.json lists")


def _check_data(
    config: StudyConfig, paths: StudyPaths, cells: list[tuple[Cell, CellPaths]], verification: Verification, data: bool
) -> None:
    from spectralcal.data.splits import PARTS, split_hash

    manifests: dict[str, str] = {}
    splits: dict[str, str] = {}
    for dataset in config.datasets:
        split = read_record(paths.split(dataset))
        if split is not None:
            splits[dataset] = split.get("hash", "")
            if not all(isinstance(split.get(part), list) for part in PARTS) or split_hash(split) != splits[dataset]:
                verification.findings.append(f"{paths.split(dataset)}: altered (its hash is not that of its cases)")
        for path in (paths.shared_manifest(dataset), paths.manifest(dataset)):
            if path.is_file():
                manifests[dataset] = file_digest(path)
        if paths.manifest(dataset).is_file():
            verification.findings += _manifest_findings(paths.manifest(dataset), data)
    for cell, files in cells:
        for record in (files.run, files.evaluation):
            parts = (read_record(record) or {}).get("parts", {})
            for part, known in (("manifest", manifests), ("split", splits)):
                if part in parts and parts[part] != known.get(cell.dataset, parts[part]):
                    verification.notes.append(
                        f"{record}: was made from another {part} of {cell.dataset} than the one here"
                    )


def _manifest_findings(path: Path, data: bool) -> list[str]:
    from spectralcal.data.manifest import hash_arrays, read_manifest

    try:
        cases = read_manifest(path)
    except DataError as error:
        return [str(error)]
    if not data:
        return []
    with progress(f"hashing {path.parent}", len(cases)) as bar:
        findings = []
        for case in cases:
            if hash_arrays(case.folder) != case.sha256:
                findings.append(f"{case.folder}: prepared arrays altered; prepare the data set again")
            bar.advance()
    return findings


def _check_products(paths: StudyPaths, verification: Verification) -> None:
    """Tables, figures and collected scores: their bytes, and whether they show the cells as they are now."""
    conditions = (TEST, *paths.config.evaluation.conditions)
    present = {
        (cell, condition): entry["fingerprint"]
        for condition in conditions
        for cell, entry in collected_cells(paths, condition).items()
    }
    for (cell, condition), fingerprint in present.items():
        evaluation = read_record(paths.cell(cell, condition).evaluation)
        if (evaluation or {}).get("fingerprint", "") != fingerprint:
            named = cell if condition == TEST else f"{cell}, condition {condition},"
            verification.notes.append(
                f"{paths.cells}: does not show cell {named} as it is now; run `spectralcal collect`"
            )
    for path in sorted((paths.config.results / "provenance").glob("*/*.json")):
        record = read_record(path) or {}
        if not seal_holds(record):
            verification.findings.append(f"{path}: altered since it was written (its seal does not fit)")
            continue
        folder = _folder(paths, record)
        verification.findings += [
            f"{folder / file}: altered since it was made" for file in altered(folder, record["files"])
        ]
        kind, name = record["kind"], record["name"]
        stale = [c for c in record.get("cells", ()) if _key(c) in present and present[_key(c)] != c["fingerprint"]]
        if stale:
            verification.notes.append(
                f"{name} ({kind}): made before cell {_key(stale[0])[0]} was as it is now; make it again"
            )


def _folder(paths: StudyPaths, record: dict) -> Path:
    """Where a product lies now; results may have moved since it was recorded."""
    places = {"tables": paths.config.results / "tables", "figures": paths.config.figures_folder}
    return places.get(record["kind"], paths.config.results)


def _key(entry: dict) -> tuple[Cell, str]:
    cell = Cell(entry["dataset"], entry["architecture"], entry["method"], int(entry["seed"]))
    return cell, entry.get("condition", TEST)
