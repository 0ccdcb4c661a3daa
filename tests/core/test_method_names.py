"""Printed names of methods: one map from key to name, no `key=value`."""

from pathlib import Path

import pytest

from spectralcal.report.names import method_name
from spectralcal.study.config import load_config
from spectralcal.study.config.paper import read_paper
from spectralcal.study.grid import experiment_methods
from spectralcal.study.methods import method_of, parse_method

PAPER = read_paper("spectral_entropy")
CONFIGS = sorted((Path(__file__).parents[2] / "config").glob("*.yaml"))


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("ce", "CE"),
        ("ce+ensemble_temperature", "CE + ensemble temperature"),
        ("focal@gamma=1.0", "FL, γ = 1"),
        ("spectral", "Spectral"),
        ("spectral@window=1", "Spectral, no window"),
        ("spectral@window=10", "Spectral, W = 10"),
        ("spectral@confidence=max_prob,weight=10.0+temperature", "Spectral, on probability, λ = 10 + temperature"),
        ("spectral@include_dc=true", "Spectral, with DC"),
        ("ensemble(ce)", "Ensemble of 5, CE"),
        # An option that the paper has no phrase for is said in words.
        ("spectral_labelled@map=boundary", "Spectral, labelled map, map boundary"),
    ],
)
def test_names(method, name):
    assert method_name(PAPER, parse_method(method)) == name


def test_without_a_paper_the_losses_say_what_they_are_called():
    assert method_name(read_paper(None), parse_method("spectral@include_dc=true")) == "Spectral, include dc"
    assert method_name(read_paper(None), parse_method("spectral@detach_target=false")) == "Spectral, no detach target"


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_no_study_prints_a_key_or_two_methods_under_one_name(file):
    config = load_config(file)
    paper = read_paper(config.paper)
    methods = dict.fromkeys(
        name for experiment in config.experiments for name in experiment_methods(config, experiment)
    )
    names = [method_name(paper, method_of(config, name)) for name in methods]
    assert len(set(names)) == len(names)
    assert not any("=" in name.replace(" = ", "") or "_" in name or "Ours" in name for name in names)
