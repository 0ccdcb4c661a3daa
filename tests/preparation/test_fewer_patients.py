"""A split with fewer training patients: nested, whole patients, the other parts untouched, damage noticed."""

import json
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectralcal.base.errors import DataError
from spectralcal.preparation import check_split, keep_train_patients, read_split, split_patients, write_split


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


@given(st.integers(6, 80), st.integers(1, 3), st.integers(1, 5), st.integers(0, 50), st.data())
@settings(max_examples=60, deadline=None)
def test_fewer_patients_are_among_more_and_nothing_else_moves(patients, frames, strata, seed, data):
    cases = items(patients, frames, [f"s{i}" for i in range(strata)])
    patient = {case.id: case.patient for case in cases}
    whole = split_patients(cases, seed=seed)
    total = len({patient[case] for case in whole["train"]})
    fewer, more = sorted(data.draw(st.tuples(st.integers(1, total), st.integers(1, total))))
    small, large = (keep_train_patients(whole, cases, count, seed) for count in (fewer, more))
    assert set(small["train"]) <= set(large["train"]) <= set(whole["train"])
    for count, split in ((fewer, small), (more, large)):
        assert len({patient[case] for case in split["train"]}) == count
        assert len(split["train"]) == count * frames, "a patient keeps all of its cases"
        assert (split["val"], split["test"]) == (whole["val"], whole["test"])
        assert sorted(split["train"] + split["left_out"]) == whole["train"]
        check_split(split, cases)


def test_all_patients_are_the_split_itself():
    cases = items(12, 2)
    whole = split_patients(cases)
    kept = keep_train_patients(whole, cases, 8)
    assert {part: kept[part] for part in whole} == whole
    assert kept["left_out"] == []


def test_who_is_kept_never_changes():
    # results of a study refer to it
    cases = items(12)
    assert keep_train_patients(split_patients(cases), cases, 2)["train"] == ["patient003_frame0", "patient009_frame0"]


def test_the_order_of_cases_does_not_matter_but_the_seed_does():
    cases = items(30, 2)
    whole = split_patients(cases, seed=1)
    assert keep_train_patients(whole, cases, 5, 1) == keep_train_patients(whole, cases[::-1], 5, 1)
    assert keep_train_patients(whole, cases, 5, 1) != keep_train_patients(whole, cases, 5, 2)


def test_more_patients_than_there_are_is_an_error():
    cases = items(12)
    with pytest.raises(DataError, match=r"split.train_patients: expected at most the 8 patients .*, found 9; lower it"):
        keep_train_patients(split_patients(cases), cases, 9)
    with pytest.raises(ValueError, match="at least one"):
        keep_train_patients(split_patients(cases), cases, 0)


def test_the_file_says_who_was_left_out_and_is_checked(tmp_path):
    cases = items(12, 2)
    split = keep_train_patients(split_patients(cases), cases, 3)
    path = write_split(tmp_path / "x.json", split, dataset="x", seed=0)
    stored = read_split(path, cases)
    assert {part: stored[part] for part in split} == split
    content = json.loads(path.read_text())

    def damaged(**changes):
        path.write_text(json.dumps(content | changes))
        return path

    with pytest.raises(DataError, match=r"1 case\(s\) of the manifest in no part"):
        read_split(damaged(left_out=split["left_out"][1:]), cases)
    with pytest.raises(DataError, match="named twice, the second time in 'left_out'"):
        read_split(damaged(left_out=[*split["left_out"], split["test"][0]]), cases)
    moved = [case for case in split["left_out"] if case != split["left_out"][0]]
    with pytest.raises(DataError, match="is in 'test' and in 'left_out'"):
        check_split({**split, "test": [*split["test"], split["left_out"][0]], "left_out": moved}, cases)
