"""Descriptions in JSON with every type of value in every place: read, or refused in a line that names the file."""

import copy
import json

import nibabel
import numpy as np
import pytest

from spectralcal.base.errors import DataError
from spectralcal.datasets import json_values
from spectralcal.datasets.datalist import Datalist
from spectralcal.datasets.decathlon import Decathlon
from spectralcal.datasets.hippocampus import Hippocampus
from spectralcal.datasets.nnunet_raw import NnunetRaw

ANYTHING = [
    None,
    True,
    False,
    0,
    5,
    -1,
    1.5,
    "",
    " ",
    "x",
    [],
    [None],
    [1],
    ["a", "b"],
    [[]],
    {},
    {"a": 1},
    {"0": None},
]
LABELS = {"background": 0, "x": 1}
GOOD = {
    "nnunet": {"channel_names": {"0": "T2"}, "labels": LABELS, "file_ending": ".nii.gz", "numTraining": 1},
    "nnunet listed": {
        "channel_names": {"0": "T2"}, "labels": LABELS, "numTraining": 1,
        "dataset": {"a": {"images": ["imagesTr/a_0000.nii.gz"], "label": "labelsTr/a.nii.gz"}},
    },
    "decathlon": {
        "modality": {"0": "MRI"}, "labels": {"0": "background", "1": "x"}, "numTraining": 1,
        "training": [{"image": "imagesTr/a_0000.nii.gz", "label": "labelsTr/a.nii.gz"}],
    },
    "hippocampus": {"training": [{"image": "imagesTr/a_0000.nii.gz", "label": "labelsTr/a.nii.gz"}]},
    "datalist": {
        "labels": LABELS,
        "training": [
            {"image": "imagesTr/a_0000.nii.gz", "label": "labelsTr/a.nii.gz", "id": "a", "patient": "p", "stratum": "s"}
        ],
    },
}  # fmt: skip
KINDS = {
    "nnunet": NnunetRaw,
    "nnunet listed": NnunetRaw,
    "decathlon": Decathlon,
    "hippocampus": None,
    "datalist": Datalist,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("json")
    for name, high in (("imagesTr/a_0000.nii.gz", 90), ("labelsTr/a.nii.gz", 2)):
        (root / name).parent.mkdir()
        array = (np.arange(4 * 5 * 6).reshape(4, 5, 6) % high).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), root / name)
    return root


def places(content, at=()):
    """The way to each value of a JSON document, the document's own among them."""
    yield at
    inside = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in inside:
        yield from places(value, (*at, key))


def changed(content, at, value):
    if not at:
        return value
    content = copy.deepcopy(content)
    holder = content
    for key in at[:-1]:
        holder = holder[key]
    holder[at[-1]] = value
    return content


def read(kind, root, content):
    (root / "dataset.json").write_text(json.dumps(content))
    dataset = Hippocampus() if kind == "hippocampus" else KINDS[kind](str(_path(kind, root)))
    cases = dataset.cases(root)
    dataset.remarks(root)
    return [(case, dataset.load(case)) for case in cases], dataset


def _path(kind, root):
    return root / "dataset.json" if kind == "datalist" else root


@pytest.mark.parametrize(
    ("kind", "at"), [(kind, at) for kind, content in GOOD.items() for at in places(content)], ids=str
)
def test_any_value_in_any_place(root, kind, at):
    for value in ANYTHING:
        try:
            ((case, _),), dataset = read(kind, root, changed(GOOD[kind], at, value))
        except DataError as error:
            said = str(error)
            good = "\n" not in said and str(root) in said and "Error:" not in said
            if not good:
                pytest.fail(f"{at}, {value!r}: {said}")
            continue
        named = [case.id, case.patient, case.stratum, *dataset.channels, *dataset.classes]
        assert not {"None", "True", "False", "[]", "{}"} & set(named), (at, value)


@pytest.mark.parametrize("kind", GOOD)
def test_what_is_changed_above_is_good(root, kind):
    ((_, volume),), _ = read(kind, root, GOOD[kind])
    assert volume.label.max() == 1


@pytest.mark.parametrize(("value", "stratum"), [(None, ""), ("", ""), (3, "3"), (0, "0"), (1.5, "1.5"), ("s", "s")])
def test_a_stratum_is_text_or_a_number(root, value, stratum):
    ((case, _),), _ = read("datalist", root, changed(GOOD["datalist"], ("training", 0, "stratum"), value))
    assert case.stratum == stratum


@pytest.mark.parametrize("value", [0, 7, "7"])
def test_a_patient_may_be_a_number(root, value):
    ((case, _),), _ = read("datalist", root, changed(GOOD["datalist"], ("training", 0, "patient"), value))
    assert case.patient == str(value)


@pytest.mark.parametrize("value", [1.5, "1.5", "one", True, None, [1], {"a": 1}, 1e300])
def test_label_values_are_whole_numbers(root, value):
    with pytest.raises(DataError, match=r"dataset\.json: .*label.* 'x'"):
        read("nnunet", root, changed(GOOD["nnunet"], ("labels", "x"), value))


@pytest.mark.parametrize("value", [1, 1.0, "1", " 1 "])
def test_label_values_that_are_whole_in_another_type(root, value):
    _, dataset = read("nnunet", root, changed(GOOD["nnunet"], ("labels", "x"), value))
    assert (dataset.classes, dataset.label_map) == (("x",), None)


@pytest.mark.parametrize("names", [{"0": "T1", "2": "T2"}, {"1": "T1"}, {"0": "T1", "00": "T2"}, {"²": "T1"}])
def test_numbers_of_channels_have_no_gap(root, names):
    with pytest.raises(DataError, match=r"dataset\.json: (channel_names: )?expected"):
        read("nnunet", root, GOOD["nnunet"] | {"channel_names": names})


def test_fewer_cases_than_the_description_counts_are_a_warning(root):
    from spectralcal.preparation.survey import survey_dataset

    (root / "dataset.json").write_text(json.dumps(GOOD["nnunet"] | {"numTraining": 3}))
    survey = survey_dataset(NnunetRaw(str(root)), root)
    assert "1 cases, but a complete copy has 3" in survey.warnings


def test_labelled_cases_of_other_sections_are_said(root):
    content = GOOD["datalist"] | {"validation": GOOD["datalist"]["training"] * 2, "testing": ["imagesTs/b.nii.gz"]}
    (root / "list.json").write_text(json.dumps(content))
    (remark,) = Datalist(str(root / "list.json")).remarks(root)
    assert "2 labelled entries under 'validation' are left out" in remark


def test_values_are_shown_by_kind():
    values = [None, True, "a", 3, [], {}, [1], {"a": 1}]
    shown = ["null", "a truth value", "'a'", "3", "an empty []", "an empty {}", "a list", "an object"]
    assert [json_values.shown(value) for value in values] == shown
