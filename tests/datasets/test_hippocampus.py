import json

import pytest

from spectralcal.base.errors import DataError
from spectralcal.datasets.hippocampus import Hippocampus


def listing(root, names, image="./imagesTr/{}", label="./labelsTr/{}"):
    entries = [{"image": image.format(name), "label": label.format(name)} for name in names]
    (root / "dataset.json").write_text(json.dumps({"training": entries}))


def test_pairs_by_name_in_natural_order(hippocampus_root):
    (hippocampus_root / "imagesTr" / "._hippocampus_001.nii.gz").write_bytes(b"resource fork")
    cases = Hippocampus().cases(hippocampus_root)
    assert [case.id for case in cases] == [f"hippocampus_{number:03d}" for number in (1, 3, 10, 20)]
    for case in cases:
        assert case.images[0].name == case.label.name
        assert case.label.parent.name == "labelsTr"
        assert case.patient == case.id


def test_listing_decides(hippocampus_root):
    listing(hippocampus_root, ["hippocampus_010.nii.gz", "hippocampus_003.nii.gz"])
    cases = Hippocampus().cases(hippocampus_root)
    assert [case.id for case in cases] == ["hippocampus_003", "hippocampus_010"]


def test_listed_but_missing_files_are_named(hippocampus_root):
    listing(hippocampus_root, ["hippocampus_001.nii.gz", "hippocampus_111.nii.gz"])
    (hippocampus_root / "labelsTr" / "hippocampus_001.nii.gz").unlink()
    with pytest.raises(DataError) as caught:
        Hippocampus().cases(hippocampus_root)
    for name in ("labelsTr/hippocampus_001", "imagesTr/hippocampus_111", "labelsTr/hippocampus_111"):
        assert f"{name}.nii.gz is missing" in str(caught.value)


@pytest.mark.parametrize("folder", ["imagesTr", "labelsTr"])
def test_half_a_pair(hippocampus_root, folder):
    (hippocampus_root / folder / "hippocampus_003.nii.gz").unlink()
    with pytest.raises(DataError, match=f"1 incomplete.*{folder}/hippocampus_003.nii.gz is missing"):
        Hippocampus().cases(hippocampus_root)


def test_empty_folder(tmp_path):
    with pytest.raises(DataError, match=r"no labelled case found under .*expected imagesTr"):
        Hippocampus().cases(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"training": [{"image": "a"}]}', '{"training": 3}'])
def test_damaged_listing(hippocampus_root, text):
    (hippocampus_root / "dataset.json").write_text(text)
    with pytest.raises(DataError, match=r"dataset\.json: expected a 'training' list"):
        Hippocampus().cases(hippocampus_root)


def test_listing_that_leaves_the_folder(hippocampus_root):
    listing(hippocampus_root, ["passwd"], image="../../etc/{}")
    with pytest.raises(DataError, match="expected paths inside"):
        Hippocampus().cases(hippocampus_root)


def test_locate(tmp_path, hippocampus_root):
    dataset = Hippocampus()
    assert dataset.locate(tmp_path) == hippocampus_root
    hippocampus_root.rename(tmp_path / "hippocampus")
    assert dataset.locate(tmp_path) == tmp_path / "hippocampus"
    assert dataset.locate(tmp_path / "none") is None


def test_download_is_the_one_monai_checks():
    apps = pytest.importorskip("monai.apps.datasets")
    from spectralcal.datasets import hippocampus

    assert apps.DecathlonDataset.resource["Task04_Hippocampus"] == hippocampus.URL
    assert f"md5:{apps.DecathlonDataset.md5['Task04_Hippocampus']}" == hippocampus.HASH


def test_real_set(real_data):
    dataset = Hippocampus()
    root = dataset.locate(real_data)
    if root is None:
        pytest.skip("Task04_Hippocampus is not in SPECTRALCAL_DATA")
    cases = dataset.cases(root)
    assert len(cases) == dataset.expected_cases == 260
    for case in cases[::50]:
        volume = dataset.load(case)
        assert volume.spacing_mm == (1, 1, 1)
        assert set(volume.label.ravel()) == {0, 1, 2}
