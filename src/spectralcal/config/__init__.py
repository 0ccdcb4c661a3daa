"""Typed, strict configuration of a study. One class per section; every key has a description and a reasoned default.

The JSON schema in ``workflow/schemas/config.schema.json`` is generated from these classes (``spectralcal config
schema``) and Snakemake validates with it. Names of data sets, losses and architectures, and their options, come from
the files in the package (:mod:`spectralcal.registry`), so that a new file needs no edit here.
"""

from spectralcal.config._section import NAME, Section
from spectralcal.config.compute import ComputeConfig
from spectralcal.config.data import DatasetConfig, PreparationConfig, SplitConfig
from spectralcal.config.experiments import ArchitectureConfig, ExperimentConfig
from spectralcal.config.load import json_schema, load_config, parse_config, schema_text
from spectralcal.config.outputs import ClaimsConfig, OutputConfig
from spectralcal.config.scoring import EvaluationConfig, InferenceConfig
from spectralcal.config.study import StudyConfig
from spectralcal.config.training import AugmentationConfig, TrainingConfig

__all__ = [
    "NAME",
    "ArchitectureConfig",
    "AugmentationConfig",
    "ClaimsConfig",
    "ComputeConfig",
    "DatasetConfig",
    "EvaluationConfig",
    "ExperimentConfig",
    "InferenceConfig",
    "OutputConfig",
    "PreparationConfig",
    "Section",
    "SplitConfig",
    "StudyConfig",
    "TrainingConfig",
    "json_schema",
    "load_config",
    "parse_config",
    "schema_text",
]
