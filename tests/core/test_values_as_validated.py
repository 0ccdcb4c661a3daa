"""The value that was validated is the one that is used, wherever a configuration has options."""

import copy

import pytest
import yaml
from studies import minimal

from spectralcal.base import registry
from spectralcal.base.errors import ConfigError
from spectralcal.base.options import as_numbers
from spectralcal.study.config import load_config, parse_config
from spectralcal.study.grid import study_cells
from spectralcal.study.methods import loss_options

NUMBERS = [
    (kind, name, option)
    for kind in ("datasets", "losses", "models", "figures", "tables")
    for name in registry.names(kind)
    for option, field in registry.options_model(kind, name).model_fields.items()
    if field.annotation is float
]


@pytest.mark.parametrize(("kind", "name", "option"), NUMBERS, ids=lambda value: value)
def test_a_text_that_yaml_makes_of_a_number_is_a_number(kind, name, option):
    model = registry.options_model(kind, name)
    value = model.model_validate({option: yaml.safe_load("1e-1")}).model_dump()[option]
    assert (type(value), value) == (float, 0.1)


def test_options_arrive_as_they_were_checked(tmp_path):
    content = minimal(
        datasets={"phantom": {"options": {"noise": "1e-1", "shape": ["16", 16, 16]},
                              "architectures": {"own": {"options": {"dropout": "5e-1"}}}}},
        architectures={"unet": {}, "own": {"network": "unet", "options": {"channels": ["4", "8", "8"]}}},
        methods={"spectral": {"weight": "1e-2"}},
        tables={"table4": {"experiment": "main", "options": {"experiments": ["main"]}}},
    )  # fmt: skip
    fields = registry.options_model("models", "unet").model_fields
    if "dropout" not in fields:
        del content["datasets"]["phantom"]["architectures"]
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    for study in (load_config(file), parse_config(copy.deepcopy(content), "here")):
        assert study.options_of("phantom") == {"noise": 0.1, "shape": [16, 16, 16]}
        assert study.architectures["own"].options == {"channels": [4, 8, 8]}
        assert study.methods["spectral"] == {"weight": 0.01}
        assert loss_options(study, "spectral")["weight"] == 0.01
        again = parse_config(study.model_dump(mode="json"), "again")  # as every verb reads it from config.json
        assert again == study


def test_options_of_any_type_know_numbers_too():
    assert as_numbers({"a": ["1e-3", ".5e1", "-2E+4", "1e", "x", "0x1e3"]}) == {
        "a": [1e-3, 5.0, -2e4, "1e", "x", "0x1e3"]
    }
    model = registry.options_model("losses", "torch.nn:CrossEntropyLoss")
    assert model.model_validate({"label_smoothing": "1e-1"}).label_smoothing == 0.1


def test_what_json_cannot_hold_is_one_line():
    content = minimal(architectures={"unet": {"options": {"channels": b"\xff\xfe"}}})
    with pytest.raises(ConfigError, match=r"architectures\.unet\.options"):
        parse_config(content, "here")


def outputs(**changes):
    content = {**minimal(tables={"table1": {"experiment": "main"}}), **changes}
    del content["paper"]
    return content


def test_a_missing_paper_is_the_one_whose_outputs_are_asked_for():
    assert parse_config(outputs(), "here").paper == "spectral_entropy"
    assert parse_config(outputs(tables={}), "here").paper is None
    assert parse_config(outputs(tables={"cost": {"experiment": "main"}}), "here").paper is None
    by_source = outputs(tables={"mine": {"experiment": "main", "source": "table1"}})
    assert parse_config(by_source, "here").paper == "spectral_entropy"
    assert study_cells(parse_config(outputs(), "here"))


@pytest.mark.parametrize(
    "content",
    [outputs() | {"paper": None}, outputs(tables={"table1": {"experiment": "main"}, "no": {"experiment": "main"}})],
)
def test_none_is_taken_where_it_is_refused_or_does_not_fit(content):
    with pytest.raises(ConfigError, match="unknown table"):
        parse_config(content, "here")
