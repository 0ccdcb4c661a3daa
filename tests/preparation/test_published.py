"""Splits that others published: three parts, folds of nnU-Net, names of cases or of patients."""

import json
import unicodedata
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectralcal.base.errors import DataError
from spectralcal.data.splits import PARTS
from spectralcal.preparation import check_split, published_split, split_patients


@dataclass(frozen=True)
class Item:
    id: str
    patient: str
    stratum: str = ""


def items(patients, frames=2, strata=1):
    return [Item(f"p{p:02d}_f{f}", f"p{p:02d}", f"s{p % strata}") for p in range(patients) for f in range(frames)]


def store(tmp_path, content):
    path = tmp_path / "split.json"
    path.write_text(json.dumps(content))
    return path


def test_three_parts_are_taken_as_they_are(tmp_path):
    cases = items(12)
    ours = split_patients(cases)
    assert published_split(store(tmp_path, {**ours, "origin": "a paper"}), cases, seed=9) == ours


@pytest.mark.parametrize("entry", [None, True, ["p00"], {"case": "p00"}])
def test_entries_of_another_type_are_refused(tmp_path, entry):
    cases = items(12)
    split = split_patients(cases)
    content = split | {"train": [entry, *split["train"]]}
    with pytest.raises(DataError, match=r"split\.json: .*train"):
        published_split(store(tmp_path, content), cases)


def test_entries_may_be_in_another_unicode_form(tmp_path):
    cases = [Item(unicodedata.normalize("NFC", f"Jürgen {number}"), f"é{number}") for number in range(6)]
    split = split_patients(cases)
    content = {part: [unicodedata.normalize("NFD", case) for case in ids] for part, ids in split.items()}
    assert published_split(store(tmp_path, content), cases) == split


@pytest.mark.parametrize("form", ["{}", "{}.nii.gz", "imagesTr/{}.nii.gz"])
def test_entries_may_be_files(tmp_path, form):
    cases = items(12)
    ours = split_patients(cases)
    named = {part: [form.format(case) for case in ids] for part, ids in ours.items()}
    assert published_split(store(tmp_path, named), cases) == ours


def test_entries_may_be_patients(tmp_path):
    parts = {"train": ["p00", "p01"], "val": ["p02"], "test": ["p03"]}
    split = published_split(store(tmp_path, parts), items(4))
    assert split == {"train": ["p00_f0", "p00_f1", "p01_f0", "p01_f1"], "val": ["p02_f0", "p02_f1"],
                     "test": ["p03_f0", "p03_f1"]}  # fmt: skip


@given(st.integers(5, 40), st.integers(1, 3), st.integers(1, 4), st.integers(0, 20))
@settings(max_examples=40, deadline=None)
def test_a_fold_of_nnunet_is_tested_on_its_held_out_part(tmp_path_factory, patients, frames, strata, seed):
    cases = items(patients, frames, strata)
    folds = []
    for fold in range(5):
        held = [case.id for case in cases if int(case.patient[1:]) % 5 == fold]
        folds.append({"train": [case.id for case in cases if case.id not in held], "val": held})
    path = store(tmp_path_factory.mktemp("split"), folds)
    split = published_split(path, cases, fold=seed % 5, seed=seed)
    check_split(split, cases)
    assert split["test"] == sorted(folds[seed % 5]["val"])
    remaining = patients - len(split["test"]) // frames
    assert len(split["val"]) == frames * max(1, int(remaining / 5 + 0.5))
    assert published_split(path, cases[::-1], fold=seed % 5, seed=seed) == split


def test_validation_keeps_the_shares_of_strata(tmp_path):
    cases = items(20, 1, 2)
    fold = {"train": [case.id for case in cases[:15]], "val": [case.id for case in cases[15:]]}
    split = published_split(store(tmp_path, [fold]), cases, ratio=(3, 2, 1))
    even = [int(name[1:3]) % 2 for name in split["val"]]
    assert (len(even), sum(even)) == (6, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "expected a fold from 0 to -1, found 0"),
        ({"train": ["p00"]}, "expected train, val and test"),
        ({"train": "p00", "val": ["p01"]}, "expected train, val and test"),
        ("text", "train, val and test, or a list of folds with train and val.*, found a text"),
        ({"train": ["p00", "p01"], "val": ["p02"], "test": ["p04"]}, "'test' names p04, which is no case or patient"),
        ({"train": ["p00", "p01"], "val": ["p02"], "test": ["p02"]}, "named twice"),
        ({"train": ["p00", "p01", "p03_f0"], "val": ["p02"], "test": ["p03_f1"]}, "patient p03 is in"),
        ({"train": ["p00", "p01"], "val": ["p02"], "test": []}, "at least one case in 'test'"),
        ({"train": ["p00"], "val": ["p02"], "test": ["p03"]}, "in no part"),
        ([{"train": ["p00"], "val": ["p01", "p02", "p03"]}], "at least two patients in 'train'"),
        ([{"train": ["p00", "p01", "p02", "p03_f0"], "val": ["p03_f1"]}], "patient p03 is in"),
    ],
)
def test_mistakes_are_named(tmp_path, content, message):
    path = store(tmp_path, content)
    with pytest.raises(DataError, match=message) as caught:
        published_split(path, items(4))
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("text", ["{", ""])
def test_damaged_and_missing_files(tmp_path, text):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(DataError, match=r"bad\.json: expected a split as JSON"):
        published_split(tmp_path / "bad.json", items(4))
    with pytest.raises(DataError, match=r"none\.json: expected a split as JSON .*no such file"):
        published_split(tmp_path / "none.json", items(4))


def test_a_fold_that_is_not_there(tmp_path):
    fold = {"train": ["p00", "p01", "p02"], "val": ["p03"]}
    with pytest.raises(DataError, match="expected a fold from 0 to 1, found 2"):
        published_split(store(tmp_path, [fold, fold]), items(4), fold=2)
    assert set(published_split(store(tmp_path, [fold, fold]), items(4), fold=1)) == set(PARTS)
