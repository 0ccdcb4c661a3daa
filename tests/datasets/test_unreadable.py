"""What a reader refuses is refused with the real cause and its remedy, for each format and by whatever exception."""

import gzip
import json
import os

import nibabel
import numpy as np
import pytest
import SimpleITK

from spectralcal.base.errors import DataError
from spectralcal.datasets import _checks, _files, _read_nibabel, _unreadable
from spectralcal.datasets.nnunet_raw import NnunetRaw
from spectralcal.preparation.survey import survey_dataset

IMAGE = (np.arange(4 * 5 * 6) % 50).astype(np.int16).reshape(4, 5, 6)
ENDINGS = (".nii", ".nii.gz", ".mha", ".nrrd", ".mgz", ".img")


def stored(path, array=IMAGE):
    if path.suffix in (".mha", ".nrrd"):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), str(path))
    elif path.suffix == ".img":
        nibabel.save(nibabel.Nifti1Pair(array, np.eye(4)), path)
    elif path.suffix == ".mgz":
        nibabel.save(nibabel.MGHImage(array, np.eye(4)), path)
    else:
        nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), path)
    return path


def refusal(path, read=_files.read_image):
    with pytest.raises(_checks.BadFile) as caught:
        read(path)
    assert str(path.with_suffix("")) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(("content", "cause", "remedy"), [
    (b"", "an empty file", "restore the file"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "a Git LFS pointer", "git lfs pull"),
    (b"/annex/objects/MD5E-s1--0.nii.gz\n", "a git-annex pointer", "datalad get"),
    (b"\n<!DOCTYPE html><html>login</html>", "a web page", "download the file again"),
    (b"\0\x05\x16\x07\0\x02\0\0Mac OS X" + bytes(100), "a resource fork of macOS", "remove it"),
    (b"PK\x03\x04" + bytes(400), "a zip archive", "unpack it"),
    (bytes(128) + b"DICM" + bytes(400), "a DICOM file", "dcm2niix"),
])  # fmt: skip
def test_files_that_are_something_else(tmp_path, ending, content, cause, remedy):
    path = stored(tmp_path / f"a{ending}")
    if ending == ".img":
        path = path.with_suffix(".hdr")
    path.write_bytes(content)
    said = refusal(path)
    assert f"found {cause}" in said
    assert remedy in said


def test_compression_that_the_name_hides_or_promises(tmp_path):
    plain = stored(tmp_path / "a.nii").read_bytes()
    (tmp_path / "b.nii").write_bytes(gzip.compress(plain))
    assert "content that gzip has compressed; add .gz to its name" in refusal(tmp_path / "b.nii")
    (tmp_path / "c.nii.gz").write_bytes(plain)
    assert "a volume that is not compressed; take .gz from its name" in refusal(tmp_path / "c.nii.gz")


@pytest.mark.parametrize("ending", ENDINGS)
def test_truncated_files_are_called_that(tmp_path, ending):
    path = stored(tmp_path / f"a{ending}")
    path.write_bytes(path.read_bytes()[: -len(path.read_bytes()) // 3])
    said = refusal(path)
    assert "restore" in said


def test_a_folder_of_the_name(tmp_path):
    (tmp_path / "a.nii.gz").mkdir()
    assert "expected a file, found a folder" in refusal(tmp_path / "a.nii.gz")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    path = stored(tmp_path / "a.nii.gz")
    path.chmod(0)
    assert "may not read; change its permissions" in refusal(path)


class Odd(Exception):
    """What no list of exceptions knows."""


@pytest.mark.parametrize("error", [
    Odd("at byte 7"), MemoryError(), KeyError("dim"), OverflowError("int too large"), AssertionError(), TypeError("no"),
    nibabel.spatialimages.HeaderDataError("code 0"), PermissionError(13, "Permission denied"),
], ids=repr)  # fmt: skip
@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd"])
def test_any_exception_of_a_reader_is_one_line(tmp_path, monkeypatch, error, ending):
    def fails(*_):
        raise error

    path = stored(tmp_path / f"a{ending}")
    monkeypatch.setattr(_read_nibabel, "_loaded", fails)
    monkeypatch.setattr(SimpleITK.ImageFileReader, "ReadImageInformation", fails)
    said = refusal(path)
    assert "expected a readable volume" in said
    assert "damaged" not in said


@pytest.mark.parametrize(("error", "text"), [
    (PermissionError(13, "Permission denied"), "change its permissions"),
    (MemoryError(), "a machine with more memory"),
    (EOFError("Compressed file ended"), "truncated or damaged"),
    (OSError("Expected 240 bytes, got 99 bytes from object"), "truncated or damaged"),
])  # fmt: skip
def test_remedies_differ_by_cause(tmp_path, error, text):
    assert text in str(_unreadable.unreadable(stored(tmp_path / "a.nii"), error))


@pytest.mark.parametrize("kind", ["RGB", "RGBA", "complex64", "complex128"])
@pytest.mark.parametrize("read", [_files.read_image, _files.read_label, _files.read_geometry])
def test_colours_and_complex_numbers_in_nifti(tmp_path, kind, read):
    names = "RGBA" if kind == "RGBA" else "RGB"
    dtype = np.dtype(kind) if kind.startswith("complex") else np.dtype([(name, "u1") for name in names])
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6), dtype), np.eye(4)), tmp_path / "a.nii.gz")
    said = refusal(tmp_path / "a.nii.gz", read)
    assert "expected one real number per voxel, found" in said
    assert ("colours (R, G, B" in said) == kind.startswith("RGB")


@pytest.mark.parametrize("ending", [".mha", ".nrrd"])
def test_colours_in_the_formats_of_itk(tmp_path, ending):
    image = SimpleITK.Compose([SimpleITK.GetImageFromArray(IMAGE)] * 3)
    SimpleITK.WriteImage(image, str(tmp_path / f"a{ending}"))
    assert "expected one real number per voxel, found 3 numbers per voxel" in refusal(tmp_path / f"a{ending}")


@pytest.mark.parametrize("sizes", [(30_000, 30_000, 30_000), (4, 5, 32_000), (-4, 5, 6), (0, 5, 6)])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_sizes_in_a_header_that_the_file_cannot_hold(tmp_path, sizes, ending):
    content = bytearray(stored(tmp_path / "a.nii").read_bytes())
    content[42:48] = np.array(sizes, np.int16).tobytes()
    path = tmp_path / f"b{ending}"
    path.write_bytes(gzip.compress(bytes(content)) if ending == ".nii.gz" else bytes(content))
    refusal(path)


def test_a_bad_file_does_not_end_the_survey(tmp_path, capfd):
    root = tmp_path / "set"
    for name in ("a", "b", "c", "d"):
        for place, high in ((f"imagesTr/{name}_0000.nii", 50), (f"labelsTr/{name}.nii", 2)):
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            stored(root / place, ((np.arange(120) + ord(name)) % high).astype(np.int16).reshape(4, 5, 6))
    edits = {"imagesTr/a_0000.nii": (70, np.int16(0)), "labelsTr/b.nii": (108, np.float32(100)),
             "imagesTr/c_0000.nii": (116, np.float32(np.nan))}  # fmt: skip
    for name, (offset, value) in edits.items():
        content = bytearray((root / name).read_bytes())
        content[112:116] = np.float32(1).tobytes()
        content[offset : offset + value.nbytes] = value.tobytes()
        (root / name).write_bytes(bytes(content))
    facts = {"channel_names": {"0": "T1"}, "labels": {"background": 0, "x": 1}, "file_ending": ".nii"}
    (root / "dataset.json").write_text(json.dumps(facts))
    survey = survey_dataset(NnunetRaw(str(root)), root)
    assert [case.id for case in survey.cases] == ["d"]
    for case, (name, text) in zip("abc", zip(edits, survey.errors, strict=True), strict=True):
        assert f"nnunet_raw: case {case}: {root / name}: expected a readable volume, found a header that cannot" in text
    assert capfd.readouterr().err == ""


def test_the_header_of_detached_voxels_may_be_unreadable(tmp_path):
    (tmp_path / "a.mhd").mkdir()
    from spectralcal.datasets.base import Case

    with pytest.raises(DataError, match=r"case a: .*a\.mhd: expected a readable file"):
        NnunetRaw().fingerprint(Case("a", "a", (tmp_path / "a.mhd",)))
