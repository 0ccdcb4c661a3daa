"""Ensembles as methods of a study: cells that train nothing, on a phantom that takes seconds."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from studies import tiny

from spectralcal.base.errors import ConfigError, ResultError
from spectralcal.jobs import steps
from spectralcal.jobs.cell_data import load_data
from spectralcal.jobs.cells import evaluate_cell, train_cell
from spectralcal.jobs.networks import load_network
from spectralcal.records.projection import missing_cells
from spectralcal.report.results import Results
from spectralcal.report.tables.cost import cost
from spectralcal.sharing.explain import explain
from spectralcal.sharing.shared import ALLOWED
from spectralcal.sharing.verify import verify_study
from spectralcal.study.config import parse_config
from spectralcal.study.grid import Cell, study_cells, trained_cells
from spectralcal.study.paths import StudyPaths
from spectralcal.study.resolved import resolve

PAIR, SCALED = "ensemble(ce)@members=2", "ensemble(ce)@members=2+temperature"
MAIN = {"datasets": ["phantom"], "architectures": ["unet"], "methods": ["ce"], "seeds": [0, 1, 2, 3]}
TOGETHER = {**MAIN, "methods": ["ce", PAIR, SCALED], "seeds": [0, 1]}


def cell(method, seed=0):
    return Cell("phantom", "unet", method, seed)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Four trainings, two ensembles of two, and the first of these after a temperature."""
    content = tiny(tmp_path_factory.mktemp("study"), experiments={"main": MAIN, "together": TOGETHER})
    content["training"] |= {"steps": 2, "epoch_steps": 2, "checkpoint_interval": 2, "precision": "fp32"}
    config = parse_config(content, "tiny")
    steps.prepare_step(config, "phantom")
    steps.split_step(config, "phantom")
    for seed in range(4):
        train_cell(config, cell("ce", seed), then_evaluate=True)
        evaluate_cell(config, cell("ce", seed))
    for method in (PAIR, SCALED):
        for seed in (0, 1):
            evaluate_cell(config, cell(method, seed))
    steps.collect_step(config)
    return config


def record(study, method, seed=0):
    return json.loads(StudyPaths(study).cell(cell(method, seed)).evaluation.read_text())


def values(study, method, metric, seed=0):
    scores = pd.read_csv(StudyPaths(study).cell(cell(method, seed)).cases)
    return scores[(scores.metric == metric) & (scores.protocol == "paper")].set_index("case").value


def test_nothing_is_trained_for_an_ensemble(study):
    assert len(study_cells(study)) == 8
    assert trained_cells(study, study_cells(study)) == [cell("ce", seed) for seed in range(4)]
    assert missing_cells(study) == ([], [])
    files = StudyPaths(study).cell(cell(PAIR))
    assert not files.weights.exists()
    with pytest.raises(ConfigError, match="found an ensemble of 2; train its members, phantom, unet, ce, seed 0 first"):
        train_cell(study, cell(PAIR))


def test_the_members_of_ensembles_are_disjoint_and_on_record(study):
    digests = [record(study, "ce", seed)["weights"] for seed in range(4)]
    assert record(study, PAIR, 0)["weights"] == digests[:2]
    assert record(study, PAIR, 1)["weights"] == digests[2:]
    assert record(study, SCALED, 1)["weights"] == digests[2:]


def test_scores_are_those_of_the_mean_probability(study):
    """The Brier score of a case from its members' networks, without the package's ensemble."""
    data = load_data(study, "phantom")
    case = data.scored[0]
    image = torch.from_numpy(np.array(case.image()))[None]
    with torch.inference_mode():
        members = [load_network(resolve(study, cell("ce", seed)), 1).eval()(image).softmax(1)[0] for seed in (0, 1)]
    label = torch.from_numpy(np.array(case.label()).astype(np.int64))
    hot = torch.nn.functional.one_hot(label, 4).movedim(-1, 0)
    brier = (torch.stack(members).mean(0) - hot).square().sum(0).mean()
    assert values(study, PAIR, "Brier")[case.id] == pytest.approx(float(brier), rel=1e-4)
    mean = (values(study, "ce", "Brier", 0) + values(study, "ce", "Brier", 1)) / 2
    assert (values(study, PAIR, "Brier") < mean).all()  # the score is convex: never worse than its members' mean


def test_a_temperature_goes_on_top(study):
    assert record(study, SCALED)["post_hoc"]["temperature"]["temperature"] != 1
    assert not np.allclose(values(study, SCALED, "NLL"), values(study, PAIR, "NLL"))
    assert {"ensemble", "post-hoc fit"} <= set(record(study, SCALED)["identity"]["numerics"])


def test_weights_that_are_not_there_are_named(study):
    files = StudyPaths(study).cell(cell("ce", 1))
    aside = files.run.rename(files.run.with_suffix(".aside"))
    try:
        with pytest.raises(ResultError, match=r"ce/seed=1/weights.safetensors: the weights are missing"):
            evaluate_cell(study, cell(PAIR))
    finally:
        aside.rename(files.run)


def test_scores_of_other_weights_are_found(study):
    assert verify_study(study).findings == []
    run = StudyPaths(study).cell(cell("ce", 1)).run
    before = run.read_text()
    listed = json.loads(before)["files"]["weights.safetensors"]
    try:
        run.write_text(before.replace(listed, "0" * len(listed)))
        found = verify_study(study).findings
    finally:
        run.write_text(before)
    for method in (PAIR, SCALED):
        conflict = f"{StudyPaths(study).cell(cell(method)).evaluation}: scores of other weights than run.json lists"
        assert conflict in found
    assert not any("seed=1/evaluation" in line and "ensemble" in line for line in found)


def test_an_account_names_every_member(study):
    text = explain(study, StudyPaths(study).cell(cell(SCALED, 1)).folder)
    assert "of 2 cells, whose probabilities are averaged, after the post-hoc step 'temperature'" in text
    for seed in (2, 3):
        assert f"phantom, unet, ce, seed {seed}: fingerprint " in text
    assert text.count("(as configuration and numerics are now)") == 3  # two members and the scores
    assert f"spectralcal evaluate --dataset phantom --arch unet --method '{SCALED}' --seed 1" in text


def test_a_table_names_it_and_counts_no_training(study):
    results = Results(study)
    assert [results.label(name) for name in results.methods("together")] == [
        "CE", "Ensemble of 2, CE", "Ensemble of 2, CE + temperature"
    ]  # fmt: skip
    assert results.paper_name(PAIR) is None
    assert results.ordered_methods("together")[0] == "ce"
    frame = cost(results, "main", ("together",)).frame.set_index("method")
    assert frame.trainings.to_dict() == {"ce": 4, PAIR: 0, SCALED: 0}
    assert (frame.status == "ok").all()


def test_its_cells_can_be_shared():
    for name in ("evaluation.json", "light.zip"):
        assert ALLOWED.fullmatch(f"cells/{cell(SCALED, 1).path.as_posix()}/{name}")
