"""Recipes: for each step of the way of the data, the digest of the settings and code that can change its result.

A recipe is known before any data is read, so Snakemake can plan with it. A cell's *fingerprint* adds the hashes of the
data that the step really saw (:func:`cell_fingerprint`) and is stored with the result.
"""

from __future__ import annotations

from typing import Any

from spectralcal import registry
from spectralcal.config import StudyConfig
from spectralcal.fingerprint import REPORTING, STEERING, code_digest, digest, file_digest
from spectralcal.grid import Cell, loss_options, parse_method, study_cells, trained_cell, trained_cells


def preparation_recipe(config: StudyConfig, dataset: str) -> str:
    """Digest for the prepared arrays of a data set."""
    settings = config.preparation_of(dataset).model_dump(exclude={"workers"})
    code = code_digest("preparation.prepare", f"datasets.{config.kind_of(dataset)}")
    return digest(dataset, config.options_of(dataset), settings, code)


def split_recipe(config: StudyConfig, dataset: str) -> str:
    """Digest for the split of a data set; of a published one its file's content counts, not its name."""
    settings = config.split_of(dataset)
    drawn = settings.model_dump(exclude={"file", "fold"})
    if settings.file is None:
        return digest(dataset, drawn, code_digest("preparation.splits"))
    # A file that is not there is reported before any job, by steps.missing_data.
    content = file_digest(settings.file) if settings.file.is_file() else None
    return digest(dataset, drawn, content, settings.fold, code_digest("preparation.published"))


def training_settings(config: StudyConfig, cell: Cell) -> dict[str, Any]:
    """Everything in the configuration that can change the weights of a cell."""
    training = config.training_of(cell.dataset, cell.architecture)
    # Saving more often, or validating without selecting by it, cannot change a weight.
    irrelevant = {"checkpoint_interval", "log_interval"} | (
        {"validation_interval"} if training.select == "last" else set()
    )
    return {
        "dataset": cell.dataset,
        "architecture": cell.architecture,
        "architecture_options": config.architecture_of(cell.dataset, cell.architecture).options,
        "loss": parse_method(cell.method, config.methods).loss,
        "loss_options": loss_options(config, cell.method),
        "seed": cell.seed,
        "training": training.model_dump(exclude=irrelevant),
    }


def training_recipe(config: StudyConfig, cell: Cell) -> str:
    """Digest for the weights of a cell."""
    loss = parse_method(cell.method, config.methods).loss
    network = config.network_of(cell.dataset, cell.architecture)
    code = code_digest("training.train", f"losses.{loss}", f"models.{network}", "models._options")
    return digest(training_settings(config, cell), code)


def evaluation_recipe(config: StudyConfig, cell: Cell) -> str:
    """Digest for the scores of a cell, given its weights."""
    method = parse_method(cell.method, config.methods)
    settings = {
        "inference": config.inference.model_dump(),
        "evaluation": config.evaluation.model_dump(exclude={"side"}),
        "patch": config.training_of(cell.dataset, cell.architecture).patch,
        "post_hoc": method.post_hoc,
    }
    steps = [] if method.post_hoc is None else ["evaluation.calibrate", f"posthoc.{method.post_hoc}"]
    code = code_digest("evaluation.evaluate", f"models.{config.network_of(cell.dataset, cell.architecture)}", *steps)
    return digest(settings, training_recipe(config, trained_cell(config, cell)), code, *_side(config))


def cell_fingerprint(recipe: str, manifest_hash: str, split_hash: str) -> str:
    """Digest of a recipe and of the data that it was applied to."""
    return digest(recipe, manifest_hash, split_hash)


def output_recipe(config: StudyConfig, kind: str, name: str) -> str:
    """Digest for a table or figure (`kind` is "tables" or "figures"), given the results."""
    output = getattr(config, kind)[name]
    code = code_digest(f"{kind}.{output.source or name}", ignore=STEERING - REPORTING)
    named = (output.experiment, *output.options.get("experiments", ()))
    experiments = [config.experiments[experiment].model_dump() for experiment in named]
    return digest(name, output.model_dump(), experiments, code)


def claims_recipe(config: StudyConfig) -> str:
    """Digest for the claims ledger, given the results."""
    modules = [f"claims.{name}" for name in registry.names("claims")]
    code = code_digest("claims.step", *modules, ignore=STEERING - REPORTING)
    paper = sorted((registry.PACKAGE / "paper").glob("*.csv"))
    experiments = {name: entry.model_dump() for name, entry in config.experiments.items()}
    roles = config.claims.model_dump() if config.claims else None
    return digest(roles, experiments, [file_digest(file) for file in paper], code)


def maps_recipe(config: StudyConfig, dataset: str, architecture: str, seed: int) -> str:
    """Digest for the maps of one case by every trained method."""
    weights = _weights_recipes(config, dataset, architecture, seed)
    return digest(weights, config.inference.model_dump(), code_digest("evaluation.maps"), *_side(config))


def hotspots_recipe(config: StudyConfig, dataset: str, architecture: str, seed: int) -> str:
    """Digest for the hotspots of cross-entropy against every trained method."""
    # All seeds: cross-entropy of another one is the control.
    seeds = sorted({cell.seed for cell in study_cells(config)})
    weights = [_weights_recipes(config, dataset, architecture, each) for each in seeds]
    return digest(seed, weights, code_digest("evaluation.hotspots_step"), *_side(config))


def _side(config: StudyConfig) -> tuple[str, ...]:
    """Which cases are scored, unless the test cases: scores of before there was a choice stay valid."""
    return () if config.evaluation.side == "test" else (config.evaluation.side,)


def _weights_recipes(config: StudyConfig, dataset: str, architecture: str, seed: int) -> list[str]:
    cells = [
        cell
        for cell in trained_cells(config, study_cells(config))
        if (cell.dataset, cell.architecture, cell.seed) == (dataset, architecture, seed)
    ]
    return [training_recipe(config, cell) for cell in cells]
