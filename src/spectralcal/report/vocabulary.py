"""Names, order and looks of methods and data sets, and facts of data: what a study, its paper and its data say."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING

from spectralcal.base import registry
from spectralcal.base.errors import ConfigError, ResultError, choices
from spectralcal.base.papers import FILE, paper_of
from spectralcal.records.light.files import has, read_text
from spectralcal.report.names import loss_name, method_name, phrase
from spectralcal.report.style import Style
from spectralcal.study.config import PaperConfig, StudyConfig
from spectralcal.study.grid import experiment_cells, trained_cell
from spectralcal.study.methods import method_of
from spectralcal.study.paths import StudyPaths

if TYPE_CHECKING:
    from pathlib import Path

    from spectralcal.datasets import DataFacts, Dataset


class Vocabulary:
    """Names and facts of one study; scores are not read.

    Args:
        config: the study.
    """

    def __init__(self, config: StudyConfig) -> None:
        self.config = config
        self.paths = StudyPaths(config)
        self._facts: dict[str, DataFacts | None] = {}

    @property
    def paper(self) -> PaperConfig:
        """What the study's paper says of itself; the defaults if it has none."""
        return self.config.paper_facts

    @property
    def paper_folder(self) -> Path | None:
        """The folder of the study's paper; None if it has none."""
        return None if self.config.paper is None else paper_of(self.config.paper).folder

    @property
    def protocol(self) -> str:
        """Protocol of calibration scores where nothing else is said: the paper's.

        Raises:
            ConfigError: the paper names one that there is not.
        """
        return self._known("protocol", self.paper.protocol)

    @property
    def headline(self) -> tuple[str, ...]:
        """Protocols that say whether a network is calibrated, in the order of tables: the paper's.

        Raises:
            ConfigError: the paper names one that there is not.
        """
        return tuple(self._known("headline", name) for name in self.paper.headline)

    def _known(self, key: str, protocol: str) -> str:
        from spectralcal.metrics.protocols import PROTOCOLS

        if protocol not in PROTOCOLS:
            file = self.paper_folder / FILE
            raise ConfigError(f"{file}: {key}: unknown '{protocol}'; expected {choices(PROTOCOLS)}")
        return protocol

    @cached_property
    def style(self) -> Style:
        """Order and looks of methods."""
        return Style.of(self.paper)

    def label(self, method: str) -> str:
        """Printed name of a method (:func:`spectralcal.report.names.method_name`)."""
        return method_name(self.paper, method_of(self.config, method))

    def loss_label(self, method: str) -> str:
        """Printed name of a method's loss, without options and post-hoc step."""
        return loss_name(self.paper, method_of(self.config, method).loss)

    def phrase(self, method: str, option: str, value: object) -> str:
        """Printed form of an option of a method's loss: ``λ = 0.01``."""
        return phrase(self.paper, method_of(self.config, method).loss, option, value)

    def title(self, dataset: str) -> str:
        """Printed name of a data set: its own, or the one that the configuration gives it."""
        kind = self.config.kind_of(dataset)
        return registry.load("datasets", kind).title if kind == dataset else dataset

    def paper_dataset(self, dataset: str) -> str | None:
        """Name of a data set in the paper's tables; None if the paper does not use it."""
        kind = self.config.kind_of(dataset)
        return self.paper.datasets.get(kind) if kind == dataset else None

    def paper_name(self, method: str) -> str | None:
        """Name of a method in the paper's tables; None for variants and methods that it does not have."""
        parsed = method_of(self.config, method)
        entry = self.paper.methods.get(parsed.loss)
        return None if parsed.options or not parsed.is_trained or entry is None else entry.printed

    def facts(self, dataset: str) -> DataFacts | None:
        """Facts of a data set as it is prepared here, or as they came with shared results; None if they were not kept.

        Raises:
            DataError: the file is damaged.
        """
        from spectralcal.preparation.facts import read_facts

        if dataset not in self._facts:
            places = (self.paths.facts(dataset), self.paths.shared_facts(dataset))
            stored = next((path for path in places if path.is_file()), None)
            self._facts[dataset] = None if stored is None else read_facts(stored)
        return self._facts[dataset]

    def unit(self, dataset: str) -> str:
        """Unit of a data set's distances, "mm" or "px"; without facts that of its class."""
        facts = self.facts(dataset)
        return facts.unit if facts else self._entry(dataset).unit

    def _entry(self, dataset: str) -> type[Dataset]:
        return registry.load("datasets", self.config.kind_of(dataset))

    def classes(self, dataset: str) -> tuple[str, ...]:
        """Names of a data set's foreground classes; those of the user's own data from a trained cell.

        Raises:
            ResultError: they are the user's own data and no cell is trained.
        """
        facts = self.facts(dataset)
        known = facts.classes if facts else getattr(self._entry(dataset), "classes", None)
        if known:
            return known
        for cell in (cell for name in self.config.experiments for cell in experiment_cells(self.config, name)):
            path = self.paths.cell(trained_cell(self.config, cell)).model
            if cell.dataset == dataset and has(path):
                return tuple(json.loads(read_text(path))["classes"][1:])
        raise ResultError(f"{dataset}: expected a trained cell that names the classes, found none; train one")
