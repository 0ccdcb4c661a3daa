"""What keeps an archive out of a study: other settings, other data, or a cell that is here with another fingerprint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spectralcal.base.digests import file_digest
from spectralcal.base.errors import DataError, ResultError
from spectralcal.base.files import read_record
from spectralcal.sharing.received import ReceivedTest
from spectralcal.study.conditions import condition_of
from spectralcal.study.config import GeometryConfig, StudyConfig
from spectralcal.study.grid import Cell, study_cells
from spectralcal.study.paths import CellPaths, StudyPaths
from spectralcal.study.recipe import training_settings
from spectralcal.study.resolved import resolve


def check_settings(archive: Path, here: StudyConfig, theirs: StudyConfig, cells: list[tuple[Cell, CellPaths]]) -> None:
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
    full = {"geometry": GeometryConfig().model_dump(), "transforms": [], **augmentation}
    return {**settings, "training": {**training, "augmentation": full}}


def _differences(mine: Any, other: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(mine, dict) and isinstance(other, dict):
        for name in mine:
            if name in other:
                yield from _differences(mine[name], other[name], f"{key}.{name}".strip("."))
    elif json.dumps(mine, default=str) != json.dumps(other, default=str):
        yield key, mine, other


def check_data(archive: Path, folder: Path, paths: StudyPaths, cells: list[tuple[Cell, CellPaths]]) -> None:
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


def check_test_data(archive: Path, theirs: StudyConfig, paths: StudyPaths, folder: Path, test: ReceivedTest) -> None:
    """The cases of the data set that a condition tests on must be the same here and there."""
    if test.condition not in theirs.evaluation.conditions:
        raise DataError(f"{archive}: cell {test}: its configuration has no such condition; ask for it again")
    dataset = condition_of(theirs, test.condition).dataset or test.cell.dataset
    parts, what = (read_record(test.files.evaluation) or {}).get("parts", {}), ("tested_manifest", "tested_split")
    for part, known in zip(what, _known_data(paths, folder, dataset), strict=True):
        if part in parts and known is not None and parts[part] != known[0]:
            raise ResultError(_data_conflict(archive, f"cell {test}", part, known, parts[part]))


def _known_data(paths: StudyPaths, folder: Path, dataset: str) -> list[tuple[str, str] | None]:
    """Hash and place of the manifest and of the split of a data set: those that are here, else those of the archive."""
    manifest = paths.known_manifest(dataset) or folder / "manifests" / f"{dataset}.csv"
    splits = (paths.split(dataset), folder / "splits" / f"{dataset}.json")
    split = next((place for place in splits if place.is_file()), None)
    return [
        (file_digest(manifest), str(manifest)) if manifest.is_file() else None,
        None if split is None else ((read_record(split) or {}).get("hash", ""), str(split)),
    ]


def check_same(archive: Path, mine: CellPaths, cell: Cell, received: CellPaths) -> None:
    """Refuse a cell that is here with another fingerprint."""
    for name, what in (("run", "weights"), ("evaluation", "scores")):
        here, there = (read_record(getattr(files, name)) for files in (mine, received))
        if here and there and here.get("fingerprint") != there.get("fingerprint"):
            raise ResultError(
                f"{archive}: cell {cell}: its {what} have the fingerprint {there.get('fingerprint')} in the archive "
                f"and {here.get('fingerprint')} here (other settings, code or data); keep one: delete {mine.folder}, "
                "or import into another results folder (--results)"
            )
