"""Facts of a data set beside its manifest: what they say, that damage is seen, and data of before there were any."""

import hashlib
import json
from dataclasses import fields, replace

import pytest

from spectralcal.base.errors import DataError
from spectralcal.datasets import DataFacts
from spectralcal.datasets.brats2020 import Brats2020
from spectralcal.datasets.hippocampus import Hippocampus
from spectralcal.datasets.phantom import Phantom
from spectralcal.preparation import data_facts, prepare_dataset
from spectralcal.preparation.facts import FILE, write_facts

HIPPOCAMPUS = DataFacts(("anterior", "posterior"), 3, "mm", ("T1",))


def test_preparation_writes_what_the_data_set_says(make_set, tmp_path):
    dataset, root = make_set(count=2)
    prepare_dataset(dataset, root, tmp_path / "out")
    assert dataset.facts == HIPPOCAMPUS == data_facts(tmp_path / "out")


def test_the_manifest_and_the_records_of_cases_have_the_bytes_of_before_there_were_facts(tmp_path):
    manifest = prepare_dataset(Phantom(cases=2, shape=(8, 8, 8), anisotropic_share=0), tmp_path, tmp_path / "out")
    header = manifest.read_text().splitlines()[0]
    assert header == (
        "id,patient,stratum,shape,spacing_mm,original_shape,original_spacing_mm,affine,crop,labels,source_sha256,sha256"
    )
    record = json.loads((tmp_path / "out" / "cases" / "phantom_000" / "case.json").read_text())
    assert sorted(record["settings"]) == [
        "classes", "code", "crop_nonzero", "ct_clip", "dtype", "foreground_samples", "label_map", "modality",
        "normalize", "spacing_mm",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "facts",
    [
        HIPPOCAMPUS,
        Brats2020().facts,
        replace(HIPPOCAMPUS, spatial_dims=2, unit="px", channels=("red", "green", "blue"), multilabel=True, raters=3),
    ],
)
def test_they_come_back_as_they_were_written(tmp_path, facts):
    path = write_facts(facts, tmp_path)
    before = path.read_bytes()
    assert data_facts(tmp_path) == facts
    assert write_facts(facts, tmp_path).read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [FILE]


def test_nested_regions_are_the_data_sets_own():
    assert Brats2020().facts.nested == Brats2020.nested
    assert Hippocampus().facts.nested is None


def changed(content):
    return content | {"unit": "px"}


def another_version(content):
    rest = {key: value for key, value in content.items() if key not in ("raters", "sha256")}
    return {**rest, "sha256": hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()}


@pytest.mark.parametrize(
    ("change", "found"),
    [(changed, "found another"), (another_version, "of another version"), (lambda c: [], "found a list")],
)
def test_altered_facts_are_refused(tmp_path, change, found):
    path = write_facts(HIPPOCAMPUS, tmp_path)
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(DataError, match=rf"^{path}: expected .*{found}.*; run `spectralcal prepare` again$"):
        data_facts(tmp_path)


def test_facts_that_were_cut_off_are_refused(tmp_path):
    path = write_facts(HIPPOCAMPUS, tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="expected the facts of a data set"):
        data_facts(tmp_path)


def test_data_of_before_there_were_facts_have_them_in_their_records(make_set, tmp_path):
    dataset, root = make_set(count=2)
    prepare_dataset(dataset, root, tmp_path / "out")
    (tmp_path / "out" / FILE).unlink()
    assert data_facts(tmp_path / "out", Hippocampus) == HIPPOCAMPUS
    assert data_facts(tmp_path / "out") == replace(HIPPOCAMPUS, channels=("image",))


def test_data_of_before_of_a_data_set_with_nested_regions(tmp_path):
    assert data_facts(tmp_path, Brats2020) == Brats2020().facts


def test_nothing_prepared_has_no_facts(tmp_path):
    with pytest.raises(DataError, match="expected the record of a prepared case"):
        data_facts(tmp_path)


def test_every_field_is_stored(tmp_path):
    stored = json.loads(write_facts(HIPPOCAMPUS, tmp_path).read_text())
    assert set(stored) == {field.name for field in fields(DataFacts)} | {"sha256"}
