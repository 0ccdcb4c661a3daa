"""A finished study on disk with all its records, as training and evaluation leave it; without torch, in a second."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import save_file
from small_study import Study

from spectralcal.base.digests import file_digest
from spectralcal.base.files import write_json
from spectralcal.base.integrity import file_hashes, sealed
from spectralcal.data.manifest import PreparedCase, hash_arrays, write_manifest
from spectralcal.data.splits import split_hash, split_patients, write_split
from spectralcal.machine.environment import environment
from spectralcal.study.config import StudyConfig, parse_config
from spectralcal.study.grid import Cell, study_cells, trained_cell, trained_cells
from spectralcal.study.paths import StudyPaths
from spectralcal.study.recipe import cell_fingerprint, evaluation_recipe, training_recipe, training_settings
from spectralcal.study.resolved import resolve

OUTPUTS = {
    "tables": {"table1": {"experiment": "main"}, "table2": {"experiment": "main"}},
    "figures": {"figure2": {"experiment": "main"}, "reliability": {"experiment": "main"}},
}


def recorded(root: Path, seed_of_data: int = 0, changes: dict | None = None, **options) -> StudyConfig:
    """Write a study under `root`.

    Args:
        root: results, figures and prepared data are folders of it.
        seed_of_data: another number gives other prepared arrays.
        changes: keys of the configuration to replace.
        options: of :class:`small_study.Study`.
    """
    results = Study(root, **options).write()
    content = {**results.config.model_dump(mode="json"), **OUTPUTS, **(changes or {})}
    config = parse_config(content, "the test")
    paths = StudyPaths(config)
    write_json(paths.resolved_config, config.model_dump(mode="json"))
    frame = pd.read_parquet(paths.cases)
    paths.cases.unlink()
    _data(paths, frame.case[frame.case != "pooled"].unique(), seed_of_data)
    for cell in trained_cells(config, study_cells(config)):
        if paths.cell(cell).folder.is_dir():
            _train(config, paths, cell)
    keys = ["dataset", "architecture", "method", "seed"]
    for key, rows in frame.groupby(keys, sort=False):
        _score(config, paths, Cell(*key), rows)
    return config


def _data(paths: StudyPaths, names, seed: int) -> None:
    cases = []
    for name in [*names, *(f"other_{index}" for index in range(30))]:
        folder = paths.prepared("phantom") / "cases" / name
        folder.mkdir(parents=True)
        np.save(folder / "image.npy", np.full((1, 2, 2, 2), seed, np.float32))
        eye = tuple(map(tuple, np.eye(4).tolist()))
        cases.append(
            PreparedCase(
                name,
                name,
                "",
                (2, 2, 2),
                (1.0,) * 3,
                (2, 2, 2),
                (1.0,) * 3,
                eye,
                ((0, 2),) * 3,
                (0, 1),
                "0" * 64,
                hash_arrays(folder),
                folder,
            )
        )
    write_manifest(cases, paths.prepared("phantom"))
    split = split_patients(cases)
    write_split(paths.split("phantom"), split, dataset="phantom", seed=0)


def _parts(config: StudyConfig, paths: StudyPaths, cell: Cell, recipe: str) -> dict[str, str]:
    split = json.loads(paths.split(cell.dataset).read_text())
    return {"recipe": recipe, "manifest": file_digest(paths.manifest(cell.dataset)), "split": split_hash(split)}


def _train(config: StudyConfig, paths: StudyPaths, cell: Cell) -> None:
    files = paths.cell(cell)
    save_file({"w": np.frombuffer(str(cell).encode(), np.uint8).copy()}, files.weights)
    write_json(files.model, {"architecture": cell.architecture, "classes": ["background", "organ"]})
    parts = _parts(config, paths, cell, training_recipe(resolve(config, cell)))
    run = {
        "fingerprint": cell_fingerprint(*parts.values()),
        "parts": parts,
        "cell": asdict(cell),
        "settings": training_settings(resolve(config, cell)),
        "seeds": {"cell": cell.seed},
        "started": f"2026-01-0{cell.seed + 1}T00:00:00+00:00",
        "seconds": 12.5,
        "resumes": 1,
        "device": "cpu",
        "precision": "fp32",
        "peak_memory_mb": 100.0,
        "environment": environment(),
        "files": file_hashes([files.weights, files.model, files.history]),
    }
    write_json(files.run, sealed(run))


def _score(config: StudyConfig, paths: StudyPaths, cell: Cell, rows) -> None:
    files = paths.cell(cell)
    rows.to_csv(files.cases, index=False)
    parts = _parts(config, paths, cell, evaluation_recipe(resolve(config, cell)))
    stamp = {
        "fingerprint": cell_fingerprint(*parts.values()),
        "recipe": parts["recipe"],
        "weights": file_digest(paths.cell(trained_cell(config, cell)).weights),
        "cell": asdict(cell),
        "parts": parts,
        "environment": environment(),
        "files": file_hashes([files.cases, files.calibration, files.spectra]),
    }
    write_json(files.evaluation, sealed(stamp))
