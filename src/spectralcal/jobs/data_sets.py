"""The data sets of a study."""

from __future__ import annotations

from spectralcal.base import registry
from spectralcal.base.errors import ConfigError
from spectralcal.datasets import Dataset
from spectralcal.study.config import StudyConfig


def build_dataset(config: StudyConfig, name: str) -> Dataset:
    """A data set of the study with its options, under the name that the study gives it.

    Raises:
        ConfigError: an option is out of its range.
        DataError: data of the user's own whose description cannot be understood.
    """
    try:
        dataset = registry.load("datasets", config.kind_of(name))(**config.options_of(name))
    except ValueError as error:
        raise ConfigError(f"datasets.{name}.options: {error}") from error
    return dataset if config.kind_of(name) == name else dataset.named(name)
