"""The survey of a data set: what it counts, and every problem that it must find."""

import json
import shutil

import nibabel
import numpy as np
import pytest

from spectralcal.base.errors import DataError
from spectralcal.datasets.acdc import Acdc
from spectralcal.datasets.hippocampus import Hippocampus
from spectralcal.datasets.phantom import Phantom
from spectralcal.preparation import prepare_dataset
from spectralcal.preparation.survey import UNEXPLAINED, survey_dataset
from spectralcal.preparation.survey_text import survey_content, survey_text


def rewrite(path, change=lambda array: array, affine=None):
    image = nibabel.load(path)
    array = change(np.asanyarray(image.dataobj).copy())
    nibabel.save(nibabel.Nifti1Image(array, image.affine if affine is None else affine), path)


def filled(value):
    return lambda array: np.full_like(array, value)


def test_counts_are_those_of_the_files(make_set):
    dataset, root = make_set(count=3, shape=(8, 10, 6), spacing=(1.0, 1.0, 2.0))
    rewrite(root / "labelsTr" / "hippocampus_002.nii.gz", lambda label: np.where(label == 2, 0, label))
    survey = survey_dataset(dataset, root)
    content = survey_content(survey)
    stored = [np.asanyarray(nibabel.load(path).dataobj) for path in sorted((root / "labelsTr").glob("*.nii.gz"))]
    for entry in content["labels"]:
        counts = [int((label == entry["value"]).sum()) for label in stored]
        assert entry["voxels"] == sum(counts)
        assert entry["cases"] == sum(count > 0 for count in counts)
        assert entry["share"] == pytest.approx(sum(counts) / sum(label.size for label in stored))
    assert [entry["cases"] for entry in content["labels"]] == [3, 3, 2]
    assert content["shapes"] == [{"value": (8, 10, 6), "cases": 3}]
    assert content["spacings_mm"] == [{"value": (1.0, 1.0, 2.0), "cases": 3}]
    assert content["orientations"] == [{"value": "RAS", "cases": 3}]
    assert survey.errors == ()
    assert survey.warnings == ("3 cases, but a complete copy has 260",)
    assert json.loads(json.dumps(content))["patients"] == 3
    text = survey_text(content)
    assert f"hippocampus: 3 cases (expected 260) of 3 patients in {root}" in text
    assert "2 (posterior) in 2 cases" in text


def test_workers_change_nothing(make_set):
    dataset, root = make_set(count=3)
    calls = []
    one = survey_dataset(dataset, root)
    two = survey_dataset(dataset, root, workers=2, progress=lambda done, total: calls.append((done, total)))
    assert survey_content(one) == survey_content(two)
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_every_bad_case_is_an_error_and_the_others_are_counted(make_set):
    dataset, root = make_set(count=5)
    path = root / "imagesTr" / "hippocampus_002.nii.gz"
    path.write_bytes(path.read_bytes()[:200])
    rewrite(root / "labelsTr" / "hippocampus_003.nii.gz", affine=np.diag([1.0, 1.0, 2.5, 1.0]))
    rewrite(root / "labelsTr" / "hippocampus_004.nii.gz", lambda label: label * 3)
    survey = survey_dataset(dataset, root)
    assert [case.id for case in survey.cases] == ["hippocampus_001", "hippocampus_005"]
    assert len(survey.errors) == 3
    for error, words in zip(survey.errors, ("a readable volume", "the position of", "label values"), strict=True):
        assert words in error


def test_an_incomplete_folder_is_an_error(make_set):
    dataset, root = make_set(count=2)
    (root / "labelsTr" / "hippocampus_002.nii.gz").unlink()
    survey = survey_dataset(dataset, root)
    assert survey.cases == ()
    assert "labelsTr/hippocampus_002.nii.gz is missing" in survey.errors[0]
    assert survey_text(survey_content(survey)).splitlines()[-1].startswith("  ERROR ")


def test_duplicates_are_found_whatever_their_bytes(make_set):
    dataset, root = make_set(count=3)
    copy = root / "imagesTr" / "hippocampus_003.nii.gz"
    shutil.copy(root / "imagesTr" / "hippocampus_001.nii.gz", copy)
    before = copy.read_bytes()
    rewrite(copy, lambda array: array.astype(np.float64))
    assert copy.read_bytes() != before
    errors = survey_dataset(dataset, root).errors
    assert len(errors) == 1
    assert "hippocampus_001, hippocampus_003: the same voxels under 2 names" in errors[0]


def test_a_duplicate_within_a_patient_is_a_warning(tmp_path):
    random = np.random.default_rng(0)
    folder = tmp_path / "training" / "patient001"
    folder.mkdir(parents=True)
    image = random.normal(size=(6, 5, 4)).astype(np.float32)
    label = random.integers(0, 4, image.shape).astype(np.uint8)
    for frame in ("01", "12"):
        nibabel.save(nibabel.Nifti1Image(image, np.eye(4)), folder / f"patient001_frame{frame}.nii.gz")
        nibabel.save(nibabel.Nifti1Image(label, np.eye(4)), folder / f"patient001_frame{frame}_gt.nii.gz")
    survey = survey_dataset(Acdc(), tmp_path)
    assert survey.errors == ()
    assert any("the same scan counts twice" in text for text in survey.warnings)


def test_an_empty_label_is_a_warning_and_a_constant_image_an_error_as_in_prepare(make_set, tmp_path):
    dataset, root = make_set(count=3)
    rewrite(root / "labelsTr" / "hippocampus_001.nii.gz", filled(0))
    for number in (2, 3):
        rewrite(root / "imagesTr" / f"hippocampus_{number:03d}.nii.gz", filled(7))
    survey = survey_dataset(dataset, root)
    assert survey.warnings[1:] == ("hippocampus_001: no voxel has a label",)
    assert len(survey.errors) == 2
    with pytest.raises(DataError) as caught:
        prepare_dataset(dataset, root, tmp_path / "out")
    for number, text in zip((2, 3), survey.errors, strict=True):
        assert f"hippocampus_{number:03d}.nii.gz: channel 0 is constant (7 everywhere)" in text
        assert text.removeprefix("hippocampus: ") in str(caught.value)


def test_what_is_left_out_has_a_reason(make_set):
    dataset, root = make_set(count=2)
    (root / "dataset.json").write_text(
        json.dumps(
            {"training": [{"image": "imagesTr/hippocampus_001.nii.gz", "label": "labelsTr/hippocampus_001.nii.gz"}]}
        )
    )
    (root / "imagesTs").mkdir()
    for name in ("imagesTs/hippocampus_009.nii.gz", "imagesTr/._hippocampus_001.nii.gz", "notes.txt"):
        (root / name).write_bytes(b"")
    left_out = survey_dataset(dataset, root).left_out
    names = {reason: [path.name for path in paths] for reason, paths in left_out.items()}
    assert names == {
        "hidden files, such as those that macOS adds to archives": ["._hippocampus_001.nii.gz"],
        "test images: their labels are withheld": ["hippocampus_009.nii.gz"],
        UNEXPLAINED: ["hippocampus_002.nii.gz", "hippocampus_002.nii.gz"],
    }
    assert list(left_out)[-1] == UNEXPLAINED


def test_orientation_is_that_of_the_file(make_set):
    dataset, root = make_set(count=1)
    for folder in ("imagesTr", "labelsTr"):
        rewrite(root / folder / "hippocampus_001.nii.gz", affine=np.diag([-1.0, -1.0, 2.0, 1.0]))
    assert [case.orientation for case in survey_dataset(dataset, root).cases] == ["LPS"]


def test_a_generated_set_can_be_surveyed(tmp_path):
    survey = survey_dataset(Phantom(cases=3, shape=(16, 16, 16)), tmp_path / "nowhere")
    assert survey.errors == survey.warnings == ()
    assert len(survey.cases) == 3
    assert survey.left_out == {}


def test_real_hippocampus(real_data):
    dataset = Hippocampus()
    root = dataset.locate(real_data)
    if root is None:
        pytest.skip(f"no {dataset.folder} in SPECTRALCAL_DATA")
    survey = survey_dataset(dataset, root, workers=2)
    content = survey_content(survey)
    assert survey.errors == survey.warnings == ()
    assert content["cases"] == 260
    assert content["spacings_mm"] == [{"value": (1.0, 1.0, 1.0), "cases": 260}]
    assert [entry["cases"] for entry in content["labels"]] == [260] * 3


def test_real_acdc(real_data):
    dataset = Acdc()
    root = dataset.locate(real_data)
    if root is None:
        pytest.skip(f"no {dataset.folder} in SPECTRALCAL_DATA")
    survey = survey_dataset(dataset, root, workers=2)
    content = survey_content(survey)
    # folders 074 and 076 hold the same images, so that their two frames count as one patient's
    assert (content["cases"], content["patients"]) == (200, 99)
    assert survey.errors == ()
    assert len(survey.warnings) == 2
    assert all("patient074" in warning and "patient076" in warning for warning in survey.warnings)
    shapes = np.array([entry["value"] for entry in content["shapes"]])
    assert (shapes >= (154, 154, 6)).all()
    assert (shapes <= (428, 512, 21)).all()
    assert [(entry["name"], entry["cases"]) for entry in content["labels"]][1:] == [
        ("right ventricle", 200), ("myocardium", 200), ("left ventricle", 200),
    ]  # fmt: skip
    spacings = np.array([entry["value"] for entry in content["spacings_mm"]])
    assert spacings[:, :2].min() == pytest.approx(0.70, abs=0.01)
    assert spacings[:, :2].max() <= 1.95
    assert set(spacings[:, 2]) <= {5.0, 6.5, 7.0, 10.0}
