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
from spectralcal.jobs.cell_data import CellData, load_data
from spectralcal.jobs.score_files import adopt_staged
from spectralcal.study.conditions import TEST
from spectralcal.study.config import StudyConfig
from spectralcal.study.grid import Cell
from spectralcal.study.recipe import cell_fingerprint, evaluation_recipe, training_recipe
from spectralcal.study.resolved import ResolvedCell, resolve


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
    trainings = resolve(config, cell).trainings
    if len(trainings) > 1:
        raise ConfigError(
            f"{cell}: expected a cell that is trained, found an ensemble of {len(trainings)}; train its members, "
            f"{trainings[0]} first"
        )
    (training,) = trainings
    data = load_data(config, cell.dataset)
    finished = training.files.weights.is_file() and _is_of(training, data)
    if finished and not force:
        say(f"{training}: weights are up to date")
    else:
        from spectralcal.jobs.training import train_network

        if finished:
            training.files.checkpoint.unlink(missing_ok=True)  # of the finished one: resuming would train nothing
        train_network(training, data)
    if then_evaluate:
        try:
            evaluate_cell(config, training.key, stage=True)
        except Exception as error:
            # The training is done and must not be lost with the scores: the evaluation step will meet the error itself.
            say(f"{training}: trained, but not scored here ({type(error).__name__}: {error})")


def evaluate_cell(config: StudyConfig, cell: Cell, condition: str = TEST, *, stage: bool = False) -> None:
    """Score one cell with the weights of its training, or with those of an ensemble's members.

    Args:
        config: the study.
        cell: which cell.
        condition: name of what it is tested on.
        stage: leave the scores for a later evaluation step instead of making them final.
    """
    resolved, data = resolve(config, cell, condition), load_data(config, cell.dataset)
    for training in resolved.trainings:
        _check_weights(training, data)
    if condition != TEST:  # others may corrupt images, which takes torch
        from spectralcal.jobs.tested import under_condition

        data = under_condition(resolved, data)
    files, stamp = resolved.files, _stamp(resolved, data)
    if stage:
        shutil.rmtree(files.staged, ignore_errors=True)
        files.staged.mkdir(parents=True)
        _score(resolved, data, stamp, files.staged)
        return
    if adopt_staged(files, stamp):
        say(f"{resolved}: scored in the training process")
    else:
        files.folder.mkdir(parents=True, exist_ok=True)
        _score(resolved, data, stamp, files.folder)
    if condition == TEST:
        _tidy(resolved)


def _score(cell: ResolvedCell, data: CellData, stamp: dict[str, Any], folder: Path) -> None:
    # Here and not above: most jobs that evaluate adopt scores, for which importing torch would take most of their time.
    from spectralcal.jobs.scoring import score_network

    score_network(cell, data, stamp, folder)


def _stamp(cell: ResolvedCell, data: CellData) -> dict[str, Any]:
    """What the scores of a cell are made from."""
    recipe = evaluation_recipe(cell)
    weights = [file_digest(training.files.weights) for training in cell.trainings]
    return {
        "fingerprint": cell_fingerprint(recipe, *data.hashes),
        "recipe": recipe,
        "weights": weights if len(weights) > 1 else weights[0],
    }


def _tidy(cell: ResolvedCell) -> None:
    """Remove what a scored cell no longer needs.

    Until a cell is scored, its workflow may die and delete the weights with the other outputs of an unfinished job; the
    checkpoint then gives them back in a moment.
    """
    from spectralcal.engine.set_aside import set_aside

    if not cell.evaluation.further_scorers:
        cell.files.scorers.unlink(missing_ok=True)  # of scorers that the study named before
    for training in cell.trainings:
        for file in (training.files.checkpoint, set_aside(training.files.checkpoint)):
            file.unlink(missing_ok=True)


def _is_of(training: ResolvedCell, data: CellData) -> bool:
    """Whether a cell's training is of this configuration, code and data, as far as its record says."""
    recorded = read_json(training.files.run).get("fingerprint")
    return recorded == cell_fingerprint(training_recipe(training), *data.hashes)


def _check_weights(training: ResolvedCell, data: CellData) -> None:
    """Refuse weights that are not those that the training wrote, and what says which network they are of.

    Records of earlier versions have no hashes; shared results may have the network's facts in their light form alone.

    Raises:
        ResultError: they are missing or of something else, or a byte changed since.
    """
    files = training.files
    if not _is_of(training, data):
        raise ResultError(
            f"{files.weights}: the weights are missing or of another configuration, code or data; train the cell first"
        )
    record = require_json(files.run, "the record of a training", "train the cell again", error=ResultError)
    remedies = {
        files.weights.name: "delete it and run again",
        files.model.name: "put the cell's own file back or train it again with --force",
    }
    listed = record.get("files", {})
    if not isinstance(listed, dict):
        raise ResultError(f"{files.run}: expected hashes by file under 'files', found {listed!r}; train the cell again")
    recorded = {name: value for name, value in listed.items() if name in remedies}
    for name in altered(files.folder, recorded):
        raise ResultError(
            f"{files.folder / name}: expected the bytes that the training wrote (SHA-256 in {files.run.name}), "
            f"found others; {remedies[name]}"
        )
