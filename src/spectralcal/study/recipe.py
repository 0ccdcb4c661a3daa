"""Recipes: for each step of the way of the data, what identifies its result, and the digest of it.

A recipe is known before any data is read, so Snakemake can plan with it. It is the digest of an *identity*: settings
that differ from their defaults, and the integers of the parts that compute (:mod:`spectralcal.study.numerics`).
Identities are JSON and are kept with each result, so that `spectralcal explain` can say what differs. A cell's
*fingerprint* adds the hashes of the data that the step really saw (:func:`cell_fingerprint`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spectralcal.base import registry
from spectralcal.base.digests import code_digest, digest, file_digest, source_digest
from spectralcal.base.papers import paper_of
from spectralcal.study.conditions import TEST
from spectralcal.study.config import SCORERS, StudyConfig, TrainingConfig, TransformConfig
from spectralcal.study.grid import cells_trained_on, study_cells
from spectralcal.study.numerics import component, engine
from spectralcal.study.resolved import ResolvedCell, resolve

if TYPE_CHECKING:
    from pydantic import BaseModel

#: keys of `training` that cannot change a weight: how often to save or log
HARMLESS = frozenset({"checkpoint_interval", "log_interval"})


def preparation_identity(config: StudyConfig, dataset: str) -> dict[str, Any]:
    """What decides the prepared arrays of a data set."""
    kind = config.kind_of(dataset)
    return {
        "dataset": dataset,
        "kind": kind,
        "options": _given("datasets", kind, config.options_of(dataset)),
        "preparation": _set(config.preparation_of(dataset), {"workers"}),
        "reader": component("datasets", kind),
        "numerics": engine("preparation"),
    }


def preparation_recipe(config: StudyConfig, dataset: str) -> str:
    """Digest for the prepared arrays of a data set."""
    return digest(preparation_identity(config, dataset))


def split_recipe(config: StudyConfig, dataset: str) -> str:
    """Digest for the split of a data set; of a published one its file's content counts, not its name."""
    settings = config.split_of(dataset)
    identity = {"dataset": dataset, "split": _set(settings, {"file", "fold"}), "numerics": engine("split")}
    if settings.file is not None:
        # A file that is not there is reported before any job, by steps.missing_data.
        content = file_digest(settings.file) if settings.file.is_file() else None
        identity |= {"published": content, "fold": settings.fold}
    return digest(identity)


def training_settings(cell: ResolvedCell) -> dict[str, Any]:
    """Everything in the configuration that decides the weights of a cell, spelled out for its record."""
    return {
        "dataset": cell.dataset,
        "architecture": cell.key.architecture,
        "network": cell.network,
        "architecture_options": cell.network_options,
        "loss": cell.method.loss,
        "loss_options": dict(cell.method.arguments),
        "seed": cell.seed,
        "training": cell.training.model_dump(exclude=HARMLESS),
    }


def training_identity(cell: ResolvedCell) -> dict[str, Any]:
    """What decides the weights of a cell, but for the data: settings that differ from their defaults, and integers.

    The name of an architecture does not count, its network does; what a data set is called does, because it names the
    random streams.
    """
    selected = cell.training.select == "best"
    facts = _facts(cell.study, cell.dataset)
    identity = {
        "dataset": cell.dataset,
        "classes": None if facts["classes"] is None else len(facts["classes"]),
        "spatial_dims": facts["spatial_dims"],
        "network": _component("models", cell.network, cell.network_options),
        "loss": _component("losses", cell.method.loss, dict(cell.method.arguments)),
        "seed": cell.seed,
        # Validating without selecting by it cannot change a weight.
        "training": _training(cell.training, HARMLESS if selected else HARMLESS | {"validation_interval"}),
        "numerics": engine("training"),
    }
    if cell.training.augmentation.transforms:
        identity["transforms"] = [_augmentation(entry) for entry in cell.training.augmentation.transforms]
    if selected:
        identity |= {"inference": _set(cell.inference), "numerics": engine("training", "prediction")}
    return identity


def training_recipe(cell: ResolvedCell) -> str:
    """Digest for the weights of a cell."""
    return digest(training_identity(cell))


def evaluation_identity(cell: ResolvedCell) -> dict[str, Any]:
    """What decides the scores of a cell, but for the data."""
    weights = [training_recipe(training) for training in cell.trainings]
    identity = {
        "weights": weights if cell.method.members else weights[0],
        "patch": cell.patch,
        "inference": _set(cell.inference),
        "evaluation": _evaluation(cell.study),
        **_facts(cell.study, cell.tested),
        "numerics": engine("prediction", "scoring"),
    }
    if cell.condition.name != TEST:
        identity["condition"] = _condition(cell)
    if cell.evaluation.scorers != SCORERS:
        identity["scorers"] = _scorers(cell.study)
    if cell.method.members:
        identity["numerics"] |= engine("ensemble")
    if cell.method.post_hoc is not None:
        identity["post_hoc"] = {"name": cell.method.post_hoc, **component("posthoc", cell.method.post_hoc)}
        identity["numerics"] |= engine("post-hoc fit")
    return identity


def evaluation_recipe(cell: ResolvedCell) -> str:
    """Digest for the scores of a cell, given the data."""
    return digest(evaluation_identity(cell))


def cell_fingerprint(recipe: str, *data: str) -> str:
    """Digest of a recipe and of the data that it was applied to: hashes of manifest and split, and of those of another
    data set if the cell is tested on one."""
    return digest(recipe, *data)


def output_recipe(config: StudyConfig, kind: str, name: str) -> str:
    """Digest for a table or figure (`kind` is "tables" or "figures"), given the results."""
    output = getattr(config, kind)[name]
    code = _output_code(config, kind, output.source or name)
    named = (output.experiment, *output.options.get("experiments", ()))
    experiments = [config.experiments[experiment].model_dump() for experiment in named]
    return digest(name, output.model_dump(), experiments, _said(config), code)


def claims_recipe(config: StudyConfig) -> str:
    """Digest for the claims ledger, given the results."""
    code = code_digest(
        registry.PACKAGE / "report/claims/step.py",
        *(entry.file for entry in registry.entries("claims", config.paper)),
    )
    experiments = {name: entry.model_dump() for name, entry in config.experiments.items()}
    return digest(config.claims, experiments, _said(config), code, _outside_code(config))


def probe_identity(config: StudyConfig, name: str, dataset: str, architecture: str, seed: int) -> dict[str, Any]:
    """What decides what a probe measures on the networks of a data set, architecture and seed, but for the data."""
    entry = registry.load("probes", name)
    seeds = sorted({cell.seed for cell in study_cells(config)}) if entry.other_seeds else [seed]
    cells = {each: cells_trained_on(config, dataset, architecture, each) for each in seeds}
    identity = {
        "seed": seed,
        "weights": {str(each): [training_recipe(resolve(config, cell)) for cell in cells[each]] for each in seeds},
        # Where the paper names none it is the first method, which is among the weights.
        "baseline": config.paper_facts.baseline,
        "evaluation": _evaluation(config),
        "probe": {"name": name, **component("probes", name)},
    }
    if options := _given("probes", name, config.probes.get(name, {})):
        identity["probe"]["options"] = options
    if entry.windows:
        identity |= {"inference": _set(config.inference), "numerics": engine("prediction")}
    return identity


def probe_recipe(config: StudyConfig, name: str, dataset: str, architecture: str, seed: int) -> str:
    """Digest for what a probe measures."""
    return digest(probe_identity(config, name, dataset, architecture, seed))


def differences(recorded: Mapping[str, Any], now: Mapping[str, Any], key: str = "") -> list[str]:
    """What differs between two identities, one line per key: ``training.steps: 600 there, 1200 now``."""
    lines = []
    for name in dict.fromkeys((*recorded, *now)):
        there, here, place = recorded.get(name), now.get(name), f"{key}.{name}".strip(".")
        if isinstance(there, Mapping) and isinstance(here, Mapping):
            lines += differences(there, here, place)
        elif digest(there) != digest(here):
            lines.append(f"{place}: {_shown(there)} there, {_shown(here)} now")
    return lines


def _output_code(config: StudyConfig, kind: str, source: str) -> list[str]:
    """Digests of the code of a table or figure; of a paper outside the package, of all its code."""
    return [code_digest(registry.find(kind, source, paper=config.paper).file), *_outside_code(config)]


def _outside_code(config: StudyConfig) -> list[str]:
    """Digests of all code of a paper outside the package, whose modules may import each other."""
    if config.paper is None or (folder := paper_of(config.paper).folder).is_relative_to(registry.PACKAGE):
        return []
    return [source_digest(file) for file in sorted(folder.rglob("*.py"))]


def _said(config: StudyConfig) -> list[Any]:
    """What the study's paper says of itself, and its printed numbers."""
    if config.paper is None:
        return []
    printed = sorted((paper_of(config.paper).folder / "printed").glob("*.csv"))
    return [config.paper_facts.model_dump(mode="json"), *(file_digest(file) for file in printed)]


def _shown(value: Any) -> str:
    return "the default" if value is None else str(value)


def _facts(config: StudyConfig, dataset: str) -> dict[str, Any]:
    """What a data set says of itself that scores depend on. The classes of the user's own data come with the data."""
    entry = registry.load("datasets", config.kind_of(dataset))
    return {
        "classes": getattr(entry, "classes", None),
        "spatial_dims": entry.spatial_dims,
        "nested": getattr(entry, "nested", None),
    }


def _set(section: BaseModel, without: frozenset[str] | set[str] = frozenset()) -> dict[str, Any]:
    """The keys of a section that differ from their defaults.

    A key that is added later leaves results valid, as long as its default does what was done before. That no default
    changes unnoticed is held by a golden test.
    """
    return section.model_dump(mode="json", exclude_defaults=True, exclude=set(without))


def _training(settings: TrainingConfig, without: frozenset[str]) -> dict[str, Any]:
    """Settings of a training but for transforms by name, which are components."""
    content = _set(settings, without)
    if "transforms" in content.get("augmentation", {}):
        del content["augmentation"]["transforms"]
        content = {key: value for key, value in content.items() if key != "augmentation" or value}
    return content


def _augmentation(entry: TransformConfig) -> dict[str, Any]:
    """What identifies a transform by name as an augmentation."""
    # An option without a default may be drawn: any value of its range stands for it while the others are read.
    options = {**entry.options, **{key: low for key, (low, _) in entry.ranges.items()}}
    content = _component("transforms", entry.name, options)
    content["options"] = {key: value for key, value in content["options"].items() if key not in entry.ranges}
    return {**content, "probability": entry.probability, "ranges": {key: list(e) for key, e in entry.ranges.items()}}


def _evaluation(config: StudyConfig) -> dict[str, Any]:
    """Settings of the scores but for the lists of scorers and conditions, none of which depends on the others."""
    return _set(config.evaluation, {"scorers", "conditions"})


def _condition(cell: ResolvedCell) -> dict[str, Any]:
    """What a cell is tested on; the condition's name does not count, what it names does."""
    condition = cell.condition
    changes = [_component("transforms", entry.name, dict(entry.arguments)) for entry in condition.corrupt]
    identity: dict[str, Any] = {"dataset": cell.tested, "corrupt": changes}
    if condition.side != cell.evaluation.side:
        identity["side"] = condition.side
    if condition.samples:
        identity |= {"samples": condition.samples, "numerics": engine("samples")}
    return identity


def _scorers(config: StudyConfig) -> dict[str, Any]:
    """How the scorers differ from the usual set, which the integer of "scoring" stands for."""
    scorers = config.evaluation
    further = {name: component("scorers", name) for name in scorers.further_scorers}
    return {"further": further, "without": [name for name in SCORERS if name not in scorers.scorers]}


def _given(kind: str, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an entry that differ from their defaults."""
    model = registry.options_model(kind, name)
    return model.model_validate(dict(options)).model_dump(mode="json", exclude_defaults=True)


def _component(kind: str, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What identifies a registered entry with its options."""
    return {"name": name, "options": _given(kind, name, options), **component(kind, name)}
