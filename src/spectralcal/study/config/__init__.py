"""Typed, strict configuration of a study. One class per section; every key has a description and a reasoned default.

The JSON schema in ``workflow/schemas/config.schema.json`` is generated from these classes (``spectralcal config
schema``) and Snakemake validates with it. Names of data sets, losses and architectures, and their options, come from
the files in the package (:mod:`spectralcal.base.registry`), so that a new file needs no edit here.
"""

from spectralcal.study.config.augmentation import AugmentationConfig, GeometryConfig, TransformConfig
from spectralcal.study.config.compute import ComputeConfig
from spectralcal.study.config.data import DatasetConfig, PreparationConfig, SplitConfig
from spectralcal.study.config.experiments import ArchitectureConfig, ExperimentConfig
from spectralcal.study.config.load import json_schema, load_config, parse_config, schema_text
from spectralcal.study.config.outputs import OutputConfig
from spectralcal.study.config.paper import PaperConfig, read_paper
from spectralcal.study.config.scoring import SCORERS, ConditionConfig, EvaluationConfig, InferenceConfig
from spectralcal.study.config.section import NAME, Section
from spectralcal.study.config.study import StudyConfig
from spectralcal.study.config.training import TrainingConfig

__all__ = [
    "NAME",
    "SCORERS",
    "ArchitectureConfig",
    "AugmentationConfig",
    "ComputeConfig",
    "ConditionConfig",
    "DatasetConfig",
    "EvaluationConfig",
    "ExperimentConfig",
    "GeometryConfig",
    "InferenceConfig",
    "OutputConfig",
    "PaperConfig",
    "PreparationConfig",
    "Section",
    "SplitConfig",
    "StudyConfig",
    "TrainingConfig",
    "TransformConfig",
    "json_schema",
    "load_config",
    "parse_config",
    "read_paper",
    "schema_text",
]
