"""The program that verbs are added to, the options that several of them take, and what they all begin with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from spectralcal.base.errors import ConfigError, choices

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

Config = Annotated[Path, typer.Option("--config", "-c", envvar="SPECTRALCAL_CONFIG", help="The study.")]
Dataset = Annotated[str, typer.Option("--dataset", help="Name of the data set.")]
Architecture = Annotated[str, typer.Option("--arch", help="Name of the architecture.")]
MethodName = Annotated[str, typer.Option("--method", help="Method, for example spectral@window=1.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the cell.")]
DEFAULT = Path("config.yaml")


def load_study(path: Path) -> Any:
    from spectralcal.study.config import load_config

    return load_config(path)


def named_cell(study: Any, dataset: str, architecture: str, method: str, seed: int) -> Any:
    from spectralcal.study.grid import Cell
    from spectralcal.study.methods import canonical_method

    for key, value, known in (("--dataset", dataset, study.datasets), ("--arch", architecture, study.architectures)):
        if value not in known:
            raise ConfigError(f"{key}: '{value}' is not in the study '{study.study}'; expected {choices(known)}")
    return Cell(dataset, architecture, canonical_method(method, study.methods, "--method"), seed)


@contextmanager
def alone_on_device(study: Any, cell: Any) -> Iterator[None]:
    """Nobody else works on the cell, and it has a place on a GPU if there is one; in this order, so that no place is
    held while waiting."""
    from spectralcal.base.locks import exclusive
    from spectralcal.machine.slots import gpu_slot
    from spectralcal.study.paths import StudyPaths

    with exclusive(StudyPaths(study).cell_lock(cell), str(cell)), gpu_slot(study.compute):
        yield
