"""What networks are tested on, condition by condition: shifts, and noise."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from spectralcal.report.results import Results
from spectralcal.study.conditions import TEST, condition_of, further_conditions
from spectralcal.study.config import StudyConfig
from spectralcal.study.grid import Cell

#: transforms that are noise; all other conditions are shifts
NOISE = {"gaussian": "Gaussian", "bernoulli": "Bernoulli", "noise": "Gaussian"}
#: the printed level
LEVEL = 0.01
#: label of a reference -> its name in the paper's Table 2
STRUCTURES = {
    "aorta": "Aorta", "gallbladder": "GB", "left kidney": "KL", "right kidney": "KR", "liver": "Liver",
    "pancreas": "PC", "spleen": "SP", "stomach": "SM", "right ventricle": "RV", "myocardium": "MYO",
    "left ventricle": "LV",
}  # fmt: skip


class UnderCondition(Results):
    """The results of one data set of an experiment under one condition, as if the study had nothing else.

    Args:
        results: the study's results.
        experiment: of whose data sets one is looked at.
        dataset: that one.
        condition: "test" or the name of a condition.
        by_class: every score stands once more for each structure, as ``DSC RV`` beside ``DSC``.
    """

    def __init__(
        self, results: Results, experiment: str, dataset: str, condition: str = TEST, by_class: bool = False
    ) -> None:
        grid = results.config.experiments[experiment].model_copy(update={"datasets": (dataset,)})
        experiments = {**results.config.experiments, experiment: grid}
        super().__init__(results.config.model_copy(update={"experiments": experiments}), condition)
        self.by_class = by_class

    def scores(self, experiment: str) -> pd.DataFrame:
        """Tidy scores under the condition."""
        rows = super().scores(experiment)
        if not self.by_class:
            return rows
        named = rows["class"].map(lambda name: STRUCTURES.get(name, name))
        return pd.concat([rows, rows.assign(metric=rows.metric + " " + named)], ignore_index=True)


class Entitled(Results):
    """A study's results with names for what its tables have as columns.

    Args:
        results: the study's results.
        titles: column of a table -> its printed name and the unit of its distances.
    """

    def __init__(self, results: Results, titles: Mapping[str, tuple[str, str]]) -> None:
        super().__init__(results.config)
        self._titles = titles

    def title(self, dataset: str) -> str:
        """Printed name."""
        return self._titles[dataset][0] if dataset in self._titles else super().title(dataset)

    def unit(self, dataset: str) -> str:
        """Unit of distances."""
        return self._titles[dataset][1] if dataset in self._titles else super().unit(dataset)


def noise_of(config: StudyConfig, condition: str) -> str | None:
    """ "Gaussian" or "Bernoulli", or None for a condition that is a shift."""
    corrupt = condition_of(config, condition).corrupt
    return NOISE.get(corrupt[-1].name) if corrupt else None


def conditions(results: Results, dataset: str, noise: bool) -> list[str]:
    """Names of the conditions of a data set's networks, in the order of the study: noise, or shifts."""
    config = results.config
    cell = Cell(dataset, next(iter(config.architectures)), next(iter(config.experiments.values())).methods[0], 0)
    return [name for name in further_conditions(config, cell) if (noise_of(config, name) is not None) == noise]


def test_set(results: Results, dataset: str, condition: str) -> str:
    """What is tested, for people: ``ISIC 2018 → ISIC 2017``, ``ACDC + gaussian``."""
    if condition == TEST:
        return results.title(dataset)
    other = condition_of(results.config, condition).dataset
    if other is not None and other != dataset:
        return f"{results.title(dataset)} → {results.title(other)}"
    return f"{results.title(dataset)} + {condition}"


def printed_set(results: Results, dataset: str, condition: str) -> str | None:
    """What is tested under its name in the paper's tables; None if it has no such."""
    if condition == TEST:
        return results.paper_dataset(dataset)
    tested, kind = condition_of(results.config, condition), noise_of(results.config, condition)
    if tested.dataset is not None and tested.dataset != dataset:
        return results.paper_dataset(tested.dataset)
    name = results.paper_dataset(dataset)
    if name is None or kind is None or dict(tested.corrupt[-1].arguments).get("level") != LEVEL:
        return None
    return f"{name} + {kind}"
