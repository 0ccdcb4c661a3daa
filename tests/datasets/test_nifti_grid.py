"""sform, qform and pixdim of a NIfTI file: what each combination means, with ITK as the other opinion."""

import nibabel
import numpy as np
import pytest
import SimpleITK

from spectralcal.datasets import _checks, _files

VOXELS = np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7)
THICK = (0.75, 0.75, 8.0)
TURNED = np.array([[0.0, -1, 0, 3], [1, 0, 0, -4], [0, 0, 1, 5], [0, 0, 0, 1]])


def scaled(spacing, turn=TURNED):
    return turn @ np.diag([*spacing, 1.0])


def store(path, pixdim=THICK, sform=None, qform=None, units=2, pair=False, **fields):
    """A file whose header holds what it is told, whatever nibabel thinks of it."""
    kind = nibabel.Nifti1Pair if pair else nibabel.Nifti1Image
    header = kind(VOXELS, None).header
    if qform is not None:
        header.set_qform(qform, code=1)
    if sform is not None:
        header.set_sform(sform, code=1)
    header["qform_code"], header["sform_code"] = int(qform is not None), int(sform is not None)
    header["pixdim"][1:4] = pixdim
    header["xyzt_units"], header["vox_offset"], header["magic"] = units, 0 if pair else 352, b"ni1" if pair else b"n+1"
    for name, value in fields.items():
        header[name] = value
    voxels = VOXELS.tobytes(order="F")
    if pair:
        path.write_bytes(header.binaryblock)
        path.with_suffix(".img").write_bytes(voxels)
    else:
        path.write_bytes(header.binaryblock + b"\0\0\0\0" + voxels)
    return path


def itk_spacing(path):
    """In the order of the stored axes."""
    return SimpleITK.ReadImage(str(path)).GetSpacing()


def stored_spacing(path):
    """What is read here, in the order of the stored axes: TURNED swaps the first two."""
    spacing = _files.read_image(path).spacing_mm
    assert _files.read_geometry(path)[1] == spacing
    return spacing


@pytest.mark.parametrize("pair", [False, True], ids=["nii", "hdr"])
@pytest.mark.parametrize("forms", ["sform", "qform", "both", "neither", "sform without scale", "qform, sform without"])
def test_the_spacing_is_that_of_itk(tmp_path, forms, pair):
    sform = qform = None
    if forms in ("sform", "both"):
        sform = scaled(THICK)
    if "without" in forms:
        sform = TURNED
    if forms in ("qform", "both", "qform, sform without"):
        qform = scaled(THICK)
    path = store(tmp_path / ("a.hdr" if pair else "a.nii"), sform=sform, qform=qform, pair=pair)
    np.testing.assert_allclose(stored_spacing(path), THICK, rtol=1e-6)
    np.testing.assert_allclose(itk_spacing(path), THICK, rtol=1e-6)


def test_voxels_keep_their_place_when_the_qform_stands_in(tmp_path):
    right = _files.read_image(store(tmp_path / "right.nii", sform=scaled(THICK), qform=scaled(THICK)))
    wrong = _files.read_image(store(tmp_path / "wrong.nii", sform=np.diag([-1.0, -1, 1, 1]), qform=scaled(THICK)))
    np.testing.assert_array_equal(wrong.array, right.array)
    np.testing.assert_allclose(wrong.affine, right.affine, atol=1e-5)


@pytest.mark.parametrize("sform", [scaled((2.0, 2.0, 2.0)), scaled((0.75, 0.75, 8.08)), scaled((8.0, 0.75, 0.75))])
@pytest.mark.parametrize("qform", [None, scaled(THICK)], ids=["pixdim", "qform"])
def test_two_usable_spacings_are_refused_with_both(tmp_path, sform, qform):
    path = store(tmp_path / "a.nii", sform=sform, qform=qform)
    with pytest.raises(_checks.BadFile) as caught:
        _files.read_geometry(path)
    first = ", ".join(f"{value:g}" for value in np.linalg.norm(sform[:3, :3], axis=0))
    assert f"found ({first}) mm in its sform and (0.75, 0.75, 8) mm in its pixdim" in str(caught.value)


def test_a_pixdim_of_ones_beside_a_scaled_sform_is_refused_too(tmp_path):
    with pytest.raises(_checks.BadFile, match=r"\(0.75, 0.75, 8\) mm in its sform and \(1, 1, 1\) mm in its pixdim"):
        _files.read_geometry(store(tmp_path / "a.nii", pixdim=(1, 1, 1), sform=scaled(THICK)))


@pytest.mark.parametrize("pixdim", [(0, 0, 0), (0.75, 0.75, 0), (np.nan,) * 3, (np.inf, 1, 1)])
def test_an_unusable_pixdim_gives_way_to_the_sform(tmp_path, pixdim):
    assert stored_spacing(store(tmp_path / "a.nii", pixdim=pixdim, sform=scaled(THICK))) == pytest.approx(THICK)


def test_a_negative_pixdim_is_taken_without_its_sign(tmp_path):
    path = store(tmp_path / "a.nii", pixdim=(0.75, -0.75, 8), sform=scaled(THICK))
    assert stored_spacing(path) == pytest.approx(THICK)


@pytest.mark.parametrize("sform", [np.diag([0.0, 0, 0, 1]), np.diag([np.nan, 1, 1, 1]), np.ones((4, 4))])
def test_an_unusable_sform_gives_way_to_the_qform(tmp_path, sform):
    assert stored_spacing(store(tmp_path / "a.nii", sform=sform, qform=scaled(THICK))) == pytest.approx(THICK)


@pytest.mark.parametrize("pixdim", [(0, 0, 0), (np.nan, 1, 1), (1, np.inf, 1)])
@pytest.mark.parametrize("qform", [None, scaled(THICK)])
def test_no_spacing_at_all_is_refused(tmp_path, pixdim, qform):
    with pytest.raises(_checks.BadFile, match=r"expected a positive spacing on every axis, found .* in its pixdim"):
        _files.read_image(store(tmp_path / "a.nii", pixdim=pixdim, qform=qform))


@pytest.mark.parametrize(("units", "factor"), [(0, 1.0), (1, 1e3), (2, 1.0), (3, 1e-3), (10, 1.0), (11, 1e-3)])
def test_units_of_the_header_are_brought_to_mm(tmp_path, units, factor):
    path = store(tmp_path / "a.nii", sform=scaled(THICK), units=units)
    np.testing.assert_allclose(stored_spacing(path), np.multiply(THICK, factor), rtol=1e-6)
    np.testing.assert_allclose(itk_spacing(path), np.multiply(THICK, factor), rtol=1e-6)


@pytest.mark.parametrize("excess", [1e-8, 2e-7, 1e-6, 1e-4])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_quaternion_that_rounding_made_too_long(tmp_path, excess, ending):
    import gzip

    vector = np.array([-0.006, -0.247, 0.969])
    vector *= (1 + excess) / np.linalg.norm(vector)
    names = dict(zip(("quatern_b", "quatern_c", "quatern_d"), vector, strict=True))
    path = store(tmp_path / "a.nii", pixdim=(1.5, 1.5, 2.0), qform=np.eye(4), **names)
    oracle = SimpleITK.ReadImage(str(path))
    if ending == ".nii.gz":
        path = tmp_path / "b.nii.gz"
        path.write_bytes(gzip.compress((tmp_path / "a.nii").read_bytes()))
    grid = _files.read_image(path)
    assert sorted(grid.spacing_mm) == pytest.approx([1.5, 1.5, 2.0], rel=1e-4)
    value = grid.array.ravel()[0]
    index = np.argwhere(value == VOXELS)[0]
    there = np.array(oracle.TransformIndexToPhysicalPoint([int(one) for one in index])) * (-1, -1, 1)  # LPS to RAS
    np.testing.assert_allclose(grid.affine[:3, 3], there, atol=2e-2)


@pytest.mark.parametrize("vector", [(0.9, 0.9, 0.9), (np.nan, 0, 0)])
def test_a_quaternion_of_nonsense_is_no_damage(tmp_path, vector):
    names = dict(zip(("quatern_b", "quatern_c", "quatern_d"), vector, strict=True))
    with pytest.raises(_checks.BadFile, match="expected an orientation in its qform") as caught:
        _files.read_image(store(tmp_path / "a.nii", qform=np.eye(4), **names))
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize(("shape", "spacing", "expected"), [
    ((1, 16, 16), (999.0, 1.0, 1.0), (1.0, 1.0, 1.0)),
    ((16, 16, 1), (0.5, 0.5, 999.0), (0.5, 0.5, 0.5)),
    ((16, 16, 1), (1.25, 1.25, 10.0), (1.25, 1.25, 10.0)),
    ((16, 16, 2), (1.0, 1.0, 999.0), (1.0, 1.0, 999.0)),
])  # fmt: skip
def test_one_plane_has_no_thickness_that_no_scanner_has(tmp_path, shape, spacing, expected):
    path = tmp_path / "a.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros(shape, np.int16), np.diag([*spacing, 1.0])), path)
    grid = _files.read_image(path)
    assert grid.spacing_mm == pytest.approx(expected)
    assert np.linalg.norm(grid.affine[:3, :3], axis=0) == pytest.approx(expected)
