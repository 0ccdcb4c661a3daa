"""Every byte that a case is read from is in its fingerprint, and a changed one is prepared again."""

import json

import nibabel
import numpy as np
import pytest
import scipy.io
import SimpleITK

from spectralcal.datasets import _companions
from spectralcal.datasets.base import Case
from spectralcal.datasets.datalist import Datalist
from spectralcal.preparation import prepare_dataset, read_manifest

IMAGE = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6) % 50
LABEL = (IMAGE % 3 == 0).astype(np.uint8)
TYPES = {"int16": ("MET_SHORT", "short"), "uint8": ("MET_UCHAR", "uchar")}


def planes(array):
    """The bytes of each plane along the last axis, as the formats store them."""
    return [array[..., index].tobytes(order="F") for index in range(array.shape[-1])]


def meta(folder, name, array, data, voxels):
    sizes = " ".join(map(str, array.shape))
    (folder / f"{name}.mhd").write_text(
        f"ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nElementSpacing = 1 1 2\n"
        f"DimSize = {sizes}\nElementType = {TYPES[str(array.dtype)][0]}\nElementDataFile = {data}\n"
    )
    for file, content in voxels.items():
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_bytes(content)
    return folder / f"{name}.mhd"


def nrrd(folder, name, array, data, voxels, field="data file"):
    sizes = " ".join(map(str, array.shape))
    (folder / f"{name}.nhdr").write_text(
        f"NRRD0004\n# made by hand\ntype: {TYPES[str(array.dtype)][1]}\ndimension: 3\nsizes: {sizes}\nspacings: 1 1 2\n"
        f"endian: little\nencoding: raw\n{field}: {data}\n"
    )
    for file, content in voxels.items():
        (folder / file).write_bytes(content)
    return folder / f"{name}.nhdr"


def slices(name, array, start=1):
    return {f"{name}{number:02d}.raw": content for number, content in enumerate(planes(array), start)}


def mhd_raw(folder, name, array):
    return meta(folder, name, array, f"{name}.raw", {f"{name}.raw": b"".join(planes(array))})


def mhd_elsewhere(folder, name, array):
    return meta(folder, name, array, f"voxels/of {name}.bin", {f"voxels/of {name}.bin": b"".join(planes(array))})


def mhd_list(folder, name, array):
    return meta(folder, name, array, "LIST\n" + "\n".join(slices(name, array)), slices(name, array))


def mhd_pattern(folder, name, array):
    return meta(folder, name, array, f"{name}%02d.raw 1 {array.shape[-1]} 1", slices(name, array))


def mhd_zraw(folder, name, array):
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array.transpose(2, 1, 0)), str(folder / f"{name}.mhd"), True)
    return folder / f"{name}.mhd"


def nhdr_raw(folder, name, array):
    return nrrd(folder, name, array, f"{name}.raw", {f"{name}.raw": b"".join(planes(array))})


def nhdr_list(folder, name, array):
    return nrrd(folder, name, array, "LIST\n" + "\n".join(slices(name, array)), slices(name, array), "datafile")


def nhdr_pattern(folder, name, array):
    return nrrd(folder, name, array, f"{name}%02d.raw 1 {array.shape[-1]} 1 2", slices(name, array))


def analyze(folder, name, array):
    nibabel.save(nibabel.Nifti1Pair(array, np.eye(4)), folder / f"{name}.hdr")
    return folder / f"{name}.hdr"


def img_gz(folder, name, array):
    nibabel.save(nibabel.Nifti1Pair(array, np.eye(4)), folder / f"{name}.img.gz")
    return folder / f"{name}.img.gz"


def spm(folder, name, array):
    nibabel.save(nibabel.Spm99AnalyzeImage(array.astype(np.int16), np.eye(4)), folder / f"{name}.img")
    scipy.io.savemat(folder / f"{name}.mat", {"M": np.eye(4), "mat": np.eye(4)}, format="4")
    return folder / f"{name}.img"


def nii(folder, name, array):
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), folder / f"{name}.nii")
    return folder / f"{name}.nii"


FORMATS = [
    mhd_raw, mhd_elsewhere, mhd_list, mhd_pattern, mhd_zraw,
    nhdr_raw, nhdr_list, nhdr_pattern, analyze, img_gz, spm, nii,
]  # fmt: skip


@pytest.fixture(params=FORMATS, ids=lambda make: make.__name__)
def dataset(request, tmp_path):
    image, label = request.param(tmp_path, "image", IMAGE), request.param(tmp_path, "label", LABEL)
    entry = {"image": image.name, "label": label.name}
    labels = {"0": "background", "1": "x"}
    (tmp_path / "list.json").write_text(json.dumps({"training": [entry], "labels": labels}))
    return Datalist(str(tmp_path / "list.json"))


def test_every_file_counts(dataset, tmp_path):
    case = dataset.cases(tmp_path)[0]
    volume = dataset.load(case)
    np.testing.assert_array_equal(np.sort(volume.image.ravel()), np.sort(IMAGE.ravel()))
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "list.json"]
    assert sorted(files) == sorted(path.resolve() for path in dataset.files(case))
    before = dataset.fingerprint(case)
    for path in files:
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert dataset.fingerprint(case) != before, path
        path.write_bytes(content)
    assert dataset.fingerprint(case) == before


def test_a_header_that_names_itself_or_nothing(tmp_path):
    inside = tmp_path / "a.mha"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(IMAGE), str(inside))
    assert _companions.companions(inside) == ()
    inside = tmp_path / "a.nrrd"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(IMAGE), str(inside))
    assert _companions.companions(inside) == ()


def test_changed_voxels_beside_a_header_are_prepared_again(tmp_path):
    image, label = mhd_raw(tmp_path, "image", IMAGE), mhd_raw(tmp_path, "label", LABEL)
    entry = {"image": image.name, "label": label.name}
    labels = {"0": "background", "1": "x"}
    (tmp_path / "list.json").write_text(json.dumps({"training": [entry], "labels": labels}))
    dataset = Datalist(str(tmp_path / "list.json"))
    first = read_manifest(prepare_dataset(dataset, tmp_path, tmp_path / "out"))[0].reference().copy()
    mhd_raw(tmp_path, "label", 1 - LABEL)
    second = read_manifest(prepare_dataset(dataset, tmp_path, tmp_path / "out"))[0].reference()
    np.testing.assert_array_equal(second, 1 - first)


@pytest.mark.parametrize("make", [mhd_raw, nhdr_raw])
@pytest.mark.parametrize("change", [lambda voxels: voxels[:-4], lambda voxels: voxels + b"\0" * 40])
def test_voxels_of_another_length_than_the_header_says(tmp_path, make, change):
    image = make(tmp_path, "image", IMAGE)
    image.with_suffix(".raw").write_bytes(change(image.with_suffix(".raw").read_bytes()))
    dataset = Datalist()
    with pytest.raises(Exception, match=r"a header of 240 bytes of voxels, of which image\.raw has"):
        dataset.load(Case("image", "image", (image,)))


@pytest.mark.parametrize("make", [mhd_raw, nhdr_raw, mhd_list])
def test_missing_voxels_are_named(tmp_path, make):
    image = make(tmp_path, "image", IMAGE)
    gone = _companions.companions(image)[-1]
    gone.unlink()
    with pytest.raises(Exception, match=rf"{gone.name}: expected a file, found nothing"):
        Datalist().load(Case("image", "image", (image,)))
    with pytest.raises(Exception, match=rf"{gone.name}: expected a readable file, found No such file"):
        Datalist().fingerprint(Case("image", "image", (image,)))
