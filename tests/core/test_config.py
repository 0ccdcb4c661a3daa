"""Each mistake in a configuration is one line that names file, key, value and the valid choices."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from studies import experiment, minimal

from spectralcal.base.errors import ConfigError
from spectralcal.study.config import load_config, parse_config, schema_text

ROOT = Path(__file__).parents[2]


def test_defaults_are_the_papers():
    study = parse_config(minimal(), "toy.yaml")
    training = study.training_of("phantom", "unet")
    assert (training.optimizer, training.learning_rate, training.batch_size) == ("sgd", 0.01, 2)
    assert training.patch == (96, 96, 96)
    assert study.split.ratio == (4, 1, 1)
    assert study.preparation.ct_clip == (-1000, 400)


def test_overrides_go_from_study_to_data_set_to_architecture():
    study = parse_config(
        minimal(
            training={"steps": 10, "patch": [8, 8, 8], "augmentation": {"noise_probability": 0.5}},
            datasets={"phantom": {"training": {"steps": 20, "augmentation": {"blur_probability": 0}}}},
            architectures={"unet": {"training": {"patch": [16, 16, 16]}}},
        ),
        "toy.yaml",
    )
    found = study.training_of("phantom", "unet")
    assert (found.steps, found.patch) == (20, (16, 16, 16))
    assert (found.augmentation.noise_probability, found.augmentation.blur_probability) == (0.5, 0)


def test_a_data_set_can_have_its_own_network_of_an_architecture():
    plain = {"network": None, "options": {"channels": [4, 8, 8]}, "training": {"steps": 5}}
    study = parse_config(
        minimal(
            architectures={"unet": plain},
            datasets={
                "phantom": {},
                "acdc": {
                    "architectures": {
                        "unet": {"network": "nnunet", "options": {"base_channels": 8}, "training": {"steps": 7}}
                    }
                },
            },
        ),
        "toy.yaml",
    )
    assert study.network_of("phantom", "unet") == "unet"
    assert study.architecture_of("phantom", "unet").options == {"channels": [4, 8, 8]}
    assert study.training_of("phantom", "unet").steps == 5
    assert study.network_of("acdc", "unet") == "nnunet"
    assert study.architecture_of("acdc", "unet").options == {"base_channels": 8}
    assert study.training_of("acdc", "unet").steps == 7


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (minimal(trainng={}), r"trainng: unknown key; did you mean 'training'\? expected 'study'"),
        (minimal(training={"stps": 3}), r"training\.stps: unknown key; did you mean 'steps'\?"),
        (minimal(training={"steps": "many"}), r"training\.steps: input should be a valid integer.*found 'many'"),
        (minimal(training={"steps": 0}), r"training\.steps: .*greater than or equal to 1, found 0"),
        (
            minimal(training={"optimizer": "adam"}),
            r"training\.optimizer: input should be 'sgd' or 'adamw', found 'adam'",
        ),
        (minimal(training={"select": "best"}), r"training: select 'best' needs validation_interval"),
        (minimal(datasets={"phantoms": {}}), r"datasets\.phantoms: unknown data set 'phantoms'; expected 'acdc'"),
        (minimal(datasets={"phantom": {"options": {"size": 3}}}), r"datasets\.phantom\.options\.size: unknown key"),
        (
            minimal(datasets={"phantom": {"training": {"batch": 3}}}),
            r"datasets\.phantom\.training\.batch: unknown key; did you mean 'patch'\?",
        ),
        (
            minimal(architectures={"unet": {}, "large": {"network": "net"}}),
            r"architectures\.large\.network: unknown architecture 'net'; expected .*'unet'",
        ),
        (
            minimal(architectures={"unet": {}, "large": {"network": "unet", "options": {"chanels": [4]}}}),
            r"architectures\.large\.options\.chanels: unknown key",
        ),
        (
            minimal(datasets={"phantom": {"architectures": {"vnet": {}}}}),
            r"datasets\.phantom\.architectures: 'vnet' is not under `architectures`; expected 'unet'",
        ),
        (
            minimal(datasets={"phantom": {"architectures": {"unet": {"network": "net"}}}}),
            r"datasets\.phantom\.architectures\.unet\.network: unknown architecture 'net'; expected .*'unet'",
        ),
        (
            minimal(datasets={"phantom": {"architectures": {"unet": {"options": {"depth": 3}}}}}),
            r"datasets\.phantom\.architectures\.unet\.options\.depth: unknown key",
        ),
        (minimal(architectures={"net": {}}), r"architectures\.net: unknown architecture 'net'; expected .*'unet'"),
        (
            minimal(methods={"spectral": {"windw": 3}}),
            r"methods\.spectral\.windw: unknown key; did you mean 'window'\?",
        ),
        (minimal(methods={"spektral": {}}), r"methods\.spektral: unknown method 'spektral'; expected .*'spectral'"),
        (experiment(methods=["ce", "magic"]), r"experiments\.main\.methods: unknown method 'magic'; expected 'ce'"),
        (
            experiment(methods=["spectral@windw=1"]),
            r"experiments\.main\.methods: 'spectral@windw=1': windw: unknown key; did you mean 'window'\?",
        ),
        (
            experiment(methods=["spectral@confidence=loudness"]),
            r"'spectral@confidence=loudness': confidence: input should be 'max_logit'",
        ),
        (experiment(methods=["spectral@window"]), r"cannot read 'window' in 'spectral@window'"),
        (
            experiment(methods=["ce+magic"]),
            r"'ce\+magic': unknown post-hoc step 'magic'; expected .*'classwise_temperature'",
        ),
        (experiment(methods=["spectral", "spectral@window=50"]), r"'spectral@window=50' and 'spectral' are the same"),
        (
            experiment(datasets=["acdc"]),
            r"experiments\.main\.datasets: 'acdc' is not under `datasets`; expected 'phantom'",
        ),
        (experiment(seeds=[1, 1]), r"experiments\.main\.seeds: names an entry twice"),
        (experiment(seeds=[]), r"experiments\.main\.seeds: .*at least 1 item"),
        (
            minimal(tables={"table9": {"experiment": "main"}}),
            r"tables\.table9: unknown table 'table9'; expected .*'table1'",
        ),
        (minimal(tables={"table1": {"experiment": "man"}}), r"tables\.table1\.experiment: unknown experiment 'man'"),
        (
            minimal(evaluation={"side": "validation"}, claims={"main": "main"}),
            r"evaluation\.side: validation: expected no `claims`, whose verdicts rest on test cases; remove",
        ),
        (
            experiment(methods=["ce+temperature"]) | {"evaluation": {"side": "validation"}},
            r"experiments\.main\.methods: 'ce\+temperature' is fitted to the cases that evaluation\.side",
        ),
        (minimal(study="a b"), r"study: string should match pattern"),
        ({"study": "x"}, r"datasets: required key is missing \(and 2 more\)"),
        ([1], r"expected a mapping of keys, found list"),
    ],
)
def test_mistakes_are_one_clear_line(tmp_path, content, message):
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "message"), [("a: [1", "not valid YAML"), (None, "cannot read the configuration")])
def test_unreadable_files(tmp_path, text, message):
    file = tmp_path / "study.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(file)


@pytest.mark.parametrize("name", ["config.yaml", *(f"config/{file.name}" for file in (ROOT / "config").glob("*.yaml"))])
def test_shipped_configurations_are_valid_by_class_and_by_schema(name):
    load_config(ROOT / name)
    schema = json.loads((ROOT / "workflow/schemas/config.schema.json").read_text())
    jsonschema.validate(yaml.safe_load((ROOT / name).read_text()), schema)


def test_committed_schema_is_in_sync_and_describes_every_key():
    assert (ROOT / "workflow/schemas/config.schema.json").read_text() == schema_text()
    schema = json.loads(schema_text())
    for section in [schema, *schema["$defs"].values()]:
        for key, value in section.get("properties", {}).items():
            assert value.get("description"), f"{section.get('title')}.{key} has no description"


def test_data_root_order(monkeypatch):
    study = parse_config(minimal(), "toy")
    monkeypatch.delenv("SPECTRALCAL_DATA", raising=False)
    assert study.raw_root == Path("data/raw")
    monkeypatch.setenv("SPECTRALCAL_DATA", "/somewhere")
    assert study.raw_root == Path("/somewhere")
    assert parse_config(minimal(data_root="/here"), "toy").raw_root == Path("/here")


def test_further_experiments_of_an_output_must_exist():
    content = minimal(tables={"table4": {"experiment": "main", "options": {"experiments": ["man"]}}})
    with pytest.raises(ConfigError, match=r"tables\.table4\.options\.experiments: unknown experiment 'man'"):
        parse_config(content, "toy")
