"""Which files of a folder are data: links, rubbish of other systems, words in names, copies, Unicode."""

import json
import unicodedata

import nibabel
import numpy as np
import pytest

from spectralcal.base.errors import DataError
from spectralcal.datasets import listing
from spectralcal.datasets.acdc import Acdc
from spectralcal.datasets.atlas2023 import Atlas2023
from spectralcal.datasets.brats2020 import Brats2020
from spectralcal.datasets.datalist import Datalist
from spectralcal.datasets.decathlon import Decathlon
from spectralcal.datasets.flare2021 import Flare2021
from spectralcal.datasets.folder_pair import FolderPair
from spectralcal.datasets.hippocampus import Hippocampus
from spectralcal.datasets.iseg2017 import Iseg2017
from spectralcal.datasets.nnunet_raw import NnunetRaw
from spectralcal.datasets.promise12 import Promise12
from spectralcal.preparation.survey import unused_volumes

VOXELS = (np.arange(4 * 5 * 6).reshape(4, 5, 6) % 2).astype(np.uint8)
HEADER = "NDims = 3\nDimSize = 4 5 6\nElementType = MET_UCHAR\nElementDataFile = {}.raw\n"
DESCRIPTION = {"channel_names": {"0": "T2"}, "labels": {"background": 0, "x": 1}, "file_ending": ".nii.gz"}
LISTED = {
    "modality": {"0": "MRI"},
    "labels": {"0": "background", "1": "x"},
    "training": [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}],
}


def put(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".mhd"):
            path.write_text(HEADER.format(path.stem))
            path.with_suffix(".raw").write_bytes(VOXELS.tobytes())
        elif name.endswith(".hdr"):
            nibabel.save(nibabel.Nifti1Pair(VOXELS * 10, np.eye(4)), path)
        elif name.endswith(".png"):
            from PIL import Image

            Image.fromarray(VOXELS[0]).save(path)
        else:
            nibabel.save(nibabel.Nifti1Image(VOXELS, np.eye(4)), path)


def brats(root):
    for part in ("t1", "t1ce", "t2", "flair", "seg"):
        put(root, f"B/BraTS20_Training_001/BraTS20_Training_001_{part}.nii")
    return Brats2020()


def acdc(root):
    put(root, "training/patient001/patient001_frame01.nii.gz", "training/patient001/patient001_frame01_gt.nii.gz")
    return Acdc()


def atlas(root):
    put(root, "train/imagesTr/im1.nii.gz", "train/labelsTr/lb1.nii.gz")
    return Atlas2023()


def flare(root):
    put(root, "TrainingImg/a_0000.nii.gz", "TrainingMask/a.nii.gz")
    return Flare2021()


def promise(root):
    put(root, "train/Case00.mhd", "train/Case00_segmentation.mhd")
    return Promise12()


def iseg(root):
    put(root, *(f"train/subject-1-{part}.hdr" for part in ("T1", "T2", "label")))
    return Iseg2017()


def hippocampus(root):
    put(root, "imagesTr/a.nii.gz", "labelsTr/a.nii.gz")
    return Hippocampus()


def decathlon(root):
    put(root, "imagesTr/a.nii.gz", "labelsTr/a.nii.gz")
    (root / "dataset.json").write_text(json.dumps(LISTED))
    return Decathlon(str(root))


def hippocampus_listed(root):
    decathlon(root)
    return Hippocampus()


def nnunet(root):
    put(root, "imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz")
    (root / "dataset.json").write_text(json.dumps(DESCRIPTION))
    return NnunetRaw(str(root))


def datalist(root):
    put(root, "x/a.nii.gz", "y/a.nii.gz")
    entry = {"image": "x/a.nii.gz", "label": "y/a.nii.gz"}
    (root / "list.json").write_text(json.dumps({"training": [entry], "labels": LISTED["labels"]}))
    return Datalist(str(root / "list.json"))


def pictures(root):
    put(root, "images/a.png", "masks/a.png")
    return FolderPair(str(root))


LAYOUTS = [
    brats, acdc, atlas, flare, promise, iseg, hippocampus, hippocampus_listed, decathlon, nnunet, datalist, pictures,
]  # fmt: skip


@pytest.fixture(params=LAYOUTS, ids=lambda make: make.__name__)
def layout(request):
    return request.param


def only_case(dataset, root):
    (case,) = dataset.cases(root)
    dataset.load(case)
    return case


def test_rubbish_of_other_systems_is_no_case(layout, tmp_path):
    dataset = layout(tmp_path)
    for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
        below = path.relative_to(tmp_path)
        for shadow in (f"__MACOSX/{below.parent}/._{path.name}", f"{below.parent}/._{path.name}",
                       f"{below.parent}/@eaDir/{path.name}", f"{below.parent}/.ipynb_checkpoints/{path.name}",
                       f"{below.parent}/.DS_Store", f"__MACOSX/{below}"):  # fmt: skip
            (tmp_path / shadow).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / shadow).write_bytes(b"\0\x05\x16\x07" + bytes(200))
    case = only_case(dataset, tmp_path)
    reasons = unused_volumes(dataset, tmp_path, [case])
    assert list(reasons) == ["hidden files, such as those that macOS adds to archives"]


def test_links_to_folders_and_to_files(layout, tmp_path):
    store, folders, files = (tmp_path / name for name in ("store", "folders", "files"))
    layout(store)
    folders.mkdir()
    for entry in store.iterdir():
        (folders / entry.name).symlink_to(entry)
    for path in [path for path in store.rglob("*") if path.is_file()]:
        link = files / path.relative_to(store)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    (tmp_path / "whole").symlink_to(store)
    for root in (folders, files, tmp_path / "whole"):
        dataset = type(layout(tmp_path / "kind"))
        dataset = dataset() if not hasattr(dataset, "place") else dataset(str(_place(layout, root)))
        case = only_case(dataset, root)
        assert unused_volumes(dataset, root, [case]) == {}


def _place(layout, root):
    return root / "list.json" if layout is datalist else root


def test_a_link_to_nothing_is_named(tmp_path):
    dataset = nnunet(tmp_path)
    case = only_case(dataset, tmp_path)
    case.images[0].unlink()
    case.images[0].symlink_to(tmp_path / "annex" / "object")
    with pytest.raises(DataError, match=r"a link to .*annex/object, which is not there"):
        dataset.load(case)


def test_links_in_a_circle_end(tmp_path):
    brats(tmp_path)
    (tmp_path / "B" / "again").symlink_to(tmp_path)
    only_case(Brats2020(), tmp_path)
    assert len(list(listing.walk(tmp_path))) == len(set(listing.walk(tmp_path))) == 7


@pytest.mark.parametrize("entry", ["../other/a.nii.gz", "/etc/passwd", "imagesTr/../../a.nii.gz"])
@pytest.mark.parametrize("kind", [decathlon, hippocampus_listed])
def test_a_listing_still_must_not_leave_its_folder(tmp_path, kind, entry):
    dataset = kind(tmp_path / "task")
    content = LISTED | {"training": [{"image": entry, "label": "labelsTr/a.nii.gz"}]}
    (tmp_path / "task" / "dataset.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="expected paths inside"):
        dataset.cases(tmp_path / "task")


@pytest.mark.parametrize("name", ["test", "Test", "TestData", "test_2", "my-testing", "iSeg-2017-Testing", "testset"])
def test_words_that_mean_test(name):
    assert listing.has_word(name, "test")


@pytest.mark.parametrize("name", ["latest", "contest", "greatest", "attestation", "testosterone", "protest", "fastest"])
@pytest.mark.parametrize("make", [promise, iseg])
def test_words_that_contain_test_do_not(tmp_path, name, make):
    assert not listing.has_word(name, "test")
    dataset = make(tmp_path / name / "x")
    only_case(dataset, tmp_path)


def test_folders_called_test_are_left_aside_and_said(tmp_path):
    dataset = promise(tmp_path)
    put(tmp_path, "TestData/Case30.mhd")
    put(tmp_path, "latest/other.mhd")
    case = only_case(dataset, tmp_path)
    reasons = unused_volumes(dataset, tmp_path, [case])
    assert {reason: sorted({path.stem for path in paths}) for reason, paths in reasons.items()} == {
        "test images: their masks are withheld": ["Case30"],
        "not part of the layout": ["other"],
    }


@pytest.mark.parametrize("outer", ["BraTS20_Training_Data", "BraTS20_Training_001"])
def test_a_folder_on_the_way_that_is_called_like_a_case(tmp_path, outer):
    brats(tmp_path / outer)
    (tmp_path / outer / "B" / "BraTS20_Training_001").rename(tmp_path / outer / "BraTS20_Training_001")
    only_case(Brats2020(), tmp_path)


@pytest.mark.parametrize("root", ["test/validation/imagesTs", "a [b] *", ".hidden/__MACOSX"])
def test_names_above_the_folder_mean_nothing(layout, tmp_path, root):
    dataset = layout(tmp_path / root)
    case = only_case(dataset, tmp_path / root)
    assert unused_volumes(dataset, tmp_path / root, [case]) == {}


@pytest.mark.parametrize(("make", "copy"), [
    (promise, "backup/Case00.mhd"),
    (iseg, "backup/subject-1-T2.hdr"),
    (atlas, "backup/imagesTr/im1.nii.gz"),
    (atlas, "train/imagesTr/im1.nii"),
    (flare, "TrainingImg/a.nii"),
])  # fmt: skip
def test_two_copies_of_a_file_are_not_chosen_from(tmp_path, make, copy):
    dataset = make(tmp_path)
    put(tmp_path, copy)
    with pytest.raises(DataError, match=r"is there twice, as .* and "):
        dataset.cases(tmp_path)


@pytest.mark.parametrize("listed", ["NFC", "NFD"])
@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("make", [decathlon, hippocampus_listed, datalist])
def test_listed_names_in_another_unicode_form(tmp_path, make, listed, stored):
    dataset = make(tmp_path)
    file = tmp_path / ("list.json" if make is datalist else "dataset.json")
    folder = tmp_path / unicodedata.normalize(stored, "Größe é")
    folder.mkdir()
    label = "y/a.nii.gz" if make is datalist else "labelsTr/a.nii.gz"
    (tmp_path / label).rename(folder / unicodedata.normalize(stored, "ä.nii.gz"))
    content = json.loads(file.read_text(encoding="utf-8"))
    content["training"][0]["label"] = unicodedata.normalize(listed, "Größe é/ä.nii.gz")
    file.write_text(json.dumps(content), encoding="utf-8")
    only_case(dataset, tmp_path)


@pytest.mark.parametrize(("image", "label"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_names_of_image_and_label_in_two_unicode_forms(tmp_path, image, label):
    image, label = unicodedata.normalize(image, "Jürgen"), unicodedata.normalize(label, "Jürgen")
    put(tmp_path / "n", f"imagesTr/{image}_0000.nii.gz", f"labelsTr/{label}.nii.gz")
    (tmp_path / "n" / "dataset.json").write_text(json.dumps(DESCRIPTION))
    assert only_case(NnunetRaw(str(tmp_path / "n")), tmp_path / "n").id == unicodedata.normalize("NFC", "Jürgen")
    put(tmp_path / "p", f"images/{image}.png", f"masks/{label}.png")
    assert only_case(FolderPair(str(tmp_path / "p")), tmp_path / "p").id == unicodedata.normalize("NFC", "Jürgen")


@pytest.mark.parametrize("given", ["NFC", "NFD"])
def test_the_folder_itself_in_another_unicode_form(tmp_path, given):
    stored = tmp_path / unicodedata.normalize("NFD" if given == "NFC" else "NFC", "Größe")
    nnunet(stored)
    dataset = NnunetRaw(str(tmp_path / unicodedata.normalize(given, "Größe")))
    only_case(dataset, dataset.locate(tmp_path))
