"""Results to share: no images, no weights, no paths.

An archive contains, for each finished cell, its scores, histograms, spectra and history in their light form
(:mod:`spectralcal.records.light`) and its records; the splits and the
manifests (names, grids and hashes of cases); what probes say in numbers; the configuration without paths;
tables and verdicts as they were. From it, all of them and the figures can be made again without data and without a GPU
(:mod:`spectralcal.report.rebuild`). The same files can lie in a repository (:mod:`spectralcal.sharing.publish`).
How results come to a study is in :mod:`spectralcal.sharing.merging`.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from spectralcal.base.digests import file_digest
from spectralcal.base.errors import ResultError
from spectralcal.base.files import load_arrays, read_record, require_json
from spectralcal.records.checks import check_cell
from spectralcal.records.light.cell import ARRAYS, FURTHER, TEXTS, LightCell
from spectralcal.records.light.files import has, lightened
from spectralcal.report.needs import study_probes
from spectralcal.scoring.probe import numbers_of
from spectralcal.sharing.archive import write_archive
from spectralcal.study.conditions import further_conditions
from spectralcal.study.config import NAME, StudyConfig
from spectralcal.study.grid import Cell, parent_cells, study_cells, trained_cells
from spectralcal.study.paths import CellPaths, StudyPaths
from spectralcal.study.recipe import evaluation_recipe
from spectralcal.study.resolved import resolve

#: what an archive contains of a cell, the history, scores, histograms and spectra in the light file unless it is a full
#: one; weights are left out because they may give training images away
TRAINING = ("model", "history", "run")
SCORES = ("cases", "calibration", "spectra", "scorers", "evaluation")
#: files of probes, which may have voxels of images, below the results folder
PROBED = "*/dataset=*/arch=*/seed=*.npz"
_PART = r"[A-Za-z0-9_.,:@=+()-]+"
_FILES = (
    r"light\.zip|cases\.csv|(?:calibration|spectra|scorers)\.npz|evaluation\.json|run\.json|model\.json|history\.csv"
)
_NAME = NAME.strip("^$")
_PROBE = r"[A-Za-z_][A-Za-z0-9_.]*(?::[A-Za-z_][A-Za-z0-9_]*)?"
ALLOWED = re.compile(
    rf"config\.json|claims\.(?:csv|md)|splits/{_NAME}\.json|manifests/{_NAME}\.(?:csv|facts\.json)|tables/{_NAME}\.(?:csv|md|tex)"
    rf"|cells/dataset={_PART}/arch={_PART}/method={_PART}/seed=\d+/(?:condition={_NAME}/)?(?:{_FILES})"
    rf"|(?:numbers/)?{_PROBE}/dataset={_PART}/arch={_PART}/seed=\d+\.npz"
)
_PERSONAL = r"(?<![\w.])/(?:home|Users)/[\w.-]+|\b[A-Za-z]:\\{1,2}Users\\{1,2}[\w.-]+"


def export_study(config: StudyConfig, out: Path, *, images: bool = False, full: bool = False) -> str:
    """Pack the finished cells of a study.

    Args:
        config: the study.
        out: the archive.
        images: also pack what probes have of images: slices and volumes of patients.
        full: pack the files of cells as they are, with the fine histograms, instead of their light form.

    Returns:
        SHA-256 of the archive; equal results give equal archives.

    Raises:
        ResultError: as :func:`shared_files`.
    """
    from spectralcal import __version__

    files, listed = shared_files(config, images=images, full=full)
    return write_archive(out, files, {"study": config.study, "spectralcal": __version__, "cells": listed})


def shared_files(
    config: StudyConfig, *, images: bool = False, full: bool = False
) -> tuple[dict[str, Path | bytes], list[dict[str, Any]]]:
    """What of a study is shared.

    Args:
        config: the study.
        images, full: as for :func:`export_study`.

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
    scored_cells = dict.fromkeys(study_cells(config))
    for cell in dict.fromkeys([*scored_cells, *trained_cells(config, scored_cells)]):
        own = paths.cell(cell)
        content = _cell_files(config, cell, own, full)
        if not content:
            continue
        files |= content
        prints = [(read_record(record) or {}).get("fingerprint") for record in (own.run, own.evaluation)]
        listed.append({**vars(cell), "training": prints[0], "scores": prints[1]})
        for name in further_conditions(config, cell) if cell in scored_cells else ():
            tested = paths.cell(cell, name)
            if content := _cell_files(config, cell, tested, full):
                files |= content
                listed[-1].setdefault("conditions", {})[name] = (read_record(tested.evaluation) or {})["fingerprint"]
    if not listed:
        raise ResultError(f"{config.results / 'cells'}: no cell of the study '{config.study}' is finished yet")
    files |= {f"splits/{d}.json": _split_text(paths.split(d)) for d in config.datasets if paths.split(d).is_file()}
    files |= {f"manifests/{d}.csv": m for d in config.datasets if (m := paths.known_manifest(d)) is not None}
    files |= {f"manifests/{d}.facts.json": f for d in config.datasets if (f := paths.known_facts(d)) is not None}
    tables = config.results / "tables"
    drawn = {f"tables/{t.name}": t for t in sorted(tables.glob("*")) if ALLOWED.fullmatch(f"tables/{t.name}")}
    drawn |= {f.name: f for f in (paths.claims, paths.claims.with_suffix(".md")) if f.is_file()}
    files |= {name: _at_default_place(config, file) for name, file in drawn.items()}
    if images:
        measured = [file for name in study_probes(config) for file in _of(config, name)]
        files |= {file.relative_to(config.results).as_posix(): file for file in measured}
    files |= _numbers(config)
    files["config.json"] = (json.dumps(shareable(config), indent=2) + "\n").encode()
    _check_places(config, files)
    return files, listed


def is_shared(config: StudyConfig, cell: Cell) -> bool:
    """Whether a cell came without its weights and is what this configuration, code and data would give.

    Such a cell is finished; the workflow neither trains nor scores it again.
    """
    paths = StudyPaths(config)
    files = paths.cell(cell)
    if not files.evaluation.is_file() or all(paths.cell(p).weights.is_file() for p in parent_cells(config, cell)):
        return False
    if not has(files.cases):
        return False
    record = read_record(files.evaluation) or {}
    if record.get("recipe") != evaluation_recipe(resolve(config, cell)):
        return False
    parts, manifest, split = record.get("parts", {}), paths.manifest(cell.dataset), paths.split(cell.dataset)
    if split.is_file() and (read_record(split) or {}).get("hash") != parts.get("split"):
        return False
    return not manifest.is_file() or parts.get("manifest") == file_digest(manifest)


def _cell_files(config: StudyConfig, cell: Cell, files: CellPaths, full: bool) -> dict[str, Path | bytes]:
    """What is shared of a cell's folder, of its ordinary test or of another condition; nothing before it is finished.

    Raises:
        ResultError: it was altered since it was recorded.
    """
    scored = read_record(files.evaluation) and has(files.cases)
    parts = (TRAINING if read_record(files.run) else ()) + (SCORES if scored else ())
    if not parts:
        return {}
    if findings := check_cell(cell, files)[0]:
        raise ResultError(f"{files.folder}: {findings[0]}; only results as they were made can be exported")
    place = files.folder.relative_to(config.results).as_posix()
    return {f"{place}/{name}": content for name, content in _files(files, parts, full)}


def _files(files: CellPaths, parts: tuple[str, ...], full: bool) -> Iterator[tuple[str, Path | bytes]]:
    """The files of a cell that are shared, by name. What is there in the light form only is shared in that."""
    places = [getattr(files, part) for part in parts]
    if not files.scorers.is_file() and files.scorers in places:  # few studies have such scores
        places.remove(files.scorers)
    if not (full and all(place.is_file() for place in places)):
        light = lightened(files, [place.name for place in places])
        places = [place for place in places if place.name not in (*TEXTS, *ARRAYS, *FURTHER)]
        if light is not None:
            yield files.light.name, light
    yield from ((place.name, place) for place in places)


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
    if not root.is_absolute() or str(root) not in (text := file.read_text(encoding="utf-8")):
        return file
    return text.replace(str(root), str(default)).encode()


def _of(config: StudyConfig, probe: str) -> list[Path]:
    """Files of a probe."""
    return sorted((config.results / probe).glob(PROBED.removeprefix("*/")))


def _numbers(config: StudyConfig) -> dict[str, Path | bytes]:
    """What probes say in numbers: of the files that are here, or as they came with shared results."""
    shared = config.results / "numbers"
    came = {f"numbers/{f.relative_to(shared).as_posix()}": f for f in sorted(shared.glob(PROBED))}
    by_name: dict[str, Path | bytes] = {name: f for name, f in came.items() if ALLOWED.fullmatch(name)}
    for name in study_probes(config):
        for file in _of(config, name):
            by_name.pop(place := f"numbers/{file.relative_to(config.results).as_posix()}", None)
            arrays = load_arrays(file, f"delete it and run `spectralcal probe {name}` again")
            if numbers := numbers_of(name, arrays, file, config.probes.get(name, {})):
                buffer = io.BytesIO()
                np.savez_compressed(buffer, **numbers)
                by_name[place] = buffer.getvalue()
    return by_name


def _check_places(config: StudyConfig, files: dict[str, Path | bytes]) -> None:
    """No text that leaves may name a folder of this machine, or with it a person."""
    roots = [Path.cwd(), *(getattr(config, f"{name}_root") for name in ("results", "prepared", "figures"))]
    with suppress(RuntimeError):  # a user without a home
        roots.append(Path.home())
    roots += [root for root in (config.data_root,) if root is not None]
    named = {str(root.resolve()) for root in roots if len(root.resolve().parts) > 2}
    places = re.compile("|".join([_PERSONAL, *(rf"{re.escape(name)}(?![\w-])" for name in sorted(named))]))
    for name, content in files.items():
        if Path(name).suffix == ".npz":
            continue
        raw = content if isinstance(content, bytes) else content.read_bytes()
        if Path(name).suffix == ".zip":
            light = LightCell(raw, name)
            raw = b"\n".join(light.text(text) for text in TEXTS if text in light.stands_for)
        text = raw.decode(errors="replace")
        if match := places.search(text):
            source = content if isinstance(content, Path) else name
            raise ResultError(
                f"{source}: names the folder {match[0]!r} of this machine, which must not leave it; "
                "give paths relative to the study in its configuration and make the file again"
            )


def _split_text(path: Path) -> bytes:
    """A split as it was written, but for the folder of a published one."""
    split = require_json(path, "a split", "run `spectralcal split` again", error=ResultError)
    return (json.dumps(_without_folders(split), indent=1) + "\n").encode()
