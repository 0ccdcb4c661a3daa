"""`spectralcal <verb>`: what the workflow's rules call, and what a person can call by hand.

Every mistake that a user can mend ends as one line on standard error and a non-zero exit; ``--debug`` shows where it
came from.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from spectralcal.base.console import show_any_sign
from spectralcal.base.errors import ConfigError, SpectralcalError, choices
from spectralcal.cli import predictions

app = typer.Typer(
    help="Replication benchmark for spectral entropy regularisation and calibration losses in segmentation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
datasets_app = typer.Typer(help="Data sets: which there are, which are in place.", no_args_is_help=True)
config_app = typer.Typer(help="Configurations: check one, print its schema.", no_args_is_help=True)
app.add_typer(datasets_app, name="datasets")
app.add_typer(config_app, name="config")
app.command()(predictions.score)
app.command()(predictions.calibrate)

Config = Annotated[Path, typer.Option("--config", "-c", envvar="SPECTRALCAL_CONFIG", help="The study.")]
Dataset = Annotated[str, typer.Option("--dataset", help="Name of the data set.")]
Architecture = Annotated[str, typer.Option("--arch", help="Name of the architecture.")]
MethodName = Annotated[str, typer.Option("--method", help="Method, for example spectral@window=1.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the cell.")]
DEFAULT = Path("config.yaml")


@app.command()
def prepare(dataset: Dataset, config: Config = DEFAULT, workers: int | None = None) -> None:
    """Resample, normalise and crop a data set into memory-mapped arrays with a manifest."""
    from spectralcal.base.locks import exclusive
    from spectralcal.jobs.steps import prepare_step
    from spectralcal.study.paths import StudyPaths

    study = _study(config)
    with exclusive(StudyPaths(study).prepared_lock(dataset), dataset):
        prepare_step(study, dataset, workers)


@app.command()
def split(dataset: Dataset, config: Config = DEFAULT) -> None:
    """Split the patients of a prepared data set into training, validation and test."""
    from spectralcal.jobs.steps import split_step

    split_step(_study(config), dataset)


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

    study = _study(config)
    cell = _cell(study, dataset, arch, method, seed)
    with _alone_on_device(study, trained_cell(study, cell)):
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

    study = _study(config)
    cell = _cell(study, dataset, arch, method, seed)
    with _alone_on_device(study, cell):
        evaluate_cell(study, cell, condition)


@app.command()
def collect(config: Config = DEFAULT, allow_missing: Annotated[bool, typer.Option()] = False) -> None:
    """Gather the scores of all cells in one tidy table."""
    from spectralcal.jobs.steps import collect_step

    collect_step(_study(config), allow_missing)


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

    study = _study(config)
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


@app.command()
def table(name: str, config: Config = DEFAULT) -> None:
    """Make a table (CSV, Markdown, LaTeX) from the collected scores."""
    from spectralcal.report.steps import table_step

    table_step(_study(config), name)


@app.command()
def figure(name: str, config: Config = DEFAULT) -> None:
    """Draw a figure (PDF, PNG and the CSV behind it) from the collected scores."""
    from spectralcal.report.steps import figure_step

    figure_step(_study(config), name)


@app.command()
def report(config: Config = DEFAULT) -> None:
    """Make all tables, figures and records again from the finished cells; needs no data, weights or GPU."""
    from spectralcal.report.rebuild import rebuild_study

    rebuilt = rebuild_study(_study(config))
    typer.echo(rebuilt.text)
    if rebuilt.failed:
        raise typer.Exit(1)


@app.command("export")
def export_(
    study: Annotated[str, typer.Argument(help="Name of a study, its results folder or its configuration.")],
    out: Annotated[Path | None, typer.Option(help="The archive; <study>-results.zip by default.")] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Plain files in a folder in place of an archive: for a repository.")
    ] = None,
    images: Annotated[bool, typer.Option(help="Also the volumes and slices that figures show of patients.")] = False,
    full: Annotated[bool, typer.Option(help="Files of cells as they are in place of their light form.")] = False,
) -> None:
    """Pack the results of a study without images and weights, for another machine."""
    from spectralcal.sharing.publish import publish_study
    from spectralcal.sharing.shared import export_study
    from spectralcal.study.locate import find_study

    study_config = find_study(study)
    if folder is not None:
        if out is not None:
            raise ConfigError("expected --out or --folder, received both")
        if full:
            raise ConfigError("expected --full with --out, received --folder: a repository takes the light form")
        typer.echo(publish_study(study_config, folder, images=images).text)
        return
    out = out or Path(f"{study_config.study}-results.zip")
    typer.echo(f"{export_study(study_config, out, images=images, full=full)}  {out}")


@app.command("import")
def import_(
    archive: Annotated[Path, typer.Argument(help="A file of `spectralcal export`.")],
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The study that it belongs to.")] = None,
    results: Annotated[Path, typer.Option(help="Folder of results, where --config is not given.")] = Path("results"),
    limit_gib: Annotated[float, typer.Option(help="Largest size of the unpacked archive.")] = 8.0,
) -> None:
    """Merge the results of another machine; an archive that is altered, unsafe or in conflict is refused completely."""
    from spectralcal.sharing.merging import import_study

    study = None if config is None else _study(config)
    merged = import_study(archive, study, results, int(limit_gib * 2**30))
    for note in merged.notes:
        typer.echo(f"note: {note}")
    place = merged.config.results
    typer.echo(f"{place}: {len(merged.taken)} cells taken, {len(merged.kept)} were here already")
    typer.echo(f"next: spectralcal report --config {config or place / 'config.json'}")


@app.command("explain")
def explain_(
    path: Annotated[Path, typer.Argument(help="A table, figure, cell or file of a cell.", exists=True)],
    row: Annotated[list[str] | None, typer.Option(help="Row of a table: column=value; may be repeated.")] = None,
    column: Annotated[str | None, typer.Option(help="With --row: which value.")] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The study, if it is not beside PATH.")] = None,
) -> None:
    """Say what a result was made from, and the command that makes it again."""
    from spectralcal.sharing.explain import explain
    from spectralcal.study.locate import study_of

    study = study_of(path, None if config is None else _study(config))
    typer.echo(explain(study, path, row or (), column))


@app.command("verify")
def verify_(
    study: Annotated[str | None, typer.Argument(help="Name of a study or its results folder.")] = None,
    config: Annotated[Path, typer.Option("--config", "-c", envvar="SPECTRALCAL_CONFIG")] = DEFAULT,
    data: Annotated[bool, typer.Option(help="Also hash all prepared arrays.")] = False,
) -> None:
    """Compare all files of a study with the hashes recorded when they were written; exit code 1 if any was altered."""
    from spectralcal.sharing.verify import verify_study
    from spectralcal.study.locate import find_study

    verification = verify_study(find_study(study) if study else _study(config), data=data)
    typer.echo(verification.text)
    if verification.findings:
        raise typer.Exit(1)


@app.command()
def provenance(config: Config = DEFAULT) -> None:
    """Write provenance.json (RO-Crate): which cells each table and figure shows, and what made them."""
    from spectralcal.records.crate import write_crate

    typer.echo(write_crate(_study(config)))


@app.command()
def claims(config: Config = DEFAULT) -> None:
    """Decide every claim of the paper from the results (CSV and a page in Markdown)."""
    from spectralcal.report.steps import claims_step

    claims_step(_study(config))


@app.command()
def page(
    source: Annotated[Path, typer.Argument(help="A table or the ledger in Markdown.")],
    target: Annotated[Path, typer.Argument(help="The HTML file to write.")],
) -> None:
    """Turn a page in Markdown into one HTML file, as the report shows it."""
    from spectralcal.report.webpage import webpage_step

    webpage_step(source, target)


@app.command()
def where(config: Config = DEFAULT) -> None:
    """Say where the tables, figures and report of a study are."""
    from spectralcal.jobs.steps import where_step

    typer.echo(where_step(_study(config)))


@app.command()
def doctor(
    config: Annotated[Path | None, typer.Option("--config", "-c")] = None,
    time: Annotated[
        bool, typer.Option("--time", help="Time a few steps and project how long the study takes.")
    ] = False,
) -> None:
    """Say what is installed, which device there is and which data sets are in place."""
    study = _study(config or DEFAULT) if config or time or DEFAULT.is_file() else None
    if not time:
        from spectralcal.doctor.diagnose import diagnose

        typer.echo(diagnose(study))
        return
    from spectralcal.machine.slots import gpu_slot, slot_count
    from spectralcal.records.projection import cells_at_once

    at_once = cells_at_once(study, os.cpu_count() or 1, slot_count(study.compute))
    with gpu_slot(study.compute):
        from spectralcal.doctor.diagnose import diagnose, time_and_project

        typer.echo(diagnose(study))
        typer.echo(time_and_project(study, at_once))


@datasets_app.command("list")
def datasets_list(config: Config = DEFAULT) -> None:
    """List the data sets of the package and where they are."""
    from spectralcal.doctor.diagnose import dataset_lines

    typer.echo("\n".join(dataset_lines(_study(config))))


@datasets_app.command("check")
def datasets_check(
    name: str,
    config: Config = DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    workers: Annotated[int | None, typer.Option(help="Processes that read side by side.")] = None,
) -> None:
    """Read every case of a data set and report what is wrong with it; exit code 1 on errors."""
    from spectralcal.doctor.diagnose import check_dataset

    report = check_dataset(_study(config), name, as_json, workers)
    typer.echo(report.text)
    if report.errors:
        raise typer.Exit(1)


@datasets_app.command("fetch")
def datasets_fetch(name: str, config: Config = DEFAULT) -> None:
    """Download a data set that is open, or say how to get it."""
    from spectralcal.doctor.diagnose import fetch_dataset

    typer.echo(fetch_dataset(_study(config), name))


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON schema of a configuration."""
    from spectralcal.study.config import schema_text

    typer.echo(schema_text(), nl=False)


@config_app.command("check")
def config_check(config: Annotated[Path, typer.Argument()] = DEFAULT) -> None:
    """Check a configuration and say how large its study is."""
    from spectralcal.study.grid import study_cells, trained_cells

    study = _study(config)
    cells = study_cells(study)
    typer.echo(f"{config}: study '{study.study}', {len(cells)} cells, {len(trained_cells(study, cells))} trainings")


@contextmanager
def _alone_on_device(study: Any, cell: Any) -> Iterator[None]:
    """Nobody else works on the cell, and it has a place on a GPU if there is one; in this order, so that no place is
    held while waiting."""
    from spectralcal.base.locks import exclusive
    from spectralcal.machine.slots import gpu_slot
    from spectralcal.study.paths import StudyPaths

    with exclusive(StudyPaths(study).cell_lock(cell), str(cell)), gpu_slot(study.compute):
        yield


def _study(path: Path) -> Any:
    from spectralcal.study.config import load_config

    return load_config(path)


def _cell(study: Any, dataset: str, architecture: str, method: str, seed: int) -> Any:
    from spectralcal.study.grid import Cell
    from spectralcal.study.methods import canonical_method

    for key, value, known in (("--dataset", dataset, study.datasets), ("--arch", architecture, study.architectures)):
        if value not in known:
            raise ConfigError(f"{key}: '{value}' is not in the study '{study.study}'; expected {choices(known)}")
    return Cell(dataset, architecture, canonical_method(method, study.methods, "--method"), seed)


def main(arguments: list[str] | None = None) -> None:
    """Entry point: run a verb, turn errors into one line and an exit code."""
    show_any_sign()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments or bool(os.environ.get("SPECTRALCAL_DEBUG"))
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        app(arguments, standalone_mode=True)
    except SpectralcalError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(_exit_code(error)) from None
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        raise SystemExit(128 + signal.SIGINT) from None
    except Exception as error:
        if debug:
            raise
        text = " ".join(str(error).split()) or "no message"
        print(f"error: {type(error).__name__}: {text} (run with --debug for the traceback)", file=sys.stderr)
        raise SystemExit(1) from None


def _exit_code(error: SpectralcalError) -> int:
    """1, or the shell's code of a signal when the run was asked to stop."""
    return 128 + signal.SIGTERM if type(error).__name__ == "Interrupted" else 1


if __name__ == "__main__":
    main()
