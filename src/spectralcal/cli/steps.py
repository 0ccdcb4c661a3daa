"""Verbs of the way of the data: from raw files to collected scores, and probes of trained networks."""

from __future__ import annotations

from typing import Annotated

import typer

from spectralcal.cli.app import (
    DEFAULT,
    Architecture,
    Config,
    Dataset,
    MethodName,
    Seed,
    alone_on_device,
    app,
    load_study,
    named_cell,
)  # fmt: skip


@app.command()
def prepare(dataset: Dataset, config: Config = DEFAULT, workers: int | None = None) -> None:
    """Resample, normalise and crop a data set into memory-mapped arrays with a manifest."""
    from spectralcal.base.locks import exclusive
    from spectralcal.jobs.steps import prepare_step
    from spectralcal.study.paths import StudyPaths

    study = load_study(config)
    with exclusive(StudyPaths(study).prepared_lock(dataset), dataset):
        prepare_step(study, dataset, workers)


@app.command()
def split(dataset: Dataset, config: Config = DEFAULT) -> None:
    """Split the patients of a prepared data set into training, validation and test."""
    from spectralcal.jobs.steps import split_step

    split_step(load_study(config), dataset)


@app.command()
def train(
    dataset: Dataset,
    arch: Architecture,
    method: MethodName,
    seed: Seed,
    config: Config = DEFAULT,
    then_evaluate: Annotated[bool, typer.Option(help="Score in the same process, for the evaluate step.")] = False,
    force: Annotated[bool, typer.Option(help="Train even if the weights are up to date.")] = False,
) -> None:
    """Train one cell; continues from its checkpoint if there is one."""
    from spectralcal.jobs.cells import train_cell
    from spectralcal.study.grid import trained_cell

    study = load_study(config)
    cell = named_cell(study, dataset, arch, method, seed)
    with alone_on_device(study, trained_cell(study, cell)):
        train_cell(study, cell, then_evaluate=then_evaluate, force=force)


@app.command()
def evaluate(
    dataset: Dataset,
    arch: Architecture,
    method: MethodName,
    seed: Seed,
    config: Config = DEFAULT,
    condition: Annotated[str, typer.Option(help="What it is tested on: a name under evaluation.conditions.")] = "test",
) -> None:
    """Score one trained cell on its test cases, or under another condition."""
    from spectralcal.jobs.cells import evaluate_cell

    study = load_study(config)
    cell = named_cell(study, dataset, arch, method, seed)
    with alone_on_device(study, cell):
        evaluate_cell(study, cell, condition)


@app.command()
def collect(config: Config = DEFAULT, allow_missing: Annotated[bool, typer.Option()] = False) -> None:
    """Gather the scores of all cells in one tidy table."""
    from spectralcal.jobs.steps import collect_step

    collect_step(load_study(config), allow_missing)


@app.command()
def probe(
    name: Annotated[str, typer.Argument(help="Name of the probe, for example maps or my_package.probes:Mine.")],
    dataset: Dataset,
    arch: Architecture,
    seed: Seed,
    config: Config = DEFAULT,
) -> None:
    """Measure on trained networks of a data set, architecture and seed what a figure or claim needs beside scores."""
    from spectralcal.machine.slots import gpu_slot

    study = load_study(config)
    with gpu_slot(study.compute):
        from spectralcal.jobs.probe import probe_step  # imports torch, which must see the slot's device only

        probe_step(study, name, dataset, arch, seed)


@app.command()
def maps(dataset: Dataset, arch: Architecture, seed: Seed, config: Config = DEFAULT) -> None:
    """Predict the case that the image figures show, with every trained method: the probe `maps`."""
    probe("maps", dataset, arch, seed, config)


@app.command()
def hotspots(dataset: Dataset, arch: Architecture, seed: Seed, config: Config = DEFAULT) -> None:
    """Compare the high frequencies of cross-entropy's confidence with the other methods': the probe `hotspots`."""
    probe("hotspots", dataset, arch, seed, config)
