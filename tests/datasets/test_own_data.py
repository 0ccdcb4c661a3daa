"""A user's own data through configuration alone: nnU-Net raw folders, Decathlon folders and MONAI datalists."""

import json
import pickle

import nibabel
import numpy as np
import pytest

from spectralcal.base import registry
from spectralcal.base.errors import DataError
from spectralcal.datasets.datalist import Datalist
from spectralcal.datasets.decathlon import Decathlon
from spectralcal.datasets.nnunet_raw import NnunetRaw
from spectralcal.preparation import prepare_dataset, read_manifest


def describe(root, **changes):
    content = {
        "channel_names": {"0": "T1", "1": "T2"},
        "labels": {"background": 0, "organ": 1, "lesion": 2},
        "numTraining": 2,
        "file_ending": ".nii.gz",
        **changes,
    }
    root.mkdir(parents=True, exist_ok=True)
    (root / "dataset.json").write_text(json.dumps({k: v for k, v in content.items() if v is not None}))
    return root


@pytest.fixture
def nnunet(tmp_path, write_volume, volumes):
    """Two cases of two channels, one of them scanned twice."""
    root = describe(tmp_path / "Dataset501_Mine")
    image, label = volumes
    for case in ("p7_a", "p7_b", "p9_a"):
        for channel in range(2):
            write_volume(root / "imagesTr" / f"{case}_{channel:04d}.nii.gz", image + 10 * channel, (1.0, 1.0, 2.0))
        write_volume(root / "labelsTr" / f"{case}.nii.gz", label, (1.0, 1.0, 2.0))
    write_volume(root / "imagesTs" / "p11_a_0000.nii.gz", image)
    return root


def test_nnunet_raw(nnunet, volumes, tmp_path):
    dataset = NnunetRaw(str(nnunet), patient=r"(p\d+)_").named("mine")
    assert (dataset.name, dataset.title, dataset.modality) == ("mine", "mine", "mr")
    assert (dataset.channels, dataset.classes, dataset.label_map) == (("T1", "T2"), ("organ", "lesion"), None)
    assert dataset.locate(tmp_path / "elsewhere") == nnunet
    cases = dataset.cases(nnunet)
    assert [(case.id, case.patient) for case in cases] == [("p7_a", "p7"), ("p7_b", "p7"), ("p9_a", "p9")]
    volume = dataset.load(cases[0])
    np.testing.assert_array_equal(volume.image, np.stack([volumes[0], volumes[0] + 10]))
    np.testing.assert_array_equal(volume.label, volumes[1])
    assert volume.spacing_mm == (1.0, 1.0, 2.0)
    assert vars(pickle.loads(pickle.dumps(dataset))) == vars(dataset)


def test_nnunet_raw_goes_through_preparation(nnunet, tmp_path):
    manifest = prepare_dataset(NnunetRaw(str(nnunet)), nnunet, tmp_path / "out")
    cases = read_manifest(manifest)
    assert [case.image().shape for case in cases] == [(2, 7, 9, 10)] * 3
    assert cases[0].labels == (0, 1, 2)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"channel_names": {"0": "CT"}}, ("ct", ("CT",), ("organ", "lesion"), None)),
        (
            {"channel_names": None, "modality": {"0": "MRI"}, "labels": {"0": "background", "1": "a", "2": "b"}},
            ("mr", ("MRI",), ("a", "b"), None),
        ),
        ({"labels": {"background": 0, "far": 7, "near": 3}}, ("mr", ("T1", "T2"), ("near", "far"), {0: 0, 3: 1, 7: 2})),
        ({"channel_names": {"1": "a", "0": "a"}}, ("mr", ("a 0", "a 1"), ("organ", "lesion"), None)),
    ],
)
def test_facts_of_dataset_json(tmp_path, changes, expected):
    dataset = NnunetRaw(str(describe(tmp_path / "set", **changes)))
    assert (dataset.modality, dataset.channels, dataset.classes, dataset.label_map) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"labels": {"background": 0, "whole": [1, 2], "core": 2}},
            r"'whole': expected one value per class, found \[1",
        ),
        ({"labels": {"background": 0, "a": 1, "ignore": 2}}, "'ignore': .* store disjoint labels"),
        ({"labels": {"a": 1}}, "add the background"),
        ({"labels": {"background": 0, "a": 1, "b": 1}}, "labels 'a' and 'b' are both 1"),
        ({"labels": {"background": 0, "a": "one"}}, "'a': expected an integer, found 'one'"),
        ({"labels": None}, "expected labels such as"),
        ({"channel_names": None}, "expected channel_names"),
    ],
)
def test_a_description_that_cannot_be_used(tmp_path, changes, message):
    root = describe(tmp_path / "set", **changes)
    with pytest.raises(DataError, match=rf"^nnunet_raw: {root}/dataset\.json: .*{message}"):
        NnunetRaw(str(root))


@pytest.mark.parametrize("text", ["{", "[1]", ""])
def test_a_description_that_is_no_object(tmp_path, text):
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(DataError, match="expected a JSON object"):
        Decathlon(str(tmp_path))


def test_nnunet_missing_channel_and_label(nnunet):
    (nnunet / "imagesTr" / "p7_a_0001.nii.gz").unlink()
    (nnunet / "labelsTr" / "p9_a.nii.gz").unlink()
    with pytest.raises(DataError, match=r"2 incomplete.*p7_a lacks p7_a_0001\.nii\.gz; p9_a lacks p9_a\.nii\.gz"):
        NnunetRaw(str(nnunet)).cases(nnunet)


def test_nnunet_listed_cases(nnunet):
    entry = {"images": ["imagesTr/p7_a_0000.nii.gz", "imagesTr/p7_b_0001.nii.gz"], "label": "labelsTr/p7_a.nii.gz"}
    describe(nnunet, dataset={"one": entry})
    case = NnunetRaw(str(nnunet)).cases(nnunet)[0]
    assert (case.id, case.images[1].name, case.label.name) == ("one", "p7_b_0001.nii.gz", "p7_a.nii.gz")
    describe(nnunet, dataset={"one": {"images": entry["images"]}})
    with pytest.raises(DataError, match="expected images and label of every case"):
        NnunetRaw(str(nnunet)).cases(nnunet)


def test_nnunet_unknown_file_ending(nnunet):
    describe(nnunet, file_ending=".bmp")
    with pytest.raises(DataError, match=r"file_ending: expected one of .*found '\.bmp'"):
        NnunetRaw(str(nnunet)).cases(nnunet)


@pytest.mark.parametrize("pattern", ["x(", "never"])
def test_patient_pattern_that_does_not_fit(nnunet, pattern):
    with pytest.raises(DataError, match=r"options\.patient: "):
        NnunetRaw(str(nnunet), patient=pattern).cases(nnunet)


@pytest.fixture
def decathlon(tmp_path, write_volume, volumes):
    """Two channels in one file, as the Decathlon stores them."""
    image, label = volumes
    root = tmp_path / "Task99_Mine"
    entries = []
    for case in ("mine_02", "mine_10"):
        write_volume(root / "imagesTr" / f"{case}.nii.gz", np.stack([image, image * 2], -1), (1.0, 1.0, 2.0))
        write_volume(root / "labelsTr" / f"{case}.nii.gz", label, (1.0, 1.0, 2.0))
        entries.append({"image": f"./imagesTr/{case}.nii.gz", "label": f"./labelsTr/{case}.nii.gz"})
    return describe(
        root, channel_names=None, modality={"0": "T2", "1": "ADC"}, training=entries,
        labels={"0": "background", "1": "PZ", "2": "TZ"},
    )  # fmt: skip


def test_decathlon_channels_in_one_file(decathlon, volumes, tmp_path):
    dataset = Decathlon(str(decathlon)).named("prostate")
    cases = dataset.cases(decathlon)
    assert [case.id for case in cases] == ["mine_02", "mine_10"]
    assert dataset.geometry(cases[0]) == ((7, 9, 5), (1.0, 1.0, 2.0))
    volume = dataset.load(cases[0])
    np.testing.assert_array_equal(volume.image, np.stack([volumes[0], volumes[0] * 2]))
    np.testing.assert_array_equal(volume.label, volumes[1])
    prepared = read_manifest(prepare_dataset(dataset, decathlon, tmp_path / "out", spacing="original"))
    assert prepared[0].image().shape == (2, 7, 9, 5)


def test_decathlon_flipped_storage_turns_every_channel(decathlon):
    dataset = Decathlon(str(decathlon))
    case = dataset.cases(decathlon)[0]
    before = dataset.load(case)
    for path in (case.images[0], case.label):
        array = np.asanyarray(nibabel.load(path).dataobj)[::-1].copy()
        affine = np.diag([-1.0, 1.0, 2.0, 1.0])
        affine[0, 3] = len(array) - 1
        nibabel.save(nibabel.Nifti1Image(array, affine), path)
    assert dataset.orientation(case) == "LAS"
    after = dataset.load(case)
    np.testing.assert_array_equal(after.image, before.image)
    np.testing.assert_array_equal(after.label, before.label)
    np.testing.assert_allclose(after.affine, before.affine)


def test_decathlon_another_number_of_channels(decathlon, write_volume, volumes):
    case = Decathlon(str(decathlon)).cases(decathlon)[0]
    write_volume(case.images[0], volumes[0], (1.0, 1.0, 2.0))
    with pytest.raises(DataError, match=r"mine_02: .*expected a volume of 2 channels, found shape \(7, 9, 5\)"):
        Decathlon(str(decathlon)).load(case)


def test_decathlon_path_outside_the_folder(decathlon):
    describe(decathlon, training=[{"image": "../x.nii.gz", "label": "labelsTr/mine_02.nii.gz"}])
    with pytest.raises(DataError, match="expected paths inside"):
        Decathlon(str(decathlon)).cases(decathlon)


def test_datalist(tmp_path, write_volume, volumes):
    image, label = volumes
    entries = []
    for patient in ("a", "b"):
        for scan in (1, 2):
            folder = f"{patient}/scan{scan}"
            write_volume(tmp_path / "files" / folder / "t1.nii.gz", image)
            write_volume(tmp_path / "files" / folder / "t2.nii.gz", image + 1)
            write_volume(tmp_path / "files" / folder / "seg.nii.gz", label)
            images = [f"{folder}/t1.nii.gz", f"{folder}/t2.nii.gz"]
            entries.append({"image": images, "label": f"{folder}/seg.nii.gz", "fold": scan, "patient": patient})
    (tmp_path / "list.json").write_text(json.dumps({"training": entries}))
    dataset = Datalist(str(tmp_path / "list.json"), base=str(tmp_path / "files"), classes=("organ", "lesion"))
    root = dataset.locate(tmp_path)
    assert root == tmp_path / "files"
    assert dataset.channels == ("image 0", "image 1")
    cases = dataset.cases(root)
    found = [(case.id, case.patient) for case in cases]
    assert found == [("a-scan1-t1", "a"), ("a-scan2-t1", "a"), ("b-scan1-t1", "b"), ("b-scan2-t1", "b")]
    np.testing.assert_array_equal(dataset.load(cases[3]).image[1], image + 1)
    del entries[0]["label"]
    (tmp_path / "list.json").write_text(json.dumps({"training": entries}))
    with pytest.raises(DataError, match=r"list\.json: expected a JSON file with the list training"):
        dataset.cases(root)


def test_datalist_needs_class_names(tmp_path):
    (tmp_path / "list.json").write_text(json.dumps({"training": [{"image": "a.nii", "label": "b.nii"}]}))
    with pytest.raises(DataError, match="expected labels such as"):
        Datalist(str(tmp_path / "list.json"))
    assert Datalist(str(tmp_path / "list.json"), classes=("organ",)).classes == ("organ",)


@pytest.mark.parametrize("kind", ["nnunet_raw", "decathlon", "datalist"])
def test_a_path_that_is_not_there(kind, tmp_path):
    dataset = registry.load("datasets", kind)(path=str(tmp_path / "gone")).named("mine")
    assert dataset.locate(tmp_path) is None
    assert str(tmp_path / "gone") in dataset.recipe(tmp_path)
    with pytest.raises(DataError, match=r"^mine: .*gone: expected the description that names the classes"):
        _ = dataset.num_classes
    assert not hasattr(dataset, "nonsense")
    assert dataset.name == "mine"
    assert registry.load("datasets", kind).name == kind


@pytest.mark.parametrize("kind", ["nnunet_raw", "decathlon", "datalist"])
def test_options_are_known_to_the_configuration(kind):
    assert registry.defaults("datasets", kind)["path"] is None
