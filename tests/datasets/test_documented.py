"""docs/datasets.md says of every data set what its file says."""

import re
from pathlib import Path

import pytest
import yaml

from spectralcal.base import registry
from spectralcal.datasets._own import patient_of
from spectralcal.jobs.data_sets import build_dataset
from spectralcal.study.config import parse_config

PAGE = Path(__file__).parents[2] / "docs" / "datasets.md"
KINDS = ("datalist", "decathlon", "folder_pair", "nnunet_raw")


def rows(name):
    return [line for line in PAGE.read_text().splitlines() if line.startswith(f"| `{name}` |")]


@pytest.mark.parametrize("name", [name for name in registry.names("datasets") if name not in KINDS])
def test_facts(name):
    dataset = registry.load("datasets", name)()
    facts, *changes = rows(name)
    assert f"| {dataset.title} |" in facts
    assert ", ".join(dataset.classes) in facts
    if dataset.modality != "synthetic":
        assert f"| `{dataset.folder}` |" in facts
        assert dataset.licence in facts
        assert dataset.expected_cases is None or str(dataset.expected_cases) in facts
        assert ("open" in facts) == (dataset.open_access or "CC BY 4.0" in dataset.licence)
        assert changes


@pytest.mark.parametrize("name", KINDS)
def test_options_of_the_kinds(name):
    (row,) = rows(name)
    assert all(f"`{option}`" in row for option in registry.defaults("datasets", name))


def examples():
    for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL):
        yield parse_config({"study": "own", "architectures": {"unet": {}}, **yaml.safe_load(block)}, str(PAGE))


def test_the_example_of_own_data_is_a_valid_configuration():
    config, *_ = examples()
    (name,) = config.datasets
    assert config.kind_of(name) in KINDS
    pattern = config.options_of(name)["patient"]
    assert patient_of(name, "case_00012_0", pattern) == "case_00012"
    assert config.split_of(name).file.name == "splits_final.json"


def test_the_example_of_pictures_is_a_valid_configuration():
    _, config, *_ = examples()
    dataset = build_dataset(config, "polyps")
    assert (dataset.label_map, dataset.classes) == ({0: 0, 255: 1}, ("polyp",))
    assert patient_of("polyps", "p12_3", dataset.patient) == "p12"
    assert config.training_of("polyps").patch == (224, 224)
