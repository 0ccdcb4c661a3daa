import json
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectralcal.base.errors import DataError
from spectralcal.data.splits import PARTS
from spectralcal.preparation import check_split, read_split, split_patients, write_split


@dataclass(frozen=True)
class Item:
    id: str
    patient: str
    stratum: str = ""


def items(patients, frames=1, strata=("",)):
    return [
        Item(f"patient{p:03d}_frame{f}", f"patient{p:03d}", strata[p % len(strata)])
        for p in range(patients)
        for f in range(frames)
    ]


@pytest.mark.parametrize(
    ("patients", "expected"),
    [(369, (245, 62, 62)), (10, (6, 2, 2)), (361, (241, 60, 60)), (100, (66, 17, 17)), (60, (40, 10, 10)),
     (50, (34, 8, 8)), (3, (1, 1, 1))],
)  # fmt: skip
def test_sizes_of_the_papers_sets(patients, expected):
    split = split_patients(items(patients))
    assert tuple(len(split[part]) for part in PARTS) == expected


@given(st.integers(6, 80), st.integers(1, 3), st.integers(1, 5), st.integers(0, 50))
@settings(max_examples=60, deadline=None)
def test_every_case_once_and_every_patient_on_one_side(patients, frames, strata, seed):
    cases = items(patients, frames, [f"s{i}" for i in range(strata)])
    split = split_patients(cases, seed=seed)
    check_split(split, cases)
    assert sorted(id for part in PARTS for id in split[part]) == sorted(case.id for case in cases)
    assert len(split["val"]) == len(split["test"]) == frames * int(patients / 6 + 0.5)


@given(st.integers(0, 20))
def test_strata_keep_their_shares(seed):
    cases = items(100, 2, ["DCM", "HCM", "MINF", "NOR", "RV"])
    split = split_patients(cases, seed=seed)
    stratum = {case.id: case.stratum for case in cases}
    for part in ("val", "test"):
        counts = [sum(stratum[id] == name for id in split[part]) // 2 for name in ("DCM", "HCM", "MINF", "NOR", "RV")]
        assert sorted(counts) == [3, 3, 3, 4, 4]


def test_order_of_cases_does_not_matter_but_the_seed_does():
    cases = items(30, 2)
    assert split_patients(cases, seed=1) == split_patients(cases[::-1], seed=1)
    assert split_patients(cases, seed=1) != split_patients(cases, seed=2)


def test_the_split_of_a_seed_never_changes():
    # results of a study refer to it
    assert split_patients(items(12), seed=0)["test"] == ["patient001_frame0", "patient008_frame0"]


@pytest.mark.parametrize("patients", [0, 1, 2])
def test_too_few_patients(patients):
    with pytest.raises(DataError, match=f"got {patients} patients"):
        split_patients(items(patients, 5))


def test_bad_ratio():
    with pytest.raises(ValueError, match="three positive"):
        split_patients(items(10), ratio=(4, 1))


def test_round_trip(tmp_path):
    cases = items(12, 2)
    split = split_patients(cases, seed=3)
    path = write_split(tmp_path / "splits" / "x.json", split, dataset="x", seed=3)
    found = read_split(path, cases)
    assert {part: found[part] for part in PARTS} == split
    assert (found["dataset"], found["seed"], found["ratio"]) == ("x", 3, [4, 1, 1])
    first = path.read_bytes()
    write_split(path, split, dataset="x", seed=3)
    assert path.read_bytes() == first


def swap(split):
    split["train"][0], split["test"][0] = split["test"][0], split["train"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (swap, "patient .* is in"),
        (lambda s: s["val"].append("patient999_frame0"), "not in the manifest"),
        (lambda s: s["val"].append(s["val"][0]), "named twice"),
        (lambda s: s["train"].pop(), "in no part"),
        (lambda s: s["test"].clear(), "at least one case in 'test'"),
    ],
)
def test_check_split_finds(change, message):
    cases = items(12, 2)
    split = split_patients(cases)
    change(split)
    with pytest.raises(DataError, match=message):
        check_split(split, cases)


def test_a_split_edited_by_hand_is_refused(tmp_path):
    cases = items(12, 1)
    path = write_split(tmp_path / "x.json", split_patients(cases), dataset="x", seed=0)
    content = json.loads(path.read_text())
    swap(content)
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="expected hash"):
        read_split(path, cases)


@pytest.mark.parametrize("text", ['{"train": [', "[]", '{"train": []}'])
def test_a_damaged_split_is_refused(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"x\.json: expected"):
        read_split(path, items(6))


@pytest.mark.parametrize("value", [None, 3, "p0", {"p0": 1}, [None], [["p0"]], [1]])
@pytest.mark.parametrize("part", ["train", "test", "left_out"])
def test_a_split_with_values_of_another_type_is_refused(tmp_path, part, value):
    cases = items(12)
    path = write_split(tmp_path / "x.json", split_patients(cases), dataset="x", seed=0)
    content = json.loads(path.read_text()) | {part: value}
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=rf"x\.json: '{part}': expected a list of case ids"):
        read_split(path, cases)


def test_a_missing_split_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"none\.json: expected a split"):
        read_split(tmp_path / "none.json", items(6))
