# Loads and validates the configuration, names every path, and constrains every wildcard.
import re
import shlex
import shutil
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

# Our own check comes first because its messages name the key and the valid choices. The schema, the public contract,
# is for what that check made of it: on the command line (--config partial=true) every value is text.
try:
    study = parse_config(dict(config), ", ".join(map(str, workflow.configfiles)))
except SpectralcalError as error:
    raise WorkflowError(str(error)) from None
validate(
    study.model_dump(mode="json"),
    str(Path(workflow.basedir) / "workflow/schemas/config.schema.json"),
)

paths = StudyPaths(study)
CELLS = study_cells(study)

# Verbs run as `python -m spectralcal ...`, by the interpreter that runs Snakemake, or the environment's under
# --use-conda. It is not in the rules, because another virtual environment is no reason to train again.
CONDA = any(
    "conda" in str(method).lower()
    for method in workflow.deployment_settings.deployment_method
)
PYTHON = "" if CONDA else f'python() {{ {shlex.quote(sys.executable)} "$@"; }}; '
ENVIRONMENT = str(Path(workflow.basedir) / "environment.yml")

# A cell asks for a GPU where there is one, so that profiles can say how many share it. Without one, asking would let
# one cell run at a time on a machine with many cores.
HAS_GPU = study.compute.device == "auto" and shutil.which("nvidia-smi") is not None
GPU = int(study.compute.device == "cuda" or HAS_GPU)

# Numerical libraries would each start as many threads as there are cores, in every one of several cells at once.
THREADS = study.compute.threads
PREFIX = (
    f"set -euo pipefail; export OMP_NUM_THREADS={THREADS} MKL_NUM_THREADS={THREADS}; "
    f"export PYTHONPATH={shlex.quote(str(SOURCE))}${{PYTHONPATH:+:$PYTHONPATH}}; "
    f"export SPECTRALCAL_CONFIG={shlex.quote(str(write_resolved(study)))}; {PYTHON}"
)
shell.prefix(PREFIX.replace("{", "{{").replace("}", "}}"))  # Snakemake formats it


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


def needed_datasets():
    """Data sets that the targets on the command line need: those that they name, or all of the study."""
    targets = getattr(workflow.dag_settings, "targets", None) or []
    named = [re.search(r"dataset=([^/]+)", str(target)) for target in targets]
    return (
        list(study.datasets)
        if not targets or None in named
        else [match[1] for match in named]
    )


# The place to stop before any job. An input function would wrap the message in a traceback.
if message := missing_data(study, needed_datasets()):
    raise WorkflowError(message)


def weights_of(wildcards):
    """Weights with which a cell is scored: its own, or its loss's if the method has a post-hoc step."""
    files = paths.cell(trained_cell(study, cell_of(wildcards)))
    return [str(files.weights), str(files.run)]


def scored(cells):
    """Score files of cells; with `partial: true` those that exist."""
    files = [str(paths.cell(cell).cases) for cell in cells]
    return [file for file in files if Path(file).is_file()] if study.partial else files


def title(kind, name):
    """One line on a table or figure, from its file."""
    return registry.constant(kind, getattr(study, kind)[name].source or name, "TITLE")


def figure_inputs(wildcards):
    """The scores, and the maps of the experiment's first seed if the figure shows images."""
    output = study.figures[wildcards.figure]
    needs = (
        registry.constant("figures", output.source or wildcards.figure, "NEEDS") or ()
    )
    if "maps" not in needs:
        return []
    experiment = study.experiments[output.experiment]
    return [
        str(paths.maps(dataset, architecture, experiment.seeds[0]))
        for dataset in experiment.datasets
        for architecture in experiment.architectures
    ]


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
