import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import experiment, minimal

from spectralcal.base.errors import ConfigError
from spectralcal.study.config import parse_config
from spectralcal.study.grid import Cell, experiment_cells, is_trained, parent_cells, study_cells, trained_cells
from spectralcal.study.methods import canonical_method, loss_options, parse_method
from spectralcal.study.numerics import ENGINE
from spectralcal.study.recipe import (
    evaluation_identity,
    evaluation_recipe,
    preparation_recipe,
    split_recipe,
    training_recipe,
)
from spectralcal.study.resolved import resolve


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("spectral", "spectral"),
        ("spectral@window=50", "spectral"),
        ("spectral@weight=0.01,window=50", "spectral"),
        ("spectral@window=1", "spectral@window=1"),
        ("spectral@window=1,weight=0.05", "spectral@weight=0.05,window=1"),
        ("spectral@weight=5e-2,window=1", "spectral@weight=0.05,window=1"),
        ("spectral@include_dc=true", "spectral@include_dc=true"),
        ("spectral@confidence=max_prob", "spectral@confidence=max_prob"),
        ("ce", "ce"),
        ("ensemble(ce)", "ensemble(ce)"),
        ("ensemble(ce)@members=5", "ensemble(ce)"),
        ("ensemble(ce)@members=3+temperature", "ensemble(ce)@members=3+temperature"),
        ("ensemble(spectral@window=50)", "ensemble(spectral)"),
        ("ensemble(spectral@weight=1e+1,confidence=max_prob)", "ensemble(spectral@confidence=max_prob,weight=10.0)"),
    ],
)
def test_a_method_has_one_name(text, canonical):
    assert canonical_method(text) == canonical
    assert canonical_method(canonical) == canonical


@given(st.floats(1e-6, 1e3), st.integers(1, 500))
def test_canonical_names_round_trip(weight, window):
    name = canonical_method(f"spectral@weight={weight!r},window={window}")
    options = dict(parse_method(name).options)
    assert options.get("weight", 0.01) == weight
    assert options.get("window", 50) == window


def test_study_options_move_the_default():
    study = parse_config(minimal(methods={"spectral": {"window": 10}}), "toy")
    assert canonical_method("spectral@window=10", study.methods) == "spectral"
    assert canonical_method("spectral@window=50", study.methods) == "spectral@window=50"
    assert loss_options(study, "spectral")["window"] == 10
    assert loss_options(study, "spectral@window=1")["window"] == 1


def test_cells_are_the_product_in_order_and_shared_between_experiments():
    content = minimal()
    content["experiments"]["sweep"] = {
        **content["experiments"]["main"],
        "methods": ["spectral@window=50", "spectral@window=1"],
        "seeds": [0, 1],
    }
    study = parse_config(content, "toy")
    assert [str(cell.path) for cell in experiment_cells(study, "main")] == [
        "dataset=phantom/arch=unet/method=ce/seed=0",
        "dataset=phantom/arch=unet/method=spectral/seed=0",
    ]
    assert len(experiment_cells(study, "sweep")) == 4
    assert len(study_cells(study)) == 5
    assert len(trained_cells(study, study_cells(study))) == 5


def cell(method="spectral", seed=0):
    return Cell("phantom", "unet", method, seed)


def test_a_loss_weight_changes_the_recipes_of_its_method_alone():
    before = parse_config(minimal(), "toy")
    after = parse_config(minimal(methods={"spectral": {"weight": 0.5}}), "toy")
    assert training_recipe(resolve(before, cell())) != training_recipe(resolve(after, cell()))
    assert evaluation_recipe(resolve(before, cell())) != evaluation_recipe(resolve(after, cell()))
    assert training_recipe(resolve(before, cell("ce"))) == training_recipe(resolve(after, cell("ce")))
    assert preparation_recipe(before, "phantom") == preparation_recipe(after, "phantom")


@pytest.mark.parametrize(
    ("change", "retrains", "rescores", "reprepares"),
    [
        ({"training": {"learning_rate": 0.5}}, True, True, False),
        ({"training": {"checkpoint_interval": 3}}, False, False, False),
        ({"training": {"log_interval": 3}}, False, False, False),
        ({"training": {"validation_interval": 3}}, False, False, False),
        ({"training": {"validation_interval": 3, "select": "best"}}, True, True, False),
        ({"architectures": {"unet": {"options": {"channels": [4, 8]}}}}, True, True, False),
        ({"evaluation": {"nsd_tolerance_mm": 1}}, False, True, False),
        ({"inference": {"overlap": 0.25}}, False, True, False),
        ({"preparation": {"dtype": "float16"}}, False, False, True),
        ({"preparation": {"workers": 3}}, False, False, False),
        ({"datasets": {"phantom": {"options": {"cases": 7}}}}, False, False, True),
        ({"description": "other words", "compute": {"threads": 2}}, False, False, False),
    ],
)
def test_what_each_setting_makes_run_again(change, retrains, rescores, reprepares):
    """Preparation reaches the later steps through the manifest, not through their recipes."""
    before, after = parse_config(minimal(), "toy"), parse_config(minimal(**change), "toy")
    assert (training_recipe(resolve(before, cell())) != training_recipe(resolve(after, cell()))) == retrains
    assert (evaluation_recipe(resolve(before, cell())) != evaluation_recipe(resolve(after, cell()))) == rescores
    assert (preparation_recipe(before, "phantom") != preparation_recipe(after, "phantom")) == reprepares


def test_the_split_has_its_own_recipe():
    before, after = parse_config(minimal(), "toy"), parse_config(minimal(split={"seed": 4}), "toy")
    assert split_recipe(before, "phantom") != split_recipe(after, "phantom")
    assert training_recipe(resolve(before, cell())) == training_recipe(resolve(after, cell()))


def test_post_hoc_steps_share_the_training():
    study = parse_config(experiment(methods=["ce", "ce+temperature", "spectral@window=1+classwise_temperature"]), "toy")
    cells = study_cells(study)
    assert [c.method for c in cells] == ["ce", "ce+temperature", "spectral@window=1+classwise_temperature"]
    assert [c.method for c in trained_cells(study, cells)] == ["ce", "spectral@window=1"]
    assert training_recipe(resolve(study, cell("ce"))) == training_recipe(
        resolve(study, trained_cells(study, cells[1:2])[0])
    )
    assert evaluation_recipe(resolve(study, cell("ce"))) != evaluation_recipe(resolve(study, cell("ce+temperature")))
    with pytest.raises(ConfigError, match="unknown post-hoc step"):
        parse_config(experiment(methods=["ce+nothing"]), "toy")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ensemble(ce+temperature)", "found one of 'ce\\+temperature'; a post-hoc step goes behind it"),
        ("ensemble(ensemble(ce))", "expected an ensemble of trained networks"),
        ("ensemble(ce)@members=1", "expected members=n with n of 2 or more behind the ensemble, found 'members=1'"),
        ("ensemble(ce)@weight=2.0", "found 'weight=2.0'"),
        ("ensemble(nothing)", "unknown method 'nothing'"),
        ("ensemble(ce", "unknown method 'ensemble\\(ce'"),
        ("ensemble(spectral@window=x)", "window"),
        ("ensemble(ce)+nothing", "unknown post-hoc step 'nothing'"),
    ],
)
def test_an_ensemble_that_cannot_be_read_is_refused_in_a_line(text, said):
    with pytest.raises(ConfigError, match=said) as refused:
        parse_method(text, where="experiments.main.methods")
    assert "\n" not in str(refused.value)


def ensembles(seeds, trained=10, method="ensemble(ce)"):
    grid = minimal()["experiments"]["main"]
    return parse_config(
        minimal(
            experiments={
                "main": {**grid, "seeds": list(range(trained))},
                "together": {**grid, "methods": ["ce", method, f"{method}+temperature"], "seeds": seeds},
            }
        ),
        "toy",
    )


def test_ensembles_of_ten_seeds_are_two_that_share_no_network():
    study = ensembles([0, 1])
    members = [parent_cells(study, cell("ensemble(ce)", seed)) for seed in (0, 1)]
    assert members == [tuple(cell("ce", seed) for seed in range(first, first + 5)) for first in (0, 5)]
    assert parent_cells(study, cell("ensemble(ce)+temperature", 1)) == members[1]
    assert parent_cells(study, cell("spectral+temperature", 1)) == (cell("spectral", 1),)
    assert [c for c in trained_cells(study, study_cells(study)) if c.method == "ce"] == [*members[0], *members[1]]
    assert [is_trained(study, cell(method)) for method in ("ce", "ce+temperature", "ensemble(ce)")] == [
        True,
        False,
        False,
    ]


def test_an_ensemble_of_seeds_that_nobody_trains_is_refused():
    said = (
        "toy: experiments.together.seeds: 'ensemble(ce)' with seed 2 is made of seeds 10 to 14 of 'ce' on phantom with "
        "unet, but no experiment trains seed 10"
    )
    with pytest.raises(ConfigError, match=re.escape(said)):
        ensembles([0, 1, 2])
    with pytest.raises(ConfigError, match=r"is made of seeds 5 to 9 of 'ce' .* no experiment trains seed 8"):
        ensembles([0, 1], trained=8)
    with pytest.raises(ConfigError, match="no experiment trains seed 0"):
        ensembles([0], method="ensemble(focal)")
    assert len(study_cells(ensembles([0, 1, 2, 3, 4], method="ensemble(ce)@members=2"))) == 30


def test_scores_of_an_ensemble_are_identified_by_all_its_members(monkeypatch):
    study = ensembles([0, 1])
    first, second = (evaluation_identity(resolve(study, cell("ensemble(ce)", seed))) for seed in (0, 1))
    assert first["weights"] == [training_recipe(resolve(study, cell("ce", seed))) for seed in range(5)]
    assert set(first["weights"]).isdisjoint(second["weights"])
    assert evaluation_recipe(resolve(study, cell("ensemble(ce)"))) != evaluation_recipe(
        resolve(study, cell("ensemble(ce)+temperature"))
    )
    plain, one = evaluation_recipe(resolve(study, cell("ensemble(ce)"))), evaluation_recipe(resolve(study, cell("ce")))
    monkeypatch.setitem(ENGINE, "ensemble", 2)
    assert evaluation_recipe(resolve(study, cell("ensemble(ce)"))) != plain
    assert evaluation_recipe(resolve(study, cell("ce"))) == one


def test_a_cell_is_found_by_its_path():
    name = Cell("acdc", "unet", "ensemble(spectral@weight=1.0,window=1)@members=3+temperature", 3)
    assert Cell.from_path(name.path) == name
    name = Cell("acdc", "unet", "spectral@weight=1.0,window=1+temperature", 3)
    assert Cell.from_path(name.path) == name
    assert Cell.from_path(name.path / "cases.csv") == name
    assert Cell.from_path(name.path.parent) is None
    assert Cell.from_path(name.path.with_name("seed=x")) is None
    assert Cell.from_path(name.path.with_name("seed=12more")) is None
