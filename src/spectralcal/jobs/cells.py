"""One cell, from prepared arrays to weights and from weights to scores: the steps behind `train` and `evaluate`.

Training may score in the same process (starting torch and MONAI costs more than scoring a small data set): the scores
are staged in the cell's folder with the fingerprint that they belong to, and the evaluation step adopts them if it
would compute the same. If anything differs, it computes them itself.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from spectralcal.base.console import say
from spectralcal.base.digests import file_digest
from spectralcal.base.errors import ConfigError, ResultError
from spectralcal.base.files import read_json, require_json
from spectralcal.base.integrity import altered
from spectralcal.jobs.cell_data import load_data
from spectralcal.jobs.scoring import adopt_staged, score_network
from spectralcal.jobs.training import train_network
from spectralcal.study.config import StudyConfig
from spectralcal.study.grid import Cell, parent_cells
from spectralcal.study.paths import CellPaths, StudyPaths
from spectralcal.study.recipe import cell_fingerprint, evaluation_recipe, training_recipe


def train_cell(config: StudyConfig, cell: Cell, *, then_evaluate: bool = False, force: bool = False) -> None:
    """Train one cell unless its weights are already those of this configuration, code and data.

    Args:
        config: the study.
        cell: which cell; a post-hoc step in its method is ignored here.
        then_evaluate: also score it, staged for the evaluation step.
        force: train even if the weights are up to date.

    Raises:
        ConfigError: an ensemble, which trains nothing.
    """
    parents = parent_cells(config, cell)
    if len(parents) > 1:
        raise ConfigError(
            f"{cell}: expected a cell that is trained, found an ensemble of {len(parents)}; train its members, "
            f"{parents[0]} first"
        )
    (cell,) = parents
    files = StudyPaths(config).cell(cell)
    data = load_data(config, cell.dataset)
    recipe = training_recipe(config, cell)
    fingerprint = cell_fingerprint(recipe, data.manifest_hash, data.split_hash)
    finished = files.weights.is_file() and _fingerprint_of(files.run) == fingerprint
    if finished and not force:
        say(f"{cell}: weights are up to date")
    else:
        if finished:
            files.checkpoint.unlink(missing_ok=True)  # of the finished training: to go on from it would train nothing
        train_network(config, cell, files, data, recipe, fingerprint)
    if then_evaluate:
        try:
            evaluate_cell(config, cell, stage=True)
        except Exception as error:
            # The training is done and must not be lost with the scores: the evaluation step will meet the error itself.
            say(f"{cell}: trained, but not scored here ({type(error).__name__}: {error})")


def evaluate_cell(config: StudyConfig, cell: Cell, *, stage: bool = False) -> None:
    """Score one cell with the weights of its training, or with those of an ensemble's members.

    Args:
        config: the study.
        cell: which cell.
        stage: leave the scores for a later evaluation step instead of making them final.
    """
    from spectralcal.engine.checkpoint import set_aside

    files = StudyPaths(config).cell(cell)
    data = load_data(config, cell.dataset)
    parents = parent_cells(config, cell)
    sources = [StudyPaths(config).cell(parent) for parent in parents]
    for parent, source in zip(parents, sources, strict=True):
        trained = cell_fingerprint(training_recipe(config, parent), data.manifest_hash, data.split_hash)
        if _fingerprint_of(source.run) != trained:
            raise ResultError(
                f"{source.weights}: the weights are missing or of another configuration, code or data; train the cell "
                "first"
            )
        _check_weights(source)
    recipe = evaluation_recipe(config, cell)
    fingerprint = cell_fingerprint(recipe, data.manifest_hash, data.split_hash)
    weights = [file_digest(source.weights) for source in sources]
    stamp: dict[str, Any] = {"fingerprint": fingerprint, "recipe": recipe}
    stamp["weights"] = weights if len(weights) > 1 else weights[0]
    if not stage and adopt_staged(files, stamp):
        say(f"{cell}: scored in the training process")
    else:
        folder = files.staged if stage else files.folder
        if stage:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        score_network(config, cell, sources, data, stamp, folder)
    if not stage:
        if not config.evaluation.further_scorers:
            files.scorers.unlink(missing_ok=True)  # of scorers that the study named before
        # Until a cell is scored, its workflow may die and delete the weights with the other outputs of an unfinished
        # job; the checkpoint then gives them back in a moment.
        for source in sources:
            for file in (source.checkpoint, set_aside(source.checkpoint)):
                file.unlink(missing_ok=True)


def _check_weights(files: CellPaths) -> None:
    """Refuse weights that are not those that the training wrote; records of earlier versions have no hash of them.

    Raises:
        ResultError: a byte changed since.
    """
    record = require_json(files.run, "the record of a training", "train the cell again", error=ResultError)
    recorded = record.get("files", {})
    if changed := altered(files.folder, {name: recorded[name] for name in [files.weights.name] if name in recorded}):
        raise ResultError(
            f"{files.folder / changed[0]}: expected the bytes that the training wrote (SHA-256 in {files.run.name}), "
            "found others; delete it and run again"
        )


def _fingerprint_of(path: Path) -> str | None:
    return read_json(path).get("fingerprint")
