"""What no part of a configuration can check alone: names that parts refer to each other by, and their options."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from spectralcal.base import registry
from spectralcal.base.errors import ConfigError, choices
from spectralcal.base.validation import explain
from spectralcal.study.conditions import is_tested
from spectralcal.study.config._augmentation import check_augmentation
from spectralcal.study.config.paper import read_paper
from spectralcal.study.config.section import NAME
from spectralcal.study.entries import parse_entry
from spectralcal.study.grid import experiment_cells, parent_cells, trained_cells
from spectralcal.study.methods import canonical_method, method_of

if TYPE_CHECKING:
    from spectralcal.study.config.study import StudyConfig


def check_study(study: StudyConfig) -> None:
    """Raise ConfigError at the first name that nothing answers to, unknown option, or contradiction of a study.

    Options of data sets, networks, losses, tables and figures are mappings of which no section knows the types; here
    each is checked, and becomes what was checked, so that nobody builds with another value than was found valid.
    """
    read_paper(study.paper)
    for name in study.datasets:
        _check_dataset(study, name)
        study.preparation_of(name)
        check_augmentation(study.training_of(name), f"datasets.{name}.training")
    check_augmentation(study.training, "training")
    _check_architectures(study)
    for name, options in study.probes.items():
        registry.require("probes", name, f"probes.{name}", study.paper)
        _settle_options("probes", name, options, f"probes.{name}", study.paper)
    for name, options in study.methods.items():
        registry.require("losses", name, f"methods.{name}")
        _settle_options("losses", name, options, f"methods.{name}")
    for name in study.experiments:
        _check_experiment(study, name)
    _check_ensembles(study)
    _check_side(study)
    for name in study.evaluation.scorers:
        registry.require("scorers", name, "evaluation.scorers")
    _check_conditions(study)
    for role, name in (study.claims or {}).items():
        if name is not None:
            _check_known_experiment(study, name, f"claims.{role}")
    _check_outputs(study)


def _check_dataset(study: StudyConfig, name: str) -> None:
    entry, where = study.datasets[name], f"datasets.{name}"
    if not re.fullmatch(NAME, name):
        raise ConfigError(f"{where}: expected a name of letters, digits, '_', '-' and '.', as it names folders")
    if entry.kind is None and name not in registry.names("datasets"):
        raise ConfigError(
            f"{where}: unknown data set '{name}'; expected {choices(registry.names('datasets'))}, or `kind` and "
            "`path` for data of your own"
        )
    kind = study.kind_of(name)
    registry.require("datasets", kind, f"{where}.kind")
    takes_path = "path" in registry.options_model("datasets", kind).model_fields
    if entry.path is not None and (not takes_path or "path" in entry.options):
        second = f"'{kind}', which is looked for under data_root" if not takes_path else "options.path too"
        raise ConfigError(f"{where}.path: expected the only path of data of your own, found {second}; remove one")
    if takes_path and study.options_of(name).get("path") is None:
        raise ConfigError(f"{where}.path: expected the place of the '{kind}' data, found none; add it")
    _check_options("datasets", kind, study.options_of(name), f"{where}.options")
    _settle_options("datasets", kind, entry.options, f"{where}.options")
    study.split_of(name)
    sharing = [other for other in study.datasets if "file" not in study.datasets[other].split]
    if study.split.file and "{dataset}" not in str(study.split.file) and len(sharing) > 1 and name in sharing:
        raise ConfigError(
            f"split.file: {study.split.file} is one file for {len(sharing)} data sets; put '{{dataset}}' in its "
            f"name or set {where}.split.file"
        )


def _check_architectures(study: StudyConfig) -> None:
    for name in study.architectures:
        _check_architecture(study, None, name, f"architectures.{name}")
    for dataset, entry in study.datasets.items():
        for name in entry.architectures:
            where = f"datasets.{dataset}.architectures"
            if name not in study.architectures:
                known = choices(study.architectures)
                raise ConfigError(f"{where}: '{name}' is not under `architectures`; expected {known}")
            _check_architecture(study, dataset, name, f"{where}.{name}")


def _check_architecture(study: StudyConfig, dataset: str | None, name: str, where: str) -> None:
    entry, network = study.architecture_of(dataset, name), study.network_of(dataset, name)
    registry.require("models", network, where if entry.network is None else f"{where}.network")
    _check_options("models", network, entry.options, f"{where}.options")  # of the study, for another network
    given = entry.options if dataset is None else study.datasets[dataset].architectures[name].get("options", {})
    _settle_options("models", network, given, f"{where}.options")
    check_augmentation(study.training_of(dataset, name), f"{where}.training")


def _check_experiment(study: StudyConfig, name: str) -> None:
    experiment = study.experiments[name]
    for key, known in (("datasets", study.datasets), ("architectures", study.architectures)):
        for value in getattr(experiment, key):
            if value not in known:
                raise ConfigError(
                    f"experiments.{name}.{key}: '{value}' is not under `{key}`; expected {choices(known)}"
                )
    seen: dict[str, str] = {}
    for method in experiment.methods:
        canonical = canonical_method(method, study.methods, where=f"experiments.{name}.methods")
        if canonical in seen:
            raise ConfigError(
                f"experiments.{name}.methods: '{method}' and '{seen[canonical]}' are the same method; keep one"
            )
        seen[canonical] = method


def _check_ensembles(study: StudyConfig) -> None:
    """An ensemble trains nothing: all its members must be trainings that the study has anyhow."""
    cells = [(name, cell) for name in study.experiments for cell in experiment_cells(study, name)]
    methods = {name: method_of(study, name) for name in {cell.method for _, cell in cells}}
    if not any(method.members for method in methods.values()):
        return
    trained = set(trained_cells(study, {cell for _, cell in cells if not methods[cell.method].members}))
    for name, cell in cells:
        method = methods[cell.method]
        lacking = [parent.seed for parent in parent_cells(study, cell) if parent not in trained]
        if method.members and lacking:
            first, *_, last = method.seeds(cell.seed)
            raise ConfigError(
                f"experiments.{name}.seeds: '{cell.method}' with seed {cell.seed} is made of seeds {first} to {last} "
                f"of '{method.trained}' on {cell.dataset} with {cell.architecture}, but no experiment trains seed "
                f"{lacking[0]}; add those seeds to one with '{method.trained}', or list the ensemble in an experiment "
                f"without seed {cell.seed}"
            )


def _check_known_experiment(study: StudyConfig, name: str, where: str) -> None:
    if name not in study.experiments:
        raise ConfigError(f"{where}: unknown experiment '{name}'; expected {choices(study.experiments)}")


def _check_outputs(study: StudyConfig) -> None:
    for kind, outputs in (("tables", study.tables), ("figures", study.figures)):
        for name, output in outputs.items():
            source = output.source or name
            registry.require(kind, source, f"{kind}.{name}", study.paper)
            _check_known_experiment(study, output.experiment, f"{kind}.{name}.experiment")
            _settle_options(kind, source, output.options, f"{kind}.{name}.options", study.paper)
            _check_condition_of_output(study, kind, name)
            for other in output.options.get("experiments", ()):
                _check_known_experiment(study, other, f"{kind}.{name}.options.experiments")


def _check_condition_of_output(study: StudyConfig, kind: str, name: str) -> None:
    output, where = getattr(study, kind)[name], f"{kind}.{name}.condition"
    if output.condition is None:
        return
    if output.condition not in study.evaluation.conditions:
        known = choices(study.evaluation.conditions)
        raise ConfigError(f"{where}: '{output.condition}' is not under `evaluation.conditions`; expected {known}")
    cells = experiment_cells(study, output.experiment)
    if not any(is_tested(study, cell, output.condition) for cell in cells):
        raise ConfigError(f"{where}: '{output.condition}' tests no cell of the experiment '{output.experiment}'")
    probes = registry.constant(kind, output.source or name, "NEEDS", study.paper)
    if probes:
        raise ConfigError(
            f"{where}: '{output.source or name}' shows what the probe '{next(iter(probes))}' measures on cases of the "
            "ordinary test alone; remove the key"
        )


def _check_conditions(study: StudyConfig) -> None:
    for name, condition in study.evaluation.conditions.items():
        where = f"evaluation.conditions.{name}"
        for key, datasets in (("dataset", [condition.dataset]), ("trained_on", condition.trained_on or ())):
            for dataset in datasets:
                if dataset is not None and dataset not in study.datasets:
                    known = choices(study.datasets)
                    raise ConfigError(f"{where}.{key}: '{dataset}' is not under `datasets`; expected {known}")
        for transform in condition.corrupt:
            entry = parse_entry("transforms", transform, where=f"{where}.corrupt")
            if registry.constant("transforms", entry.name, "moves_voxels"):
                raise ConfigError(
                    f"{where}.corrupt: '{entry.name}' moves voxels, and references stay where they are; expected a "
                    "transform of intensities"
                )
        if condition.side == "test" and study.evaluation.side == "validation":
            raise ConfigError(
                f"{where}.side: expected 'validation' in a study that never reads a score of a test case "
                "(evaluation.side: validation), found 'test'; remove the key"
            )


def _check_side(study: StudyConfig) -> None:
    """What would be fitted and scored on the same cases, or taken for a result on test cases, is refused."""
    if study.evaluation.side == "test":
        return
    where = f"evaluation.side: {study.evaluation.side}"
    if study.claims is not None:
        raise ConfigError(f"{where}: expected no `claims`, whose verdicts rest on test cases; remove that section")
    for name, experiment in study.experiments.items():
        for method in experiment.methods:
            if "+" in method:
                raise ConfigError(
                    f"experiments.{name}.methods: '{method}' is fitted to the cases that {where} scores; remove it"
                )


def _settle_options(kind: str, name: str, options: dict[str, Any], where: str, paper: str | None = None) -> None:
    """Check the options that a study gives an entry, and put each in its place as it was understood: YAML has 1e-1 as
    text, and a list of such texts for a list of numbers."""
    options.update(_check_options(kind, name, options, where, paper))


def _check_options(
    kind: str, name: str, options: dict[str, Any], where: str, paper: str | None = None
) -> dict[str, Any]:
    """The given options with the types of the entry, as values that JSON can hold."""
    model = registry.options_model(kind, name, paper)
    try:
        return model.model_validate(options).model_dump(mode="json", exclude_unset=True)
    except ValidationError as error:
        raise ConfigError(f"{where}.{explain(error, model)}") from None
    except ValueError as error:  # YAML has values that JSON has not, such as !!binary
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{where}: expected values that JSON can hold ({reason}); write them as text") from None
