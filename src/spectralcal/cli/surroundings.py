"""Verbs for what a study stands on: the machine, the data sets, the configuration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from spectralcal.cli.app import DEFAULT, Config, app, config_app, datasets_app, load_study


@app.command()
def doctor(
    config: Annotated[Path | None, typer.Option("--config", "-c")] = None,
    time: Annotated[
        bool, typer.Option("--time", help="Time a few steps and project how long the study takes.")
    ] = False,
) -> None:
    """Say what is installed, which device there is and which data sets are in place."""
    study = load_study(config or DEFAULT) if config or time or DEFAULT.is_file() else None
    if not time:
        from spectralcal.doctor.diagnose import diagnose

        typer.echo(diagnose(study, probe=config is not None))
        return
    from spectralcal.machine.slots import gpu_slot, slot_count
    from spectralcal.records.projection import cells_at_once

    at_once = cells_at_once(study, os.cpu_count() or 1, slot_count(study.compute))
    with gpu_slot(study.compute):
        from spectralcal.doctor.diagnose import diagnose, time_and_project

        typer.echo(diagnose(study, probe=True))
        typer.echo(time_and_project(study, at_once))


@datasets_app.command("list")
def datasets_list(config: Config = DEFAULT) -> None:
    """List the data sets of the package and where they are."""
    from spectralcal.doctor.diagnose import dataset_lines

    typer.echo("\n".join(dataset_lines(load_study(config))))


@datasets_app.command("check")
def datasets_check(
    name: str,
    config: Config = DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    workers: Annotated[int | None, typer.Option(help="Processes that read side by side.")] = None,
) -> None:
    """Read every case of a data set and report what is wrong with it; exit code 1 on errors."""
    from spectralcal.doctor.diagnose import check_dataset

    report = check_dataset(load_study(config), name, as_json, workers)
    typer.echo(report.text)
    if report.errors:
        raise typer.Exit(1)


@datasets_app.command("fetch")
def datasets_fetch(name: str, config: Config = DEFAULT) -> None:
    """Download a data set that is open, or say how to get it."""
    from spectralcal.doctor.diagnose import fetch_dataset

    typer.echo(fetch_dataset(load_study(config), name))


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON schema of a configuration."""
    from spectralcal.study.config import schema_text

    typer.echo(schema_text(), nl=False)


@config_app.command("check")
def config_check(config: Annotated[Path, typer.Argument()] = DEFAULT) -> None:
    """Check a configuration and say how large its study is."""
    from spectralcal.study.grid import study_cells, trained_cells

    study = load_study(config)
    cells = study_cells(study)
    typer.echo(f"{config}: study '{study.study}', {len(cells)} cells, {len(trained_cells(study, cells))} trainings")
