"""Results that leave a machine and results that come to it: no images, no weights, no paths, and no silent mixing.

An archive holds, for each finished cell, its scores, histograms, spectra, history and records; the splits and the
manifests (names, grids and hashes of cases); what maps and hotspots say in numbers; the configuration without paths;
tables and verdicts as they were. From it, all of them and the figures can be made again without data and without a GPU
(:mod:`spectralcal.rebuild`). The same files can lie in a repository (:mod:`spectralcal.publish`).
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from spectralcal.archive import LIMIT_BYTES, unpack_archive, write_archive
from spectralcal.checks import check_cell, read_record, weights_conflict
from spectralcal.config import NAME, StudyConfig, load_config
from spectralcal.errors import ConfigError, DataError, ResultError
from spectralcal.fingerprint import file_digest
from spectralcal.grid import Cell, study_cells, trained_cell, trained_cells
from spectralcal.imageless import hotspot_numbers, map_numbers
from spectralcal.paths import CellPaths, StudyPaths
from spectralcal.recipe import evaluation_recipe, training_settings

#: what an archive holds of a cell; weights are left out because they may give training images away
TRAINING = ("model", "history", "run")
SCORES = ("cases", "calibration", "spectra", "evaluation")
#: folders whose files hold voxels of images
IMAGES = ("maps", "hotspots")
_PART = r"[A-Za-z0-9_.,@=+-]+"
_FILES = r"cases\.csv|calibration\.npz|spectra\.npz|evaluation\.json|run\.json|model\.json|history\.csv"
_NAME = NAME.strip("^$")
ALLOWED = re.compile(
    rf"config\.json|claims\.(?:csv|md)|splits/{_NAME}\.json|manifests/{_NAME}\.csv|tables/{_NAME}\.(?:csv|md|tex)"
    rf"|cells/dataset={_PART}/arch={_PART}/method={_PART}/seed=\d+/(?:{_FILES})"
    rf"|(?:numbers/)?(?:maps|hotspots)/dataset={_PART}/arch={_PART}/seed=\d+\.npz"
)
_PERSONAL = r"(?<![\w.])/(?:home|Users)/[\w.-]+|\b[A-Za-z]:\\{1,2}Users\\{1,2}[\w.-]+"
_CELL = re.compile(r"dataset=([^/]+)/arch=([^/]+)/method=([^/]+)/seed=(\d+)")


@dataclass
class Merged:
    """What an import did: cells taken, cells that were here already, and remarks."""

    config: StudyConfig
    taken: list[Cell] = field(default_factory=list)
    kept: list[Cell] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def export_study(config: StudyConfig, out: Path, *, images: bool = False) -> str:
    """Pack the finished cells of a study.

    Args:
        config: the study.
        out: the archive.
        images: also pack what figures show of images (maps, hotspots): slices and volumes of patients.

    Returns:
        SHA-256 of the archive; equal results give equal archives.

    Raises:
        ResultError: as :func:`shared_files`.
    """
    from spectralcal import __version__

    files, listed = shared_files(config, images=images)
    return write_archive(out, files, {"study": config.study, "spectralcal": __version__, "cells": listed})


def shared_files(config: StudyConfig, *, images: bool = False) -> tuple[dict[str, Path | bytes], list[dict[str, Any]]]:
    """What of a study is shared.

    Args:
        config: the study.
        images: as for :func:`export_study`.

    Returns:
        Content by its name below the results folder (files, or bytes where they differ from the file's), and the cells
        with the fingerprints of their weights and scores.

    Raises:
        ResultError: no cell is finished, a cell was altered since it was recorded, or a file names a folder of this
            machine.
    """
    paths = StudyPaths(config)
    files: dict[str, Path | bytes] = {}
    listed = []
    grid = study_cells(config)
    for cell in dict.fromkeys([*grid, *trained_cells(config, grid)]):
        found = paths.cell(cell)
        scored = read_record(found.evaluation)
        trained = read_record(found.run)
        parts = (TRAINING if trained else ()) + (SCORES if scored and found.cases.is_file() else ())
        if not parts:
            continue
        if findings := check_cell(cell, found)[0]:
            raise ResultError(f"{found.folder}: {findings[0]}; only results as they were made can be exported")
        files |= {f"cells/{cell.path.as_posix()}/{getattr(found, p).name}": getattr(found, p) for p in parts}
        prints = {"training": (trained or {}).get("fingerprint"), "scores": (scored or {}).get("fingerprint")}
        listed.append({**vars(cell), **prints})
    if not listed:
        raise ResultError(f"{config.results / 'cells'}: no cell of the study '{config.study}' is finished yet")
    files |= {f"splits/{d}.json": _split_text(paths.split(d)) for d in config.datasets if paths.split(d).is_file()}
    files |= {f"manifests/{d}.csv": m for d in config.datasets if (m := manifest_of(paths, d)) is not None}
    tables = config.results / "tables"
    drawn = {f"tables/{t.name}": t for t in sorted(tables.glob("*")) if ALLOWED.fullmatch(f"tables/{t.name}")}
    drawn |= {f.name: f for f in (paths.claims, paths.claims.with_suffix(".md")) if f.is_file()}
    files |= {name: _at_default_place(config, file) for name, file in drawn.items()}
    for folder in IMAGES if images else ():
        found = sorted((config.results / folder).glob("*/*/*.npz"))
        files |= {file.relative_to(config.results).as_posix(): file for file in found}
    files |= _numbers(config)
    files["config.json"] = (json.dumps(shareable(config), indent=2) + "\n").encode()
    _check_places(config, files)
    return files, listed


def import_study(
    archive: Path, config: StudyConfig | None, results_root: Path, limit_bytes: int = LIMIT_BYTES
) -> Merged:
    """Merge an archive into a study; all of it or, if anything conflicts, nothing.

    Args:
        archive: a file of :func:`export_study`; it may come from anyone.
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
        for cell, found in cells:
            _check_same(archive, config, paths, cell, found)
        for cell, found in sorted(cells, key=lambda entry: not (entry[1].run.is_file())):
            _take(config, paths, cell, found, merged)
        _take_rest(folder, paths)
        merged.notes += _notes(config, merged.taken)
    return merged


def is_shared(config: StudyConfig, cell: Cell) -> bool:
    """Whether a cell came without its weights and is what this configuration, code and data would give.

    Such a cell is finished; the workflow neither trains nor scores it again.
    """
    paths = StudyPaths(config)
    files = paths.cell(cell)
    if not files.evaluation.is_file() or paths.cell(trained_cell(config, cell)).weights.is_file():
        return False
    record = read_record(files.evaluation) or {}
    if record.get("recipe") != evaluation_recipe(config, cell):
        return False
    parts, manifest, split = record.get("parts", {}), paths.manifest(cell.dataset), paths.split(cell.dataset)
    if split.is_file() and (read_record(split) or {}).get("hash") != parts.get("split"):
        return False
    return not manifest.is_file() or parts.get("manifest") == file_digest(manifest)


def manifest_of(paths: StudyPaths, dataset: str) -> Path | None:
    """The manifest of a data set: of the prepared arrays, or the copy that came with shared results."""
    return next((p for p in (paths.manifest(dataset), paths.shared_manifest(dataset)) if p.is_file()), None)


def shareable(config: StudyConfig) -> dict[str, Any]:
    """The configuration as JSON values, without the places of files on this machine."""
    content = _without_folders(config.model_dump(mode="json"))
    roots = {name: StudyConfig.model_fields[name].default for name in ("results_root", "figures_root", "prepared_root")}
    return content | {"data_root": None} | {name: str(root) for name, root in roots.items()}


def _without_folders(value: Any) -> Any:
    """Absolute paths anywhere in a configuration, cut to their last part."""
    if isinstance(value, dict):
        return {key: _without_folders(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_folders(item) for item in value]
    if isinstance(value, str):
        for kind in (PurePosixPath, PureWindowsPath):
            if kind(value).is_absolute() or value.startswith("~"):
                return kind(value).name
    return value


def _at_default_place(config: StudyConfig, file: Path) -> Path | bytes:
    """A table or verdict; where it names files of an absolute results folder, as if that were the default one."""
    root, default = config.results_root, StudyConfig.model_fields["results_root"].default
    if not root.is_absolute() or str(root) not in (text := file.read_text()):
        return file
    return text.replace(str(root), str(default)).encode()


def _numbers(config: StudyConfig) -> dict[str, Path | bytes]:
    """What the files with images say in numbers: drawn from them, or as they came with shared results."""
    found: dict[str, Path | bytes] = {}
    for kind, numbers in (("maps", map_numbers), ("hotspots", hotspot_numbers)):
        shared = config.results / "numbers"
        found |= {f"numbers/{f.relative_to(shared).as_posix()}": f for f in sorted(shared.glob(f"{kind}/*/*/*.npz"))}
        for file in sorted((config.results / kind).glob("*/*/*.npz")):
            buffer = io.BytesIO()
            try:
                with np.load(file, allow_pickle=False) as content:
                    np.savez_compressed(buffer, **numbers({key: content[key] for key in content.files}))
            except (OSError, ValueError, EOFError, KeyError) as error:
                raise ResultError(f"{file}: damaged ({error}); delete it and run `spectralcal {kind}` again") from error
            found[f"numbers/{file.relative_to(config.results).as_posix()}"] = buffer.getvalue()
    return found


def _check_places(config: StudyConfig, files: dict[str, Path | bytes]) -> None:
    """No text that leaves may name a folder of this machine, or with it a person."""
    roots = [Path.home(), Path.cwd(), *(getattr(config, f"{name}_root") for name in ("results", "prepared", "figures"))]
    roots += [root for root in (config.data_root,) if root is not None]
    named = {str(root.resolve()) for root in roots if len(root.resolve().parts) > 2}
    places = re.compile("|".join([_PERSONAL, *(rf"{re.escape(name)}(?![\w-])" for name in sorted(named))]))
    for name, content in files.items():
        if Path(name).suffix == ".npz":
            continue
        text = (content if isinstance(content, bytes) else content.read_bytes()).decode(errors="replace")
        if found := places.search(text):
            source = content if isinstance(content, Path) else name
            raise ResultError(
                f"{source}: names the folder {found[0]!r} of this machine, which must not leave it; "
                "give paths relative to the study in its configuration and make the file again"
            )


def _split_text(path: Path) -> bytes:
    """A split as it was written, but for the folder of a published one."""
    return (json.dumps(_without_folders(json.loads(path.read_text())), indent=1) + "\n").encode()


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
    found = []
    for place in sorted(folder.glob("cells/*/*/*/*")):
        dataset, architecture, method, seed = _CELL.fullmatch(place.relative_to(folder / "cells").as_posix()).groups()
        cell, files = Cell(dataset, architecture, method, int(seed)), CellPaths(place)
        findings, _ = check_cell(cell, files)
        if not findings and files.evaluation.is_file() != files.cases.is_file():
            findings = [f"{files.evaluation.name}: comes without {files.cases.name}"]
        if findings:
            raise DataError(f"{archive}: cell {cell}: {findings[0]}; ask for it again")
        found.append((cell, files))
    if not found:
        raise DataError(f"{archive}: holds no cell")
    return found


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
            content.append((f"training of {cell}", training_settings(here, cell), run.get("settings", {})))
    for where, mine, other in content:
        for key, value, received in _differences(mine, other):
            if key != "workers":
                raise ResultError(
                    f"{archive}: {where}: {key} is {received!r} in the archive and {value!r} in this study; "
                    "import it into another results folder (--results), or use the configuration that it was made with"
                )


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
        if (manifest := manifest_of(paths, dataset)) is not None:
            known[dataset, "manifest"] = (file_digest(manifest), str(manifest))
        for place in (paths.split(dataset), folder / "splits" / f"{dataset}.json"):
            if split := read_record(place):
                found = split.get("hash")
                if known.setdefault((dataset, "split"), (found, str(place)))[0] != found:
                    raise ResultError(_data_conflict(archive, dataset, "split", known[dataset, "split"], found))
        copy = folder / "manifests" / f"{dataset}.csv"
        if copy.is_file():
            found = file_digest(copy)
            if known.setdefault((dataset, "manifest"), (found, "the archive"))[0] != found:
                raise ResultError(_data_conflict(archive, dataset, "manifest", known[dataset, "manifest"], found))
    for cell, files in cells:
        for record in (read_record(files.run), read_record(files.evaluation)):
            for part in ("manifest", "split"):
                found = (record or {}).get("parts", {}).get(part)
                if found and known.setdefault((cell.dataset, part), (found, str(cell)))[0] != found:
                    raise ResultError(_data_conflict(archive, f"cell {cell}", part, known[cell.dataset, part], found))


def _data_conflict(archive: Path, what: str, part: str, known: tuple[str, str], found: str) -> str:
    return (
        f"{archive}: {what}: its {part} {str(found)[:12]} is not the {part} {str(known[0])[:12]} of {known[1]}; "
        "cells of one study must share their data: prepare and split from the same files and settings on both machines"
    )


def _check_same(archive: Path, config: StudyConfig, paths: StudyPaths, cell: Cell, found: CellPaths) -> None:
    """Refuse a cell that is here with another fingerprint."""
    mine = paths.cell(cell)
    for name, what in (("run", "weights"), ("evaluation", "scores")):
        here, there = (read_record(getattr(files, name)) for files in (mine, found))
        if here and there and here.get("fingerprint") != there.get("fingerprint"):
            raise ResultError(
                f"{archive}: cell {cell}: its {what} have the fingerprint {there.get('fingerprint')} in the archive "
                f"and {here.get('fingerprint')} here (other settings, code or data); keep one: delete {mine.folder}, "
                "or import into another results folder (--results)"
            )


def _take(config: StudyConfig, paths: StudyPaths, cell: Cell, found: CellPaths, merged: Merged) -> None:
    """Move the files of a cell that is not here yet; its records come last, so that they never speak of nothing."""
    mine = paths.cell(cell)
    if mine.run.is_file() or mine.evaluation.is_file():
        merged.kept.append(cell)
        return
    source = read_record(paths.cell(trained_cell(config, cell)).run) or read_record(found.run)
    if weights_conflict(read_record(found.evaluation), source):
        merged.notes.append(
            f"{cell}: left out, because it was scored with other weights than those here; score it here"
        )
        return
    mine.folder.mkdir(parents=True, exist_ok=True)
    for name in (*TRAINING[:-1], *SCORES[:-1], TRAINING[-1], SCORES[-1]):
        if getattr(found, name).is_file():
            os.replace(getattr(found, name), getattr(mine, name))
    merged.taken.append(cell)


def _take_rest(folder: Path, paths: StudyPaths) -> None:
    """Splits, manifests, images and, for a study that is new here, its configuration, tables and verdicts."""
    new = not paths.resolved_config.is_file()
    images = [file for name in (*IMAGES, "numbers") for file in sorted((folder / name).rglob("*.npz"))]
    for file in [*sorted(folder.glob("splits/*")), *sorted(folder.glob("manifests/*")), *images]:
        _place(file, paths.config.results / file.relative_to(folder))
    if new:
        for file in [folder / "config.json", *sorted(folder.glob("claims.*")), *sorted(folder.glob("tables/*"))]:
            _place(file, paths.config.results / file.relative_to(folder))


def _place(file: Path, target: Path) -> None:
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(file, target)


def _notes(config: StudyConfig, taken: list[Cell]) -> list[str]:
    grid = set(study_cells(config))
    extra = [cell for cell in taken if cell not in grid]
    other = [
        cell
        for cell in taken
        if cell in grid
        and (record := read_record(StudyPaths(config).cell(cell).evaluation))
        and record.get("recipe") != evaluation_recipe(config, cell)
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
