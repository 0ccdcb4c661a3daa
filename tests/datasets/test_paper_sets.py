"""The five sets that need an account or a large download: pairing, labels and traps, on tiny files in their layouts."""

import nibabel
import numpy as np
import pytest
import SimpleITK

from spectralcal.base.errors import DataError
from spectralcal.datasets.atlas2023 import Atlas2023
from spectralcal.datasets.brats2020 import Brats2020
from spectralcal.datasets.flare2021 import Flare2021
from spectralcal.datasets.iseg2017 import Iseg2017
from spectralcal.datasets.promise12 import Promise12

SHAPE = (6, 5, 4)


def image(seed=0):
    return np.random.default_rng(seed).integers(1, 900, SHAPE).astype(np.int16)


def label(values):
    return np.resize(values, SHAPE).astype(np.uint8)


@pytest.fixture
def brats(tmp_path, write_volume):
    def folder(number, ending=".nii.gz", mask="{}_seg"):
        name = f"BraTS20_Training_{number:03d}"
        base = tmp_path / "MICCAI_BraTS2020_TrainingData" / name
        for index, channel in enumerate(("flair", "t1", "t1ce", "t2")):
            write_volume(base / f"{name}_{channel}{ending}", image(index))
        write_volume(base / f"{mask.format(name)}{ending}", label([0, 1, 2, 4]))

    folder(1)
    folder(2, ".nii")
    folder(355, ".nii", "W39_1998.09.19_Segm")
    (tmp_path / "MICCAI_BraTS2020_TrainingData" / "name_mapping.csv").write_text("Grade\n")
    return tmp_path


def test_brats_channels_labels_and_case_355(brats):
    dataset = Brats2020()
    cases = dataset.cases(brats)
    assert [case.id[-3:] for case in cases] == ["001", "002", "355"]
    assert cases[2].label.name == "W39_1998.09.19_Segm.nii"
    for case in cases:
        volume = dataset.load(case)
        for index, source in enumerate((1, 2, 3, 0)):  # t1, t1ce, t2, flair
            np.testing.assert_array_equal(volume.image[index], image(source))
        np.testing.assert_array_equal(volume.label, label([0, 1, 2, 3]))


def test_brats_label_3_does_not_exist(brats, write_volume):
    case = Brats2020().cases(brats)[0]
    write_volume(case.label, label([0, 3]))
    with pytest.raises(DataError, match="expected label values 0, 1, 2, 4, found 3 \\("):
        Brats2020().load(case)


def test_brats_missing_channel_and_mask(brats):
    next(brats.rglob("*_001_t2.nii.gz")).unlink()
    next(brats.rglob("*_002_seg.nii")).unlink()
    with pytest.raises(DataError, match=r"2 incomplete.*001 lacks t2; BraTS20_Training_002 lacks seg"):
        Brats2020().cases(brats)


def test_brats_missing_channel_is_not_taken_for_a_renamed_mask(brats):
    next(brats.rglob("*_001_seg.nii.gz")).unlink()
    path = next(brats.rglob("*_001_t2.nii.gz"))
    path.rename(path.with_name("BraTS20_Training_001_T2.nii.gz"))
    with pytest.raises(DataError, match="001 lacks t2"):
        Brats2020().cases(brats)


def test_brats_stray_file_is_not_taken_for_a_mask(brats):
    path = next(brats.rglob("*_001_seg.nii.gz"))
    path.rename(path.with_name("prediction.nii.gz"))
    with pytest.raises(DataError, match="001 lacks seg"):
        Brats2020().cases(brats)


@pytest.fixture
def iseg(tmp_path, write_volume):
    for number in (1, 2, 10):
        for index, part in enumerate(("T1", "T2", "label")):
            array = label([0, 10, 150, 250]).astype(np.int16) if part == "label" else image(index)
            path = tmp_path / "iSeg-2017-Training" / f"subject-{number}-{part}.hdr"
            write_volume(path, array[..., None], affine=np.eye(4), image=nibabel.AnalyzeImage)
    write_volume(
        tmp_path / "iSeg-2017-Testing" / "subject-11-T1.hdr", image(), affine=np.eye(4), image=nibabel.AnalyzeImage
    )
    return tmp_path


def test_iseg_order_labels_and_trailing_axis(iseg):
    dataset = Iseg2017()
    cases = dataset.cases(iseg)
    assert [case.id for case in cases] == ["subject-1", "subject-2", "subject-10"]
    volume = dataset.load(cases[0])
    assert volume.image.shape == (2, *SHAPE)
    assert volume.label.shape == SHAPE
    assert set(volume.label.ravel()) == {0, 1, 2, 3}
    # whatever way the axes are turned, image and label are turned together
    pairs = set(zip(volume.image[0].ravel().tolist(), volume.label.ravel().tolist(), strict=True))
    expected = label([0, 1, 2, 3])
    assert pairs == set(zip(image(0).ravel().tolist(), expected.ravel().tolist(), strict=True))


def test_iseg_fingerprint_covers_the_voxel_file(iseg):
    dataset = Iseg2017()
    case = dataset.cases(iseg)[0]
    before = dataset.fingerprint(case)
    voxels = case.images[1].with_suffix(".img")
    voxels.write_bytes(voxels.read_bytes()[:-2] + b"\x07\x07")
    assert dataset.fingerprint(case) != before


@pytest.mark.parametrize("name", ["subject-2-label.hdr", "subject-2-T2.img"])
def test_iseg_missing_half(iseg, name):
    (iseg / "iSeg-2017-Training" / name).unlink()
    with pytest.raises(DataError, match=f"subject-2 lacks {name.removeprefix('subject-2-')}"):
        Iseg2017().cases(iseg)


@pytest.mark.parametrize("folders", [("TrainingImg", "TrainingMask"), ("imagesTr", "labelsTr")])
@pytest.mark.parametrize("channel", ["_0000", ""])
def test_flare_names(tmp_path, write_volume, folders, channel):
    for number in (0, 7):
        write_volume(tmp_path / folders[0] / f"train_{number:03d}{channel}.nii.gz", image() - 1000)
        write_volume(tmp_path / folders[1] / f"train_{number:03d}.nii.gz", label([0, 1, 2, 3, 4]))
    write_volume(tmp_path / "ValidationImg" / "validation_001_0000.nii.gz", image())
    dataset = Flare2021()
    cases = dataset.cases(tmp_path)
    assert [case.id for case in cases] == ["train_000", "train_007"]
    assert set(dataset.load(cases[1]).label.ravel()) == {0, 1, 2, 3, 4}
    cases[0].label.unlink()
    with pytest.raises(DataError, match="train_000 has no label"):
        dataset.cases(tmp_path)


def test_atlas_pairs_by_number(tmp_path, write_volume):
    root = tmp_path / "atlas-train-dataset-1.0.1" / "train"
    for number in (0, 2, 10):
        write_volume(root / "imagesTr" / f"im{number}.nii.gz", image(number))
        write_volume(root / "labelsTr" / f"lb{number}.nii.gz", label([0, 1, 2]))
    dataset = Atlas2023()
    cases = dataset.cases(tmp_path)
    assert [(case.id, case.images[0].name, case.label.name) for case in cases] == [
        ("patient00", "im0.nii.gz", "lb0.nii.gz"),
        ("patient02", "im2.nii.gz", "lb2.nii.gz"),
        ("patient10", "im10.nii.gz", "lb10.nii.gz"),
    ]
    np.testing.assert_array_equal(dataset.load(cases[2]).image[0], image(10))
    cases[1].label.unlink()
    with pytest.raises(DataError, match="im2 has no label"):
        dataset.cases(tmp_path)


@pytest.fixture
def promise(tmp_path):
    for number in (0, 13, 26):
        for suffix, array in (("", image(number)), ("_segmentation", label([0, 1]).astype(np.int8))):
            volume = SimpleITK.GetImageFromArray(array.transpose(2, 1, 0))
            volume.SetSpacing((0.6, 0.5, 3.6))
            volume.SetOrigin((10.0, 20.0, 30.0))
            path = tmp_path / "training_data" / f"Case{number:02d}{suffix}.mhd"
            path.parent.mkdir(exist_ok=True)
            SimpleITK.WriteImage(volume, str(path))
    return tmp_path


def test_promise_metaimages(promise):
    dataset = Promise12()
    cases = dataset.cases(promise)
    assert [(case.id, case.stratum) for case in cases] == [("Case00", "00-12"), ("Case13", "13-24"), ("Case26", "25-")]
    volume = dataset.load(cases[0])
    assert volume.spacing_mm == pytest.approx((0.6, 0.5, 3.6))
    assert dataset.geometry(cases[0])[0] == volume.label.shape == SHAPE
    # ITK counts to the left and to the back: read to the right and to the front, the first two axes are reversed
    np.testing.assert_array_equal(volume.image[0], image(0)[::-1, ::-1])
    np.testing.assert_array_equal(volume.label, label([0, 1])[::-1, ::-1])
    corner = volume.affine @ [SHAPE[0] - 1, SHAPE[1] - 1, 0, 1]
    np.testing.assert_allclose(corner[:3], [-10, -20, 30], atol=1e-5)


def test_promise_fingerprint_covers_the_voxel_file(promise):
    dataset = Promise12()
    case = dataset.cases(promise)[0]
    before = dataset.fingerprint(case)
    raw = case.images[0].with_suffix(".raw")
    raw.write_bytes(raw.read_bytes()[:-2] + b"\x01\x01")
    assert dataset.fingerprint(case) != before


def test_promise_missing_and_truncated_voxels(promise):
    dataset = Promise12()
    case = dataset.cases(promise)[0]
    raw = case.images[0].with_suffix(".raw")
    raw.write_bytes(raw.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"promise12: case Case00: .*Case00\.mhd: expected a readable volume"):
        dataset.load(case)
    raw.unlink()
    with pytest.raises(DataError, match=r"Case00 lacks Case00\.raw"):
        dataset.cases(promise)


@pytest.mark.parametrize("dataset", [Brats2020, Iseg2017, Flare2021, Atlas2023, Promise12])
def test_empty_folder(tmp_path, dataset):
    with pytest.raises(DataError, match=f"{dataset.name}: no labelled case found under .*; expected "):
        dataset().cases(tmp_path)


@pytest.mark.parametrize("dataset", [Brats2020, Iseg2017, Flare2021, Atlas2023])
def test_fetch_says_how_to_get_it(tmp_path, dataset):
    with pytest.raises(DataError, match="cannot be downloaded automatically") as caught:
        dataset().fetch(tmp_path)
    assert str(tmp_path / dataset.folder) in str(caught.value)
    assert "https://" in str(caught.value)
