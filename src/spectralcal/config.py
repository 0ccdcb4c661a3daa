"""Typed, strict configuration of a study. One class per section; every key has a description and a reasoned default.

The JSON schema in ``workflow/schemas/config.schema.json`` is generated from these classes (``spectralcal config
schema``) and Snakemake validates with it. Names of data sets, losses and architectures, and their options, come from
the files in the package (:mod:`spectralcal.registry`), so that a new file needs no edit here.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, field_validator, model_validator

from spectralcal import registry
from spectralcal.errors import ConfigError, choices

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"


class Section(BaseModel):
    """A part of the configuration. Unknown keys are errors; a study never changes while it runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PreparationConfig(Section):
    """How raw volumes become arrays (paper, appendix A.2; docs/ambiguities.md D1-D3, D13)."""

    spacing: Literal["median_all", "median_inplane", "per_axis", "original"] | tuple[float, ...] = Field(
        "median_all",
        description="Target voxel spacing: a rule over the data set's spacings, or millimetres per axis. "
        "`median_all` (the median of all axes pooled) is the isotropic reading of the paper.",
    )
    normalize: Literal["zscore", "minmax", "none"] = Field(
        "zscore", description="Intensities per volume: CT after clipping, MR over non-zero voxels (appendix A.2)."
    )
    ct_clip: tuple[float, float] = Field((-1000.0, 400.0), description="Hounsfield units kept before the CT z-score.")
    crop_nonzero: bool | None = Field(
        None, description="Crop to the non-zero box first; null: as the data set says (skull-stripped brains only)."
    )
    dtype: Literal["float32", "float16"] = Field("float32", description="Stored type of prepared images.")
    foreground_samples: int = Field(
        10_000,
        ge=1,
        description="Voxels per class kept as centres for foreground patches, so that drawing one needs no scan.",
    )
    workers: int = Field(1, ge=1, description="Processes that prepare cases side by side; cannot change a result.")


class SplitConfig(Section):
    """Patient-level split into training, validation and test (paper: 4:1:1)."""

    ratio: tuple[int, int, int] = Field((4, 1, 1), description="Training : validation : test, in patients.")
    seed: int = Field(
        0, ge=0, description="Seed of the shuffle; one split serves all seeds, methods and architectures."
    )
    file: Path | None = Field(
        None,
        description="A published split instead of one drawn here: JSON with train, val and test, or nnU-Net's "
        "splits_final.json; `{dataset}` in it stands for the data set's name. null: drawn by patient.",
    )
    fold: int = Field(0, ge=0, description="Which fold of a file that lists several.")


class AugmentationConfig(Section):
    """The paper's four augmentations at nnU-Net's ranges, which it does not print (docs/ambiguities.md D11)."""

    noise_probability: float = Field(0.1, ge=0, le=1, description="Gaussian noise: probability per sample.")
    noise_variance: tuple[float, float] = Field((0.0, 0.1), description="Gaussian noise: range of the variance.")
    blur_probability: float = Field(0.2, ge=0, le=1, description="Gaussian blur: probability per sample.")
    blur_sigma: tuple[float, float] = Field((0.5, 1.0), description="Gaussian blur: range of sigma in voxels.")
    brightness_probability: float = Field(0.15, ge=0, le=1, description="Brightness: probability per sample.")
    brightness_factor: tuple[float, float] = Field((0.75, 1.25), description="Brightness: range of the factor.")
    gamma_probability: float = Field(0.3, ge=0, le=1, description="Gamma: probability per sample.")
    gamma_exponent: tuple[float, float] = Field((0.7, 1.5), description="Gamma: range of the exponent.")


class TrainingConfig(Section):
    """One training run. Defaults are the paper's where it states them, nnU-Net's companions where it does not."""

    steps: int = Field(50_000, ge=1, description="Optimiser steps; the paper states none (docs/ambiguities.md T1).")
    epoch_steps: int = Field(
        250, ge=1, description="Steps per epoch: the unit of validation and of multiplier updates."
    )
    batch_size: int = Field(2, ge=1, description="Patches per step (paper: 2).")
    patch: tuple[PositiveInt, ...] = Field(
        (96, 96, 96), min_length=2, description="Patch size in voxels per axis (paper: 96 x 96 x 96)."
    )
    foreground_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of a batch's patches centred on a foreground voxel (docs/ambiguities.md D12).",
    )
    optimizer: Literal["sgd", "adamw"] = Field("sgd", description="Optimiser (paper: SGD).")
    learning_rate: float = Field(0.01, gt=0, description="Initial learning rate (paper: 0.01).")
    momentum: float = Field(0.99, ge=0, lt=1, description="SGD momentum (Nesterov); unstated in the paper, T2.")
    weight_decay: float = Field(3e-5, ge=0, description="Weight decay; unstated in the paper, T2.")
    schedule: Literal["poly", "constant"] = Field("poly", description="Learning-rate schedule; unstated, T3.")
    poly_power: float = Field(0.9, gt=0, description="Exponent of the poly schedule.")
    pad_small: bool = Field(
        True,
        description="Pad volumes that are smaller than the patch with their minimum (M22); false: they are an error.",
    )
    gradient_clip: float | None = Field(
        12.0, gt=0, description="Gradient norm limit (nnU-Net's); null: none. SGD with momentum 0.99 needs one."
    )
    precision: Literal["auto", "bf16", "fp32"] = Field(
        "auto",
        description="Autocast type of the network; auto: bf16 where the device computes it natively. Losses stay fp32.",
    )
    channels_last: bool = Field(True, description="Channels-last memory format: faster convolutions, same mathematics.")
    compile: bool = Field(
        False,
        description="Compile the network (torch.compile): up to a quarter faster after minutes of compiling, so for "
        "long runs; rounding differs from a run without.",
    )
    log_interval: int = Field(10, ge=1, description="Steps between rows of history.csv.")
    checkpoint_interval: int = Field(250, ge=1, description="Steps between checkpoints; cannot change a result.")
    validation_interval: int = Field(
        0, ge=0, description="Epochs between sliding-window validations (mean Dice); 0: never. Needed by select: best."
    )
    select: Literal["last", "best"] = Field(
        "last", description="Weights kept: the last, or those of the best validation Dice. Never calibration (T4)."
    )
    augmentation: AugmentationConfig = Field(default_factory=AugmentationConfig, description="Intensity augmentation.")

    @model_validator(mode="after")
    def _selectable(self) -> TrainingConfig:
        if self.select == "best" and self.validation_interval == 0:
            raise ValueError("select 'best' needs validation_interval >= 1")
        return self


class InferenceConfig(Section):
    """Sliding-window prediction (docs/ambiguities.md T10). Probabilities are averaged, not logits."""

    overlap: float = Field(0.5, ge=0, lt=1, description="Overlap of neighbouring windows, as a share of the patch.")
    blending: Literal["gaussian", "constant"] = Field(
        "gaussian", description="Weight of a voxel by its place in the window."
    )
    batch_size: int = Field(1, ge=1, description="Windows per forward pass; cannot change a result beyond rounding.")


class EvaluationConfig(Section):
    """Scores of a cell. Bins, thresholds and regions belong to the named protocols (spectralcal.metrics.protocols)."""

    spectral_bands: int = Field(5, ge=1, description="Bands K of the spectra that are analysed.")
    nsd_tolerance_mm: float = Field(2.0, gt=0, description="Tolerance of the normalised surface distance, in mm.")
    side: Literal["test", "validation"] = Field(
        "test",
        description="Side of the split that is scored. validation: for a study that chooses between variants, so that "
        "the choice has not seen the test cases.",
    )


class DatasetConfig(Section):
    """One data set of the study: what it is, its options and what it overrides."""

    kind: str | None = Field(
        None,
        description="What reads the data set: nnunet_raw, decathlon or datalist for data of one's own, or another "
        "registered data set under this name; null: the registered data set of this name.",
    )
    path: Path | None = Field(
        None, description="Folder (nnunet_raw, decathlon) or JSON file (datalist) of data of one's own."
    )
    options: dict[str, Any] = Field({}, description="Options of the data set (keyword arguments of its class).")
    preparation: dict[str, Any] = Field({}, description="Keys of `preparation` that differ for this data set.")
    split: dict[str, Any] = Field({}, description="Keys of `split` that differ for this data set (file, fold, ...).")
    training: dict[str, Any] = Field(
        {}, description="Keys of `training` that differ for this data set (patch, steps, ...)."
    )
    architectures: dict[str, dict[str, Any]] = Field(
        {},
        description="Keys of an entry of `architectures` that differ for this data set: thick slices may want a U-Net "
        "planned for their spacing (network: nnunet).",
    )


class ArchitectureConfig(Section):
    """One architecture of the study: its options and what it overrides."""

    network: str | None = Field(
        None,
        description="The registered network; null: the entry's own name. With it, one network can stand in a study "
        "under several names, with other options or another optimiser.",
    )
    options: dict[str, Any] = Field({}, description="Options of the network (keyword arguments of its class).")
    training: dict[str, Any] = Field({}, description="Keys of `training` that differ for this architecture.")


class ExperimentConfig(Section):
    """A grid of cells: every combination of data set, architecture, method and seed."""

    description: str = Field("", description="What the experiment asks.")
    datasets: tuple[str, ...] = Field(min_length=1, description="Names under `datasets`.")
    architectures: tuple[str, ...] = Field(min_length=1, description="Names under `architectures`.")
    methods: tuple[str, ...] = Field(
        min_length=1,
        description="Losses, with options as in `spectral@window=1`, and post-hoc steps as in `ce+temperature`.",
    )
    seeds: tuple[int, ...] = Field((0, 1, 2), min_length=1, description="Seeds; comparisons are paired within a seed.")

    @field_validator("methods", "datasets", "architectures", "seeds")
    @classmethod
    def _distinct(cls, values: tuple) -> tuple:
        if len(set(values)) != len(values):
            raise ValueError(f"names an entry twice: {list(values)}")
        return values


class OutputConfig(Section):
    """A table or figure: which registered file draws it, and from which experiment."""

    source: str | None = Field(None, description="Name of the file in tables/ or figures/; null: the same name.")
    experiment: str = Field(description="Name under `experiments`.")
    options: dict[str, Any] = Field({}, description="Keyword options of the table or figure.")


class ClaimsConfig(Section):
    """Experiments behind the claims ledger: role -> name under `experiments`; null: what needs it is not measured."""

    main: str | None = Field(None, description="Compares the seven training losses.")
    ablation: str | None = Field(None, description="Cross-entropy, spectral@window=1, spectral.")
    weight: str | None = Field(None, description="Varies the weight of the spectral loss.")
    window: str | None = Field(None, description="Varies its window.")
    bands: str | None = Field(None, description="Varies its number of bands.")
    confidence: str | None = Field(None, description="Varies the map that it is computed on.")
    history: str | None = Field(None, description="Varies history_init, how its window starts.")
    architectures: str | None = Field(None, description="Cross-entropy and the spectral loss on several architectures.")
    post_hoc: str | None = Field(None, description="Has ce+temperature and the spectral loss.")
    tuned: str | None = Field(None, description="Baselines with several values of their own options.")


class ComputeConfig(Section):
    """Where cells run. Nothing here can change a result beyond rounding."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA where there is one, else CPU.")
    threads: int = Field(1, ge=1, description="CPU threads of one cell.")
    memory_mb: int = Field(4000, ge=100, description="Memory that the scheduler reserves for one cell.")
    gpu_memory_mb: int | None = Field(
        None,
        ge=1,
        description="GPU memory of one cell, in MiB: as many cells share a GPU as fit (peak_gpu_memory_mb in a cell's "
        "run.json says what it took). null: a GPU to each cell.",
    )
    resident_mb: int = Field(
        0,
        ge=0,
        description="Hold a cell's training volumes in memory if they take at most this many MiB. 0: read by memory "
        "map, which cells on one machine share; more pays where the disk is a network's.",
    )
    deterministic: bool = Field(
        False,
        description="On a GPU, only algorithms that give the same bits each time, where there are such; slower. A CPU "
        "always does.",
    )


class StudyConfig(Section):
    """A whole study: data, methods, experiments and what is drawn from them."""

    study: str = Field(pattern=NAME, description="Name of the study: results/<study> and figures/<study>.")
    description: str = Field("", description="One sentence for tables, captions and the report.")
    data_root: Path | None = Field(
        None, description="Folder of the raw data sets; null: the environment variable SPECTRALCAL_DATA, else data/raw."
    )
    prepared_root: Path = Field(
        Path("data/prepared"), description="Folder of prepared arrays, one sub-folder per study."
    )
    results_root: Path = Field(Path("results"), description="Folder of results, one sub-folder per study.")
    figures_root: Path = Field(Path("figures"), description="Folder of figures, one sub-folder per study.")
    partial: bool = Field(False, description="Report on the cells that are complete instead of requiring all of them.")
    datasets: dict[str, DatasetConfig] = Field(min_length=1, description="Data sets by name.")
    preparation: PreparationConfig = Field(
        default_factory=PreparationConfig, description="Preparation of all data sets."
    )
    split: SplitConfig = Field(default_factory=SplitConfig, description="Split of all data sets.")
    architectures: dict[str, ArchitectureConfig] = Field(min_length=1, description="Architectures by name.")
    methods: dict[str, dict[str, Any]] = Field(
        {}, description="Options of losses that differ from their defaults, by loss."
    )
    training: TrainingConfig = Field(default_factory=TrainingConfig, description="Training of all cells.")
    inference: InferenceConfig = Field(default_factory=InferenceConfig, description="Prediction of all cells.")
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig, description="Scores of all cells.")
    compute: ComputeConfig = Field(default_factory=ComputeConfig, description="Devices and threads.")
    experiments: dict[str, ExperimentConfig] = Field(min_length=1, description="Experiments by name.")
    tables: dict[str, OutputConfig] = Field({}, description="Tables by name.")
    figures: dict[str, OutputConfig] = Field({}, description="Figures by name.")
    claims: ClaimsConfig | None = Field(None, description="Experiments behind the claims ledger; null: no ledger.")
    notebooks: tuple[str, ...] = Field((), description="Notebooks (files in notebooks/ without .py) that are executed.")

    @model_validator(mode="after")
    def _names_exist(self) -> StudyConfig:
        from spectralcal.grid import canonical_method

        for name in self.datasets:
            self._check_dataset(name)
            self.preparation_of(name)
            self.training_of(name)
        for name in self.architectures:
            self._check_architecture(None, name, f"architectures.{name}")
        for dataset, entry in self.datasets.items():
            for name in entry.architectures:
                if name not in self.architectures:
                    known = choices(self.architectures)
                    raise ConfigError(
                        f"datasets.{dataset}.architectures: '{name}' is not under `architectures`; expected {known}"
                    )
                self._check_architecture(dataset, name, f"datasets.{dataset}.architectures.{name}")
        for name, options in self.methods.items():
            registry.require("losses", name, f"methods.{name}")
            _check_options("losses", name, options, f"methods.{name}")
        for name, experiment in self.experiments.items():
            for key, known in (("datasets", self.datasets), ("architectures", self.architectures)):
                for value in getattr(experiment, key):
                    if value not in known:
                        raise ConfigError(
                            f"experiments.{name}.{key}: '{value}' is not under `{key}`; expected {choices(known)}"
                        )
            seen: dict[str, str] = {}
            for method in experiment.methods:
                canonical = canonical_method(method, self.methods, where=f"experiments.{name}.methods")
                if canonical in seen:
                    raise ConfigError(
                        f"experiments.{name}.methods: '{method}' and '{seen[canonical]}' are the same method; keep one"
                    )
                seen[canonical] = method
        self._check_side()
        for role, name in self.claims.model_dump().items() if self.claims else ():
            if name is not None and name not in self.experiments:
                known = choices(self.experiments)
                raise ConfigError(f"claims.{role}: unknown experiment '{name}'; expected {known}")
        for kind, outputs in (("tables", self.tables), ("figures", self.figures)):
            for name, output in outputs.items():
                registry.require(kind, output.source or name, f"{kind}.{name}")
                if output.experiment not in self.experiments:
                    raise ConfigError(
                        f"{kind}.{name}.experiment: unknown experiment '{output.experiment}'; "
                        f"expected {choices(self.experiments)}"
                    )
                _check_options(kind, output.source or name, output.options, f"{kind}.{name}.options")
                for other in output.options.get("experiments", ()):
                    if other not in self.experiments:
                        raise ConfigError(
                            f"{kind}.{name}.options.experiments: unknown experiment '{other}'; "
                            f"expected {choices(self.experiments)}"
                        )
        return self

    def _check_architecture(self, dataset: str | None, name: str, where: str) -> None:
        entry, network = self.architecture_of(dataset, name), self.network_of(dataset, name)
        registry.require("models", network, where if entry.network is None else f"{where}.network")
        _check_options("models", network, entry.options, f"{where}.options")
        self.training_of(dataset, name)

    def _check_side(self) -> None:
        """What would be fitted and scored on the same cases, or taken for a result on test cases, is refused."""
        if self.evaluation.side == "test":
            return
        where = f"evaluation.side: {self.evaluation.side}"
        if self.claims is not None:
            raise ConfigError(f"{where}: expected no `claims`, whose verdicts rest on test cases; remove that section")
        for name, experiment in self.experiments.items():
            for method in experiment.methods:
                if "+" in method:
                    raise ConfigError(
                        f"experiments.{name}.methods: '{method}' is fitted to the cases that {where} scores; remove it"
                    )

    def _check_dataset(self, name: str) -> None:
        entry, where = self.datasets[name], f"datasets.{name}"
        if not re.fullmatch(NAME, name):
            raise ConfigError(f"{where}: expected a name of letters, digits, '_', '-' and '.', as it names folders")
        if entry.kind is None and name not in registry.names("datasets"):
            raise ConfigError(
                f"{where}: unknown data set '{name}'; expected {choices(registry.names('datasets'))}, or `kind` and "
                "`path` for data of your own"
            )
        kind = self.kind_of(name)
        registry.require("datasets", kind, f"{where}.kind")
        takes_path = "path" in registry.options_model("datasets", kind).model_fields
        if entry.path is not None and (not takes_path or "path" in entry.options):
            found = f"'{kind}', which is looked for under data_root" if not takes_path else "options.path too"
            raise ConfigError(f"{where}.path: expected the only path of data of your own, found {found}; remove one")
        if takes_path and self.options_of(name).get("path") is None:
            raise ConfigError(f"{where}.path: expected the place of the '{kind}' data, found none; add it")
        _check_options("datasets", kind, self.options_of(name), f"{where}.options")
        self.split_of(name)
        sharing = [other for other in self.datasets if "file" not in self.datasets[other].split]
        if self.split.file and "{dataset}" not in str(self.split.file) and len(sharing) > 1 and name in sharing:
            raise ConfigError(
                f"split.file: {self.split.file} is one file for {len(sharing)} data sets; put '{{dataset}}' in its "
                f"name or set {where}.split.file"
            )

    def kind_of(self, dataset: str) -> str:
        """Name of the registered file that reads a data set."""
        return self.datasets[dataset].kind or dataset

    def architecture_of(self, dataset: str | None, architecture: str) -> ArchitectureConfig:
        """An architecture of the study, with what a data set changes of it."""
        entry = self.architectures[architecture]
        if dataset is None:
            return entry
        changes = self.datasets[dataset].architectures.get(architecture, {})
        return _merged(entry, changes, f"datasets.{dataset}.architectures.{architecture}")

    def network_of(self, dataset: str | None, architecture: str) -> str:
        """Name of the registered file that builds an architecture of the study for a data set."""
        return self.architecture_of(dataset, architecture).network or architecture

    def options_of(self, dataset: str) -> dict[str, Any]:
        """Keyword arguments of a data set's class, its path among them."""
        entry = self.datasets[dataset]
        return entry.options if entry.path is None else {**entry.options, "path": str(entry.path)}

    def split_of(self, dataset: str) -> SplitConfig:
        """Split settings of one data set, its own keys over the study's, with the name of its file filled in."""
        split = _merged(self.split, self.datasets[dataset].split, f"datasets.{dataset}.split")
        if split.file is None:
            return split
        return split.model_copy(update={"file": Path(str(split.file).replace("{dataset}", dataset))})

    def preparation_of(self, dataset: str) -> PreparationConfig:
        """Preparation settings of one data set, its own keys over the study's."""
        return _merged(self.preparation, self.datasets[dataset].preparation, f"datasets.{dataset}.preparation")

    def training_of(self, dataset: str | None, architecture: str | None = None) -> TrainingConfig:
        """Training settings: the study's, then what the data set changes, then what the architecture changes."""
        settings = self.training
        if dataset is not None:
            settings = _merged(settings, self.datasets[dataset].training, f"datasets.{dataset}.training")
        if architecture is not None:
            where = f"architectures.{architecture}.training"
            settings = _merged(settings, self.architecture_of(dataset, architecture).training, where)
        return settings

    @property
    def raw_root(self) -> Path:
        """Folder of raw data: the config's key, else the environment variable SPECTRALCAL_DATA, else data/raw."""
        return self.data_root or Path(os.environ.get("SPECTRALCAL_DATA") or "data/raw")

    @property
    def prepared(self) -> Path:
        """Folder of this study's prepared arrays."""
        return self.prepared_root / self.study

    @property
    def results(self) -> Path:
        """Folder of this study's results."""
        return self.results_root / self.study

    @property
    def figures_folder(self) -> Path:
        """Folder of this study's figures."""
        return self.figures_root / self.study


def load_config(path: str | Path) -> StudyConfig:
    """Read a YAML (or JSON) configuration.

    Raises:
        ConfigError: one line with the file, the key, what was found and what is valid.
    """
    file = Path(path)
    try:
        content = yaml.safe_load(file.read_text())
    except OSError as error:
        raise ConfigError(f"{file}: cannot read the configuration: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not valid YAML: {' '.join(str(error).split())}") from error
    return parse_config(content, str(file))


def parse_config(content: Any, source: str) -> StudyConfig:
    """Validate the content of a configuration; `source` names it in messages."""
    if not isinstance(content, dict):
        raise ConfigError(f"{source}: expected a mapping of keys, found {type(content).__name__}")
    try:
        return StudyConfig.model_validate(content)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None
    except ValidationError as error:
        raise ConfigError(f"{source}: {_explain(error, StudyConfig)}") from None


def json_schema() -> dict[str, Any]:
    """The JSON schema of a configuration, as committed in workflow/schemas."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **StudyConfig.model_json_schema()}


def schema_text() -> str:
    """The schema as the text of its file."""
    return json.dumps(json_schema(), indent=2) + "\n"


def _merged(base: Section, changes: dict[str, Any], where: str) -> Any:
    if not changes:
        return base
    model = type(base)
    merged = {**base.model_dump(), **changes}
    for key, value in changes.items():
        inherited = getattr(base, key, None)
        if isinstance(inherited, Section) and isinstance(value, dict):
            merged[key] = {**inherited.model_dump(), **value}
    try:
        return model.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(f"{where}.{_explain(error, model)}") from None


def _check_options(kind: str, name: str, options: dict[str, Any], where: str) -> None:
    model = registry.options_model(kind, name)
    try:
        model.model_validate(options)
    except ValidationError as error:
        raise ConfigError(f"{where}.{_explain(error, model)}") from None


def _explain(error: ValidationError, model: type[BaseModel]) -> str:
    """The first problem of a validation, in one line: key, what was found, what is expected."""
    first = error.errors()[0]
    location = ".".join(str(part) for part in first["loc"] if not _is_union_branch(part))
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        key = str(first["loc"][-1])
        known = list(_keys_at(model, first["loc"][:-1]))
        close = difflib.get_close_matches(key, known, 1)
        hint = f"did you mean '{close[0]}'? " if close else ""
        return f"{location}: unknown key; {hint}expected {choices(known)}{more}"
    if first["type"] == "missing":
        return f"{location}: required key is missing{more}"
    message = first["msg"].removeprefix("Value error, ")
    place = f"{location}: " if location else ""
    found = "" if isinstance(first["input"], dict) else f", found {first['input']!r}"
    return f"{place}{message[0].lower() + message[1:]}{found}{more}"


def _is_union_branch(part: Any) -> bool:
    return isinstance(part, str) and (part.startswith(("literal[", "tuple[", "function-")))


def _keys_at(model: type[BaseModel], location: tuple) -> Iterator[str]:
    """The valid keys of the section at `location`."""
    current: Any = model
    for part in location:
        field = current.model_fields.get(part) if isinstance(current, type) else None
        if field is None:
            continue  # a user-chosen name inside a mapping: the section stays the mapping's value
        current = field.annotation
        arguments = getattr(current, "__args__", ())
        sections = [a for a in arguments if isinstance(a, type) and issubclass(a, BaseModel)]
        current = sections[0] if sections else current
    return iter(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else iter(())
