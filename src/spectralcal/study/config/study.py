"""A whole study, and what holds for each of its data sets and architectures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from spectralcal.study.config._consistency import check_study
from spectralcal.study.config._paper_of_outputs import paper_of_outputs
from spectralcal.study.config.compute import ComputeConfig
from spectralcal.study.config.data import DatasetConfig, PreparationConfig, SplitConfig
from spectralcal.study.config.experiments import ArchitectureConfig, ExperimentConfig
from spectralcal.study.config.outputs import OutputConfig
from spectralcal.study.config.paper import PaperConfig, known_roles, read_paper
from spectralcal.study.config.scoring import EvaluationConfig, InferenceConfig
from spectralcal.study.config.section import NAME, GrownSection, merged
from spectralcal.study.config.training import TrainingConfig


class StudyConfig(GrownSection):
    """A whole study: data, methods, experiments and what is drawn from them."""

    later = ("probes",)

    study: str = Field(pattern=NAME, description="Name of the study: results/<study> and figures/<study>.")
    description: str = Field("", description="One sentence for tables, captions and the report.")
    paper: str | None = Field(
        None,
        description="The replicated paper: its name (spectral_entropy) or a folder with a paper.yaml. Its tables, "
        "figures and claims can be named below; null: those that belong to no paper alone. Where the key is missing "
        "and a table or figure belongs to papers alone, it is the paper of the package that has all of these and all "
        "losses that papers have, if there is one such paper only.",
    )
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
    probes: dict[str, dict[str, Any]] = Field(
        {}, description="Options of probes, by their name; which of them are measured follows from figures and claims."
    )
    claims: dict[str, str | None] | None = Field(
        None,
        description="Experiments behind the claims ledger: role (of its paper.yaml) -> name under `experiments`; a "
        "role of null, or one left out: what needs it is not measured. null: no ledger.",
    )
    notebooks: tuple[str, ...] = Field((), description="Notebooks (files in notebooks/ without .py) that are executed.")

    @model_validator(mode="before")
    @classmethod
    def _with_paper(cls, content: Any) -> Any:
        """The paper that tables and figures need, where none is named."""
        if isinstance(content, dict) and "paper" not in content and (paper := paper_of_outputs(content)) is not None:
            return {**content, "paper": paper}
        return content

    @field_validator("claims")
    @classmethod
    def _every_role(cls, claims: dict[str, str | None] | None, info: ValidationInfo) -> dict[str, str | None] | None:
        """All roles of the paper, in its order; those that no experiment plays are None."""
        if claims is None or "paper" not in info.data:  # a `paper` that is no text is an error already
            return claims
        return known_roles(claims, info.data["paper"])

    @model_validator(mode="after")
    def _consistent(self) -> StudyConfig:
        check_study(self)
        return self

    @property
    def paper_facts(self) -> PaperConfig:
        """What the study's paper says of itself; the defaults if it has none."""
        return read_paper(self.paper)

    def baseline_among(self, methods: Sequence[str]) -> str:
        """The method that others are compared with: the paper's, or the first of `methods`."""
        return self.paper_facts.baseline or methods[0]

    def kind_of(self, dataset: str) -> str:
        """Name of the registered file that reads a data set."""
        return self.datasets[dataset].kind or dataset

    def architecture_of(self, dataset: str | None, architecture: str) -> ArchitectureConfig:
        """An architecture of the study, with what a data set changes of it."""
        entry = self.architectures[architecture]
        if dataset is None:
            return entry
        changes = self.datasets[dataset].architectures.get(architecture, {})
        return merged(entry, changes, f"datasets.{dataset}.architectures.{architecture}")

    def network_of(self, dataset: str | None, architecture: str) -> str:
        """Name of the registered file that builds an architecture of the study for a data set."""
        return self.architecture_of(dataset, architecture).network or architecture

    def options_of(self, dataset: str) -> dict[str, Any]:
        """Keyword arguments of a data set's class, its path among them."""
        entry = self.datasets[dataset]
        return entry.options if entry.path is None else {**entry.options, "path": str(entry.path)}

    def split_of(self, dataset: str) -> SplitConfig:
        """Split settings of one data set, its own keys over the study's, with the name of its file filled in."""
        split = merged(self.split, self.datasets[dataset].split, f"datasets.{dataset}.split")
        if split.file is None:
            return split
        return split.model_copy(update={"file": Path(str(split.file).replace("{dataset}", dataset))})

    def preparation_of(self, dataset: str) -> PreparationConfig:
        """Preparation settings of one data set, its own keys over the study's."""
        return merged(self.preparation, self.datasets[dataset].preparation, f"datasets.{dataset}.preparation")

    def training_of(self, dataset: str | None, architecture: str | None = None) -> TrainingConfig:
        """Training settings: the study's, then what the data set changes, then what the architecture changes."""
        settings = self.training
        if dataset is not None:
            settings = merged(settings, self.datasets[dataset].training, f"datasets.{dataset}.training")
        if architecture is not None:
            where = f"architectures.{architecture}.training"
            settings = merged(settings, self.architecture_of(dataset, architecture).training, where)
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
