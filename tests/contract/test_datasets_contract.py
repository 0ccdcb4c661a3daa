"""What every registered data set keeps, whoever wrote it."""

import pickle
import re
import subprocess
import sys

import pytest

from spectralcal.base import registry
from spectralcal.base.errors import DataError
from spectralcal.datasets import Dataset
from spectralcal.study.config import read_paper

PAPER = {"ACDC", "ATLAS2023", "BraTS2020", "FLARE2021", "PROMISE2012", "iSeg2017"}

everything = pytest.mark.parametrize("name", registry.names("datasets"))


def test_the_sets_of_the_study_are_registered():
    named = read_paper("spectral_entropy").datasets
    assert set(named.values()) == PAPER
    assert set(named) <= set(registry.names("datasets"))
    assert {"phantom", "hippocampus"} <= set(registry.names("datasets"))


@everything
def test_facts_are_stated(name):
    entry = registry.load("datasets", name)
    dataset = entry(**registry.defaults("datasets", name))
    assert isinstance(dataset, Dataset)
    assert dataset.name == name
    for attribute in ("title", "folder", "licence", "citation", "source"):
        assert getattr(dataset, attribute).strip(), attribute
    assert dataset.modality in ("mr", "ct", "photo", "synthetic")
    assert dataset.channels
    assert dataset.classes
    assert len(set(dataset.classes)) == len(dataset.classes) == dataset.num_classes - 1
    assert dataset.spatial_dims == (3 if dataset.pictures is None else 2)
    assert dataset.unit in ("mm", "px")
    assert dataset.facts.classes == tuple(dataset.classes)
    assert entry.__doc__
    if dataset.label_map is not None:
        assert dataset.label_map[0] == 0
        assert set(dataset.label_map.values()) == set(range(dataset.num_classes))


@everything
def test_it_can_be_sent_to_a_process(name):
    dataset = registry.load("datasets", name)()
    again = pickle.loads(pickle.dumps(dataset))
    assert vars(again) == vars(dataset)


@everything
def test_a_missing_set_says_how_to_get_it(name, tmp_path):
    dataset = registry.load("datasets", name)()
    if dataset.modality == "synthetic":
        assert dataset.locate(tmp_path) is not None
        return
    assert dataset.locate(tmp_path) is None
    recipe = dataset.recipe(tmp_path)
    assert re.search(r"https://\S+", recipe)
    assert str(tmp_path / dataset.folder) in recipe
    if not dataset.open_access:
        with pytest.raises(DataError, match="cannot be downloaded automatically"):
            dataset.fetch(tmp_path)


@everything
def test_an_empty_folder_is_an_error_that_names_the_layout(name, tmp_path):
    dataset = registry.load("datasets", name)()
    if dataset.modality == "synthetic":
        assert len(dataset.cases(tmp_path)) == dataset.expected_cases
        return
    with pytest.raises(DataError, match=rf"^{name}: .*expected"):
        dataset.cases(tmp_path)


def test_listing_the_sets_imports_nothing_heavy():
    # the workflow starts a process for each job; reading voxels and resampling import what they need
    code = """
import sys
import spectralcal.preparation
from spectralcal import registry
for name in registry.names("datasets"):
    registry.load("datasets", name)()
print(sorted({"torch", "monai", "nibabel", "SimpleITK", "PIL", "scipy", "pandas", "pooch"} & set(sys.modules)))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
