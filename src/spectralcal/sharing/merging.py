"""Results that come to a study: either all of an archive or, if anything conflicts, nothing."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spectralcal.base.errors import ConfigError, DataError
from spectralcal.base.files import move, read_record
from spectralcal.records.checks import weights_conflict
from spectralcal.sharing.archive import LIMIT_BYTES, unpack_archive
from spectralcal.sharing.conflicts import check_data, check_same, check_settings, check_test_data
from spectralcal.sharing.received import ReceivedTest, received_cells, received_tests
from spectralcal.sharing.shared import ALLOWED, PROBED, SCORES, TRAINING
from spectralcal.study.config import StudyConfig, load_config
from spectralcal.study.grid import Cell, parent_cells, study_cells
from spectralcal.study.paths import CellPaths, StudyPaths
from spectralcal.study.recipe import evaluation_recipe
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
        cells, tests = received_cells(archive, folder), received_tests(archive, folder)
        check_settings(archive, config, theirs, cells)
        check_data(archive, folder, paths, cells)
        for test in tests:
            check_test_data(archive, theirs, paths, folder, test)
        for cell, received in cells:
            check_same(archive, paths.cell(cell), cell, received)
        for test in tests:
            check_same(archive, paths.cell(test.cell, test.condition), test.cell, test.files)
        for cell, received in sorted(cells, key=lambda entry: not (entry[1].run.is_file())):
            _take(config, paths, cell, received, merged)
        for test in tests:
            _take_test(config, paths, test, merged)
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
    _move(received, mine)
    merged.taken.append(cell)


def _take_test(config: StudyConfig, paths: StudyPaths, test: ReceivedTest, merged: Merged) -> None:
    """Move scores under another condition that are not here yet, if the study has it."""
    mine = paths.cell(test.cell, test.condition)
    if test.condition not in config.evaluation.conditions:
        merged.notes.append(f"{test}: left out, because this study has no such condition")
        return
    parents = [read_record(paths.cell(parent).run) for parent in parent_cells(config, test.cell)]
    if weights_conflict(read_record(test.files.evaluation), parents):
        merged.notes.append(f"{test}: left out, because it was scored with other weights than those here")
    elif not mine.evaluation.is_file():
        _move(test.files, mine)


def _move(received: CellPaths, mine: CellPaths) -> None:
    mine.folder.mkdir(parents=True, exist_ok=True)
    for name in ("light", *TRAINING[:-1], *SCORES[:-1], TRAINING[-1], SCORES[-1]):
        if getattr(received, name).is_file():
            move(getattr(received, name), getattr(mine, name))


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
