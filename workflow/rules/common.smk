# Loads and validates the configuration, names every path, and constrains every wildcard.
import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

SOURCE = Path(workflow.basedir) / "src"
sys.path.insert(0, str(SOURCE))  # the rules find the package without an installation

from spectralcal.study import recipe
from spectralcal.base import registry
from spectralcal.jobs import steps
from spectralcal.study.conditions import TEST, further_conditions
from spectralcal.study.config import parse_config
from spectralcal.records.costs import known_costs
from spectralcal.base.errors import SpectralcalError
from spectralcal.study.grid import Cell, study_cells, trained_cells
from spectralcal.records.light.files import has
from spectralcal.study.paths import StudyPaths
from spectralcal.study.resolved import resolve
from spectralcal.records.projection import cells_at_once, missing_cells, project
from spectralcal.records.projection_text import projection_lines
from spectralcal.report.needs import claims_needs, figure_needs, study_probes
from spectralcal.sharing.shared import is_shared
from spectralcal.jobs.single_run import StudyRun
from spectralcal.machine.slots import slot_count
from spectralcal.jobs.steps import missing_data, write_resolved

# Our own check comes first because its messages name the key and the valid choices. The schema, the public contract,
# is for what that check made of it: on the command line (--config partial=true) every value is text.
try:
    study = parse_config(dict(config), ", ".join(map(str, workflow.configfiles)))
except SpectralcalError as error:
    raise WorkflowError(str(error)) from None
validate(
    study.model_dump(mode="json"),
    str(Path(workflow.basedir) / "workflow/schemas/config.schema.json"),
    set_default=False,  # they are all there, and Snakemake cannot set them in an optional section that is null
)

paths = StudyPaths(study)
run = StudyRun(study)
if workflow.is_main_process and (note := run.look()):
    print(note, file=sys.stderr)
CELLS = study_cells(study)
try:
    PROBES = study_probes(study)
except SpectralcalError as error:
    raise WorkflowError(str(error)) from None

# Verbs run as `python -m spectralcal ...`, by the interpreter that runs Snakemake, or the environment's under
# --use-conda. It is not in the rules, because another virtual environment is no reason to train again.
CONDA = any(
    "conda" in str(method).lower()
    for method in workflow.deployment_settings.deployment_method
)
PYTHON = "" if CONDA else f'python() {{ {shlex.quote(sys.executable)} "$@"; }}; '
ENVIRONMENT = str(Path(workflow.basedir) / "environment.yml")

# A cell asks for a GPU where there is one; asking without one would let one cell run at a time on a machine with many
# cores. How many places there are is found here, unless a profile or --resources says it.
SLOTS = slot_count(study.compute)
GPU = int(study.compute.device == "cuda" or SLOTS > 0)
if SLOTS and "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", SLOTS)

# Numerical libraries would each start as many threads as there are cores, in every one of several cells at once.
THREADS = study.compute.threads
# A shell that is asked to stop waits for its verb, which writes a checkpoint first.
PREFIX = (
    f"set -euo pipefail; trap : TERM; export OMP_NUM_THREADS={THREADS} MKL_NUM_THREADS={THREADS}; "
    "export PYTHONUTF8=1; "  # names of files, too, are UTF-8 whatever the locale
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
    condition=one_of(study.evaluation.conditions),
    table=one_of(study.tables),
    figure=one_of(study.figures),
    notebook=one_of(study.notebooks),
    probe=one_of(PROBES),


CELL = str(
    study.results / "cells/dataset={dataset}/arch={arch}/method={method}/seed={seed}"
)


def cell_of(wildcards):
    """The cell that a job's wildcards name."""
    return Cell(
        wildcards.dataset, wildcards.arch, wildcards.method, int(wildcards.seed)
    )


def resolved(wildcards):
    """That cell with everything that the study says of it, under the condition that the job is about."""
    return resolve(study, cell_of(wildcards), getattr(wildcards, "condition", TEST))


# Cells that another machine computed with this configuration and code, and that came here without weights and images.
try:
    SHARED = {cell for cell in CELLS if is_shared(study, cell)}
except SpectralcalError as error:
    raise WorkflowError(str(error)) from None


def needed_datasets():
    """Data sets that the targets on the command line need: those that they name, or all that have cells to compute, and
    those that these are tested on."""
    targets = getattr(workflow.dag_settings, "targets", None) or []
    named = [re.search(r"dataset=([^/]+)", str(target)) for target in targets]
    if targets and None not in named:
        return [match[1] for match in named]
    own = [cell for cell in CELLS if cell not in SHARED]
    elsewhere = [
        resolve(study, cell, condition).tested
        for cell in own
        for condition in further_conditions(study, cell)
    ]
    return list(dict.fromkeys([*(cell.dataset for cell in own), *elsewhere]))


def projected(trainings, scorings):
    """How long these cells take, in a line or two; empty if there are none."""
    cores, nodes, places = (
        getattr(workflow.global_resources.get(name), "value", None)
        for name in ("_cores", "_nodes", "gpu")
    )
    at_once = cells_at_once(study, cores or 1, places or 0)
    if nodes and nodes < sys.maxsize:  # a cluster: cells are jobs
        at_once = nodes
    return projection_lines(
        project(study, trainings, scorings, known_costs(study, gpu=bool(GPU))),
        at_once,
        os.path.relpath(workflow.configfiles[-1]),
    )


def jobs_of(rule):
    """The cells for which a rule will run."""
    return [
        cell_of(job.wildcards)
        for job in workflow.dag.needrun_jobs()
        if job.rule.name == rule
    ]


# The place to stop before any job. An input function would wrap the message in a traceback.
try:
    message = missing_data(study, needed_datasets())
except SpectralcalError as error:
    message = str(error)
if message:
    raise WorkflowError(
        "\n\n".join([message, projected(*missing_cells(study))]).strip()
    )
# A dry run calls no onstart; a run says it there, where it knows its jobs.
dry = workflow.is_main_process and workflow.output_settings.dryrun
if dry and (projection := projected(*missing_cells(study))):
    print(projection, file=sys.stderr)


def evaluation_inputs(wildcards):
    """Data, and the weights with which a cell is scored: its own, its loss's if the method has a post-hoc step, or those
    of all members of an ensemble.

    A shared cell needs nothing: it is finished, and nothing here is newer than it. One in the light form has no score
    file, which is made for those who ask for it.
    """
    cell = cell_of(wildcards)
    if cell in SHARED and paths.cell(cell).cases.is_file():
        return {}
    trained = [training.files for training in resolve(study, cell).trainings]
    return {
        "weights": [
            str(file) for files in trained for file in (files.weights, files.run)
        ],
        "manifest": str(paths.manifest(cell.dataset)),
        "split": str(paths.split(cell.dataset)),
    }


def condition_inputs(wildcards):
    """Weights and data of a cell, and the data set that its condition tests it on."""
    cell = resolved(wildcards)
    files = [training.files for training in cell.trainings]
    datasets = dict.fromkeys((cell.dataset, cell.tested))
    return {
        "weights": [str(file) for each in files for file in (each.weights, each.run)],
        "manifest": [str(paths.manifest(name)) for name in datasets],
        "split": [str(paths.split(name)) for name in datasets],
    }


def tested(cells):
    """Score files of cells under the study's conditions. Of shared cells there are no weights to test, so that what
    came along stays as it is; with `partial: true` those that exist."""
    files = [
        paths.cell(cell, condition).cases
        for cell in cells
        if cell not in SHARED
        for condition in further_conditions(study, cell)
    ]
    return [str(file) for file in files if not study.partial or file.is_file()]


def score_file(cell):
    """The file that has a cell's scores: of a shared one in the light form that, which no rule makes."""
    files = paths.cell(cell)
    light = cell in SHARED and not files.cases.is_file()
    return files.light if light else files.cases


def scored(cells):
    """Score files of cells; with `partial: true` those that exist."""
    files = [
        score_file(cell)
        for cell in cells
        if not study.partial or has(paths.cell(cell).cases)
    ]
    return [str(file) for file in files]


def title(kind, name):
    """One line on a table or figure, from its file."""
    return registry.constant(
        kind, getattr(study, kind)[name].source or name, "TITLE", study.paper
    )


# Of shared cells there are no weights to predict images with. What is drawn of one architecture and seed is drawn of all
# its methods: if one of them is shared, the numbers that came along stay.
PREDICTED = {(cell.dataset, cell.architecture, cell.seed) for cell in CELLS} - {
    (cell.dataset, cell.architecture, cell.seed) for cell in SHARED
}


def in_report(caption):
    """The text of a figure's caption for the report, which reads it as reStructuredText; empty before there is one."""
    file = Path(caption)
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return re.sub(r"([\\*`_|])", r"\\\1", text).strip()


def figure_inputs(wildcards):
    """The files of probes that a figure shows, but for those whose numbers came without weights."""
    return [
        str(paths.probe(need, *key))
        for need, keys in figure_needs(study, wildcards.figure).items()
        for key in keys
        if key in PREDICTED
    ]


def claims_inputs(wildcards):
    """The files of probes that the paper's claims read, but for those whose numbers came without weights."""
    return [
        str(paths.probe(need, *key))
        for need, keys in claims_needs(study).items()
        for key in keys
        if key in PREDICTED
    ]


def targets():
    """Everything that the study makes."""
    return [
        # Scores that `spectralcal report` collected without the missing cells must not hide these.
        *scored(CELLS),
        *tested(CELLS),
        *(str(paths.table(name)) for name in study.tables),
        *(str(paths.figure(name)) for name in study.figures),
        *(str(paths.notebook(name)) for name in study.notebooks),
        *([str(paths.claims)] if study.claims is not None else []),
        *(str(study.results / f"pages/{name}.html") for name in study.tables),
        *(
            [str(study.results / "pages/claims.html")]
            if study.claims is not None
            else []
        ),
        str(paths.provenance),
    ]


onstart:
    try:
        run.begin(local=workflow.local_exec)
    except SpectralcalError as error:
        raise WorkflowError(str(error)) from None
    if projection := projected(jobs_of("train"), jobs_of("evaluate")):
        print(projection, file=sys.stderr)


onsuccess:
    print(
        f"\nThe study '{study.study}' is complete.\n"
        + steps.where_step(study)
        + f"\n\nreport: snakemake --configfile {' '.join(map(str, workflow.configfiles))} --report {paths.report}"
    )
