"""Results that come to a study: either all of an archive or, if anything conflicts, nothing."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spectralcal.base.digests import file_digest
from spectralcal.base.errors import ConfigError, DataError, ResultError
from spectralcal.base.files import move, read_record
from spectralcal.records.checks import check_cell, weights_conflict
from spectralcal.records.light.files import has
from spectralcal.sharing.archive import LIMIT_BYTES, unpack_archive
from spectralcal.sharing.shared import ALLOWED, PROBED, SCORES, TRAINING
from spectralcal.study.config import GeometryConfig, StudyConfig, load_config
from spectralcal.study.grid import Cell, parent_cells, study_cells
from spectralcal.study.paths import CellPaths, StudyPaths
from spectralcal.study.recipe import evaluation_recipe, training_settings
from spectralcal.study.resolved import resolve


@dataclass
class Merged:
    """What an import did: cells taken, cells that were here already, and remarks."""

    config: StudyConfig
    taken: list[Cell] = field(default_factory=list)
    kept: list[Cell] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def import_study(
    archive: Path, config: StudyConfig | None, results_root: Path, limit_bytes: int = LIMIT_BYTES
) -> Merged:
    """Merge an archive into a study; all of it or, if anything conflicts, nothing.

    Args:
        archive: a file of :func:`spectralcal.sharing.shared.export_study`; it may come from anyone.
        config: the study that it belongs to; None takes the one in `results_root`, or the archive's own.
        results_root: folder of results where `config` is None.
        limit_bytes: size of the unpacked archive, at most.

    A cell that is here already with the same fingerprint is kept as it is. Weights are not shared, so a cell whose
    scores are to be changed later has to be trained again.

    Raises:
        DataError: the archive is unsafe, altered or not of this study.
        ResultError: a cell, split or manifest is here with another fingerprint, or cells were made with settings that
            are not this study's.
    """
    root = config.results_root if config is not None else results_root
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".import-", dir=root) as name:
        folder = Path(name)
        index = unpack_archive(archive, folder, ALLOWED, limit_bytes)
        theirs, config = _studies(archive, folder, index, config, results_root)
        paths, merged = StudyPaths(config), Merged(config)
        cells = _cells(archive, folder)
        _check_settings(archive, config, theirs, cells)
        _check_data(archive, folder, paths, cells)
        for cell, received in cells:
            _check_same(archive, config, paths, cell, received)
        for cell, received in sorted(cells, key=lambda entry: not (entry[1].run.is_file())):
            _take(config, paths, cell, received, merged)
        _take_rest(folder, paths)
        merged.notes += _notes(config, merged.taken)
    return merged


def _studies(
    archive: Path, folder: Path, index: dict[str, Any], config: StudyConfig | None, results_root: Path
) -> tuple[StudyConfig, StudyConfig]:
    """The archive's configuration and the one that it is merged into."""
    try:
        theirs = load_config(folder / "config.json")
    except ConfigError as error:
        raise DataError(f"{archive}: its configuration cannot be used here ({error})") from None
    if index.get("study") != theirs.study:
        raise DataError(f"{archive}: is of the study '{index.get('study')}' or '{theirs.study}'; ask for it again")
    if config is None:
        here = results_root / theirs.study / "config.json"
        config = (load_config(here) if here.is_file() else theirs).model_copy(update={"results_root": results_root})
    if config.study != theirs.study:
        raise DataError(f"{archive}: is of the study '{theirs.study}', expected '{config.study}'; name its --config")
    return theirs, config


def _cells(archive: Path, folder: Path) -> list[tuple[Cell, CellPaths]]:
    """The cells of an unpacked archive; every one as its records say."""
    cells = []
    for place in sorted(folder.glob("cells/*/*/*/*")):
        cell, files = Cell.from_path(place.relative_to(folder / "cells")), CellPaths(place)
        findings, _ = check_cell(cell, files)
        if not findings and files.evaluation.is_file() != has(files.cases):
            findings = [f"{files.evaluation.name}: comes without {files.cases.name}"]
        if findings:
            raise DataError(f"{archive}: cell {cell}: {findings[0]}; ask for it again")
        cells.append((cell, files))
    if not cells:
        raise DataError(f"{archive}: contains no cell")
    return cells


def _check_settings(archive: Path, here: StudyConfig, theirs: StudyConfig, cells: list[tuple[Cell, CellPaths]]) -> None:
    """Settings that change scores must be this study's own. Settings that only one of the two knows are left out: they
    are of another version, whose code differs in the fingerprint anyhow."""
    grid = set(study_cells(here))
    pairs = [(name, getattr(here, name), getattr(theirs, name)) for name in ("inference", "evaluation")]
    pairs += [
        (f"preparation of {dataset}", here.preparation_of(dataset), theirs.preparation_of(dataset))
        for dataset in set(here.datasets) & set(theirs.datasets)
    ]
    content = [(where, a.model_dump(mode="json"), b.model_dump(mode="json")) for where, a, b in pairs]
    for cell, files in cells:
        if cell in grid and (run := read_record(files.run)):
            settings = (training_settings(resolve(here, cell)), run.get("settings", {}))
            content.append((f"training of {cell}", *map(_spelt_out, settings)))
    for where, mine, other in content:
        for key, value, received in _differences(mine, other):
            if key != "workers":
                raise ResultError(
                    f"{archive}: {where}: {key} is {received!r} in the archive and {value!r} in this study; "
                    "import it into another results folder (--results), or use the configuration that it was made with"
                )


def _spelt_out(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of a training with the keys that are left out at their defaults."""
    training = settings.get("training", {})
    augmentation = training.get("augmentation", {})
    full = {"geometry": GeometryConfig().model_dump(), **augmentation}
    return {**settings, "training": {**training, "augmentation": full}}


def _differences(mine: Any, other: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(mine, dict) and isinstance(other, dict):
        for name in mine:
            if name in other:
                yield from _differences(mine[name], other[name], f"{key}.{name}".strip("."))
    elif json.dumps(mine, default=str) != json.dumps(other, default=str):
        yield key, mine, other


def _check_data(archive: Path, folder: Path, paths: StudyPaths, cells: list[tuple[Cell, CellPaths]]) -> None:
    """Every cell of a data set must be made from the same cases and the same split, here and there."""
    known: dict[tuple[str, str], tuple[str, str]] = {}
    for dataset in {cell.dataset for cell, _ in cells}:
        if (manifest := paths.known_manifest(dataset)) is not None:
            known[dataset, "manifest"] = (file_digest(manifest), str(manifest))
        for place in (paths.split(dataset), folder / "splits" / f"{dataset}.json"):
            if split := read_record(place):
                received = split.get("hash")
                if known.setdefault((dataset, "split"), (received, str(place)))[0] != received:
                    raise ResultError(_data_conflict(archive, dataset, "split", known[dataset, "split"], received))
        copy = folder / "manifests" / f"{dataset}.csv"
        if copy.is_file():
            received = file_digest(copy)
            if known.setdefault((dataset, "manifest"), (received, "the archive"))[0] != received:
                raise ResultError(_data_conflict(archive, dataset, "manifest", known[dataset, "manifest"], received))
    for cell, files in cells:
        for record in (read_record(files.run), read_record(files.evaluation)):
            for part in ("manifest", "split"):
                received = (record or {}).get("parts", {}).get(part)
                if received and known.setdefault((cell.dataset, part), (received, str(cell)))[0] != received:
                    raise ResultError(
                        _data_conflict(archive, f"cell {cell}", part, known[cell.dataset, part], received)
                    )


def _data_conflict(archive: Path, what: str, part: str, known: tuple[str, str], received: str) -> str:
    return (
        f"{archive}: {what}: its {part} {str(received)[:12]} is not the {part} {str(known[0])[:12]} of {known[1]}; "
        "cells of one study must share their data: prepare and split from the same files and settings on both machines"
    )


def _check_same(archive: Path, config: StudyConfig, paths: StudyPaths, cell: Cell, received: CellPaths) -> None:
    """Refuse a cell that is here with another fingerprint."""
    mine = paths.cell(cell)
    for name, what in (("run", "weights"), ("evaluation", "scores")):
        here, there = (read_record(getattr(files, name)) for files in (mine, received))
        if here and there and here.get("fingerprint") != there.get("fingerprint"):
            raise ResultError(
                f"{archive}: cell {cell}: its {what} have the fingerprint {there.get('fingerprint')} in the archive "
                f"and {here.get('fingerprint')} here (other settings, code or data); keep one: delete {mine.folder}, "
                "or import into another results folder (--results)"
            )


def _take(config: StudyConfig, paths: StudyPaths, cell: Cell, received: CellPaths, merged: Merged) -> None:
    """Move the files of a cell that is not here yet; its records come last and so never name missing files."""
    mine = paths.cell(cell)
    if mine.run.is_file() or mine.evaluation.is_file():
        merged.kept.append(cell)
        return
    parents = [read_record(paths.cell(parent).run) for parent in parent_cells(config, cell)]
    if weights_conflict(read_record(received.evaluation), [run or read_record(received.run) for run in parents]):
        merged.notes.append(
            f"{cell}: left out, because it was scored with other weights than those here; score it here"
        )
        return
    mine.folder.mkdir(parents=True, exist_ok=True)
    for name in ("light", *TRAINING[:-1], *SCORES[:-1], TRAINING[-1], SCORES[-1]):
        if getattr(received, name).is_file():
            move(getattr(received, name), getattr(mine, name))
    merged.taken.append(cell)


def _take_rest(folder: Path, paths: StudyPaths) -> None:
    """Splits, manifests, what probes measured and, of a new study, its configuration, tables and verdicts."""
    new = not paths.resolved_config.is_file()
    probed = [file for pattern in (PROBED, f"numbers/{PROBED}") for file in sorted(folder.glob(pattern))]
    for file in [*sorted(folder.glob("splits/*")), *sorted(folder.glob("manifests/*")), *probed]:
        _place(file, paths.config.results / file.relative_to(folder))
    if new:
        for file in [folder / "config.json", *sorted(folder.glob("claims.*")), *sorted(folder.glob("tables/*"))]:
            _place(file, paths.config.results / file.relative_to(folder))


def _place(file: Path, target: Path) -> None:
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        move(file, target)


def _notes(config: StudyConfig, taken: list[Cell]) -> list[str]:
    grid = set(study_cells(config))
    extra = [cell for cell in taken if cell not in grid]
    other = [
        cell
        for cell in taken
        if cell in grid
        and (record := read_record(StudyPaths(config).cell(cell).evaluation))
        and record.get("recipe") != evaluation_recipe(resolve(config, cell))
    ]
    notes = []
    if extra:
        notes.append(f"{len(extra)} cells are not in the grid of this study, {extra[0]} first")
    if other:
        notes.append(
            f"{len(other)} cells were made by other code than this, {other[0]} first; `spectralcal report` takes them "
            "as they are, Snakemake would train them again"
        )
    return notes
