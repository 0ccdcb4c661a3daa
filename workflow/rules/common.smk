# Loads and validates the configuration, names every path, and constrains every wildcard.
import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

SOURCE = Path(workflow.basedir) / "src"
sys.path.insert(0, str(SOURCE))  # the rules find the package without an installation

from spectralcal import recipe, registry, steps
from spectralcal.config import parse_config
from spectralcal.errors import SpectralcalError
from spectralcal.grid import Cell, study_cells, trained_cell, trained_cells
from spectralcal.paths import StudyPaths
from spectralcal.steps import missing_data, write_resolved


# Our own check comes first because its messages name the key and the valid choices; the schema is the public contract.
try:
    study = parse_config(dict(config), ", ".join(map(str, workflow.configfiles)))
except SpectralcalError as error:
    raise WorkflowError(str(error)) from None
validate(config, str(Path(workflow.basedir) / "workflow/schemas/config.schema.json"))

paths = StudyPaths(study)
CELLS = study_cells(study)
CONFIG = str(write_resolved(study))

# Under --use-conda the environment's own interpreter runs the verbs; otherwise the one that runs Snakemake.
CONDA = any("conda" in str(method).lower() for method in workflow.deployment_settings.deployment_method)
PYTHON = "python" if CONDA else f"'{sys.executable}'"
VERB = f"{PYTHON} -m spectralcal"
ENVIRONMENT = str(Path(workflow.basedir) / "environment.yml")

# Numerical libraries would each start as many threads as there are cores, in every one of several cells at once.
THREADS = study.compute.threads
shell.prefix(
    f"set -euo pipefail; export PYTHONPATH='{SOURCE}'${{{{PYTHONPATH:+:$PYTHONPATH}}}} OMP_NUM_THREADS={THREADS} MKL_NUM_THREADS={THREADS}; "
)


def one_of(values):
    """A pattern that matches exactly these names; methods hold characters that mean something in patterns."""
    return "|".join(re.escape(str(value)) for value in dict.fromkeys(values)) or "(?!)"


wildcard_constraints:
    dataset=one_of(study.datasets),
    arch=one_of(study.architectures),
    method=one_of(
        [cell.method for cell in CELLS]
        + [cell.method for cell in trained_cells(study, CELLS)]
    ),
    seed=r"\d+",
    table=one_of(study.tables),
    figure=one_of(study.figures),
    notebook=one_of(study.notebooks),


CELL = str(
    study.results / "cells/dataset={dataset}/arch={arch}/method={method}/seed={seed}"
)


def cell_of(wildcards):
    """The cell that a job's wildcards name."""
    return Cell(
        wildcards.dataset, wildcards.arch, wildcards.method, int(wildcards.seed)
    )


def weights_of(wildcards):
    """Weights with which a cell is scored: its own, or its loss's if the method has a post-hoc step."""
    files = paths.cell(trained_cell(study, cell_of(wildcards)))
    return [str(files.weights), str(files.run)]


def scored(cells):
    """Score files of cells; with `partial: true` those that exist."""
    files = [str(paths.cell(cell).cases) for cell in cells]
    return [file for file in files if Path(file).is_file()] if study.partial else files


def targets():
    """Everything that the study makes."""
    return [
        *(str(paths.table(name)) for name in study.tables),
        *(str(paths.figure(name)) for name in study.figures),
        *(str(paths.notebook(name)) for name in study.notebooks),
    ]


onsuccess:
    print(
        f"\nThe study '{study.study}' is complete.\n"
        + steps.where_step(study)
        + f"\n\nreport: snakemake --configfile {' '.join(map(str, workflow.configfiles))} --report {paths.report}"
    )
