"""What a result is identified by: what must count, and what must not."""

import json

import pytest
from studies import experiment, minimal

from spectralcal.base import registry
from spectralcal.study import numerics, recipe
from spectralcal.study.config import parse_config
from spectralcal.study.grid import Cell
from spectralcal.study.recipe import (
    differences,
    evaluation_identity,
    evaluation_recipe,
    preparation_recipe,
    probe_recipe,
    split_recipe,
    training_identity,
    training_recipe,
)
from spectralcal.study.resolved import resolve

CE = Cell("phantom", "unet", "ce", 0)
BEST = {"select": "best", "validation_interval": 1}


def config(**changes):
    return parse_config(minimal(**changes), "toy")


def recipes(study, cell=CE):
    return {
        "preparation": preparation_recipe(study, cell.dataset),
        "split": split_recipe(study, cell.dataset),
        "training": training_recipe(resolve(study, cell)),
        "scoring": evaluation_recipe(resolve(study, cell)),
        "maps": probe_recipe(study, "maps", cell.dataset, cell.architecture, cell.seed),
        "hotspots": probe_recipe(study, "hotspots", cell.dataset, cell.architecture, cell.seed),
    }


def changed(before, after):
    return {step for step in before if before[step] != after[step]}


@pytest.mark.parametrize(
    ("part", "steps"),
    [
        # Preparation and split reach the later steps through the hashes of what they made.
        ("preparation", {"preparation"}),
        ("split", {"split"}),
        ("training", {"training", "scoring", "maps", "hotspots"}),
        ("prediction", {"scoring", "maps"}),
        ("scoring", {"scoring"}),
        ("post-hoc fit", set()),
    ],
)
def test_a_raised_integer_makes_the_results_of_its_part_new(part, steps, monkeypatch):
    before = recipes(config())
    monkeypatch.setitem(numerics.ENGINE, part, numerics.ENGINE[part] + 1)
    assert changed(before, recipes(config())) == steps


def test_every_part_of_the_engine_counts_somewhere(monkeypatch):
    drawn = {"evaluation": {"conditions": {"drawn": {"samples": 2}}}}
    study = parse_config(experiment(methods=["ce", "ce+temperature"]) | drawn, "toy")
    cells = [Cell("phantom", "unet", method, 0) for method in ("ce+temperature", "ensemble(ce)")]

    def everything():
        return [recipes(study, cell) for cell in cells], evaluation_recipe(resolve(study, CE, "drawn"))

    for part in numerics.ENGINE:
        before = everything()
        with monkeypatch.context() as patched:
            patched.setitem(numerics.ENGINE, part, 99)
            assert before != everything(), part


@pytest.mark.parametrize(("kind", "name", "steps"), [
    ("losses", "ce", {"training", "scoring", "maps", "hotspots"}),
    ("models", "unet", {"training", "scoring", "maps", "hotspots"}),
    ("datasets", "phantom", {"preparation"}),
    ("probes", "maps", {"maps"}),
    ("probes", "hotspots", {"hotspots"}),
])  # fmt: skip
def test_the_integer_of_an_entry_counts_for_what_uses_it(kind, name, steps, monkeypatch):
    before = recipes(config())
    plain = registry.constant
    monkeypatch.setattr(
        registry, "constant", lambda k, n, c: 2 if (k, n, c) == (kind, name, "NUMERICS") else plain(k, n, c)
    )
    assert changed(before, recipes(config())) == steps


def test_inference_counts_for_weights_that_are_selected_by_it():
    overlap = {"inference": {"overlap": 0.25}}
    last = training_recipe(resolve(config(), CE)), training_recipe(resolve(config(**overlap), CE))
    best = (
        training_recipe(resolve(config(training=BEST), CE)),
        training_recipe(resolve(config(training=BEST, **overlap), CE)),
    )
    assert last[0] == last[1]
    assert best[0] != best[1]


def test_nested_regions_count_for_scores_and_not_for_weights(monkeypatch):
    def both():
        return training_recipe(resolve(study, cell)), evaluation_recipe(resolve(study, cell))

    entry = experiment(datasets=["brats2020"])["experiments"]
    study = parse_config(minimal(datasets={"brats2020": {}}, experiments=entry), "toy")
    cell = Cell("brats2020", "unet", "ce", 0)
    before = both()
    assert evaluation_identity(resolve(study, cell))["nested"] == {"whole tumour": (1, 2, 3), "tumour core": (1, 3)}
    monkeypatch.setattr(registry.load("datasets", "brats2020"), "nested", {"whole tumour": (1, 2)})
    assert both()[0] == before[0]
    assert both()[1] != before[1]


def test_a_value_that_is_the_default_is_no_other_setting():
    """So that a key that is added later, at a default that does what was done before, leaves results valid."""
    assert training_recipe(resolve(config(training={"momentum": 0.99}), CE)) == training_recipe(resolve(config(), CE))
    assert training_recipe(resolve(config(training={"momentum": 0.9}), CE)) != training_recipe(resolve(config(), CE))
    channels = list(registry.defaults("models", "unet")["channels"])
    spelled = config(architectures={"unet": {"options": {"channels": channels}}})
    fewer = config(architectures={"unet": {"options": {"channels": channels[:-1]}}})
    assert training_recipe(resolve(spelled, CE)) == training_recipe(resolve(config(), CE))
    assert training_recipe(resolve(fewer, CE)) != training_recipe(resolve(config(), CE))


def test_the_name_of_an_architecture_is_no_part_of_what_it_is():
    entry = experiment(architectures=["small"])["experiments"]
    renamed = config(architectures={"small": {"network": "unet"}}, experiments=entry)
    assert training_recipe(resolve(renamed, Cell("phantom", "small", "ce", 0))) == training_recipe(
        resolve(config(), CE)
    )


@pytest.fixture
def own_loss(tmp_path, monkeypatch):
    """A package whose losses have one of somebody's own, which declares no integer."""
    (tmp_path / "losses").mkdir()
    mine = tmp_path / "losses/mine.py"
    text = "class Mine:\n    def __init__(self, strength: float = 0.1) -> None:\n        self.strength = strength\n\n\n"
    text += "LOSS = Mine\n"
    mine.write_text(text, encoding="utf-8")
    registry.forget()
    monkeypatch.setattr(registry, "PACKAGE", tmp_path)
    yield mine
    registry.forget()


def test_ones_own_loss_is_what_its_file_says(own_loss):
    before = numerics.component("losses", "mine")
    assert set(before) == {"source"}
    text = own_loss.read_text(encoding="utf-8")
    own_loss.write_text(f'"""What it is."""\n# why\n{text}', encoding="utf-8")
    assert numerics.component("losses", "mine") == before
    own_loss.write_text(text.replace("= strength", "= 2 * strength"), encoding="utf-8")
    assert numerics.component("losses", "mine") != before


def test_identities_survive_json_and_say_what_differs():
    before, after = config(), config(training={"steps": 7}, methods={"spectral": {"weight": 0.5}})
    cell = Cell("phantom", "unet", "spectral", 0)
    kept = json.loads(json.dumps(training_identity(resolve(before, cell))))
    assert recipe.digest(kept) == training_recipe(resolve(before, cell))
    assert differences(kept, training_identity(resolve(before, cell))) == []
    assert differences(kept, training_identity(resolve(after, cell))) == [
        "loss.options.weight: the default there, 0.5 now",
        "training.steps: the default there, 7 now",
    ]
