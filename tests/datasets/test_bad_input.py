"""Every way in which a file can be wrong ends in one line that names data set, case, file, expectation and finding."""

import gzip

import nibabel
import numpy as np
import pytest

from spectralcal.base.errors import DataError
from spectralcal.datasets.hippocampus import Hippocampus


@pytest.fixture
def case(hippocampus_root):
    return Hippocampus().cases(hippocampus_root)[0]


def problem(case):
    with pytest.raises(DataError) as caught:
        Hippocampus().load(case)
    message = str(caught.value)
    assert message.startswith("hippocampus: case hippocampus_001: ")
    assert "\n" not in message
    assert "expected" in message
    assert "found" in message
    return message


def store(path, change, affine=None):
    image = nibabel.load(path)
    array = change(np.asanyarray(image.dataobj).copy())
    nibabel.save(nibabel.Nifti1Image(array, image.affine if affine is None else affine), path)


def set_voxel(value):
    def change(array):
        array[1, 2, 3] = value
        return array

    return change


def test_a_good_case_loads(case, volumes):
    volume = Hippocampus().load(case)
    np.testing.assert_array_equal(volume.image[0], volumes[0] + 1)
    np.testing.assert_array_equal(volume.label, volumes[1])
    assert (volume.spacing_mm, volume.image.dtype, volume.label.dtype) == ((1, 1, 1), np.float32, np.uint8)
    assert Hippocampus().geometry(case) == (volume.label.shape, volume.spacing_mm)


@pytest.mark.parametrize("part", ["images", "label"])
def test_missing(case, part):
    path = case.images[0] if part == "images" else case.label
    path.unlink()
    assert f"{path}: expected a file, found nothing" in problem(case)


@pytest.mark.parametrize("keep", [0, 10, 300, -30])
def test_truncated_gzip(case, keep):
    path = case.images[0]
    path.write_bytes(path.read_bytes()[:keep])
    assert f"{path}: expected a readable volume" in problem(case)


def test_a_cut_trailer_is_noticed_too(case):
    path = case.label
    path.write_bytes(path.read_bytes()[:-4])
    assert f"{path}: expected a readable volume" in problem(case)


def test_truncated_inside_the_gzip(case):
    path = case.label
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-50]))
    assert f"{path}: expected a readable volume" in problem(case)


def test_bit_flip_in_the_gzip(case):
    path = case.images[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    assert f"{path}: expected a readable volume" in problem(case)


def test_not_a_volume(case):
    case.images[0].write_text("<html>404 Not Found</html>")
    assert "expected a readable volume" in problem(case)


def test_label_of_another_shape(case):
    store(case.label, lambda array: array[:-1])
    assert f"{case.label}: expected shape (7, 9, 5) of {case.images[0].name}, found (6, 9, 5)" in problem(case)


@pytest.mark.parametrize(
    "affine",
    [
        np.diag([1.0, 1.0, 1.2, 1.0]),
        np.array([[1.0, 0, 0, 3], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
        np.diag([-1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_label_at_another_position(case, affine):
    store(case.label, lambda array: array, affine)
    assert f"{case.label}: expected the position of" in problem(case)


def test_rounding_in_an_affine_is_accepted(case):
    store(case.label, lambda array: array, np.diag([1.0, 1.0, 1.0, 1.0]) + 1e-3 * np.eye(4)[[3, 0, 1, 2]] * 0.5)
    Hippocampus().load(case)


@pytest.mark.parametrize("value", [3, 255])
def test_label_value_outside_the_map(case, value):
    store(case.label, set_voxel(value))
    assert f"{case.label}: expected label values 0, 1, 2, found {value} (1 of 315);" in problem(case)


def test_negative_label_value(case):
    store(case.label, lambda array: set_voxel(-1)(array.astype(np.int16)))
    assert "expected label values 0, 1, 2, found -1 (1 of 315);" in problem(case)


def test_interpolated_label(case):
    store(case.label, lambda array: set_voxel(0.5)(array.astype(np.float32)))
    assert "expected integer label values, found 0.5;" in problem(case)


def test_nan_in_a_label(case):
    store(case.label, lambda array: set_voxel(np.nan)(array.astype(np.float32)))
    assert "NaN or infinite" in problem(case)


def test_label_stored_as_float_is_accepted(case, volumes):
    store(case.label, lambda array: array.astype(np.float32))
    np.testing.assert_array_equal(Hippocampus().load(case).label, volumes[1])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_not_finite(case, value):
    store(case.images[0], set_voxel(value))
    assert f"{case.images[0]}: expected finite voxels, found 1 of 315 NaN or infinite" in problem(case)


def test_opposite_infinities_do_not_cancel(case):
    store(case.images[0], lambda array: set_voxel(np.inf)(np.where(array > 120, -np.inf, array).astype(np.float32)))
    assert "NaN or infinite" in problem(case)


def test_two_and_four_dimensions(case):
    store(case.images[0], lambda array: array[..., 0])
    assert "expected a three-dimensional volume, found shape (7, 9)" in problem(case)
    nibabel.save(nibabel.Nifti1Image(np.ones((7, 9, 5, 2), np.float32), np.eye(4)), case.images[0])
    assert "expected a three-dimensional volume, found shape (7, 9, 5, 2)" in problem(case)


def test_a_trailing_axis_of_one_is_dropped(case, volumes):
    store(case.images[0], lambda array: array[..., None])
    np.testing.assert_array_equal(Hippocampus().load(case).image[0], volumes[0] + 1)


@pytest.mark.parametrize("zoom", [0.0, np.nan])
def test_spacing_that_is_not_positive(case, zoom):
    affine = np.diag([1.0, 1.0, zoom, 1.0])
    path = case.images[0]
    raw = bytearray(gzip.decompress(path.read_bytes()))
    # the header's sform row of z and pixdim[3], at the offsets that the NIfTI-1 standard gives
    raw[312 + 8 : 312 + 12] = np.float32(affine[2, 2]).tobytes()
    raw[76 + 12 : 76 + 16] = np.float32(zoom).tobytes()
    path.write_bytes(gzip.compress(bytes(raw)))
    assert f"{path}: expected a positive spacing on every axis, found (1, 1, " in problem(case)


def test_singular_affine(case):
    path = case.images[0]
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[280:312] = np.array([1, 1, 0, 0, 1, 1, 0, 0], np.float32).tobytes()  # two equal rows of the sform
    path.write_bytes(gzip.compress(bytes(raw)))
    assert f"{path}: expected an affine with three independent axes" in problem(case)


def test_geometry_of_a_bad_file_is_an_error_too(case):
    case.images[0].write_bytes(b"")
    with pytest.raises(DataError, match=r"hippocampus_001.*expected a readable volume"):
        Hippocampus().geometry(case)


def test_fingerprint_of_a_missing_file_is_an_error(case):
    case.label.unlink()
    with pytest.raises(DataError, match=r"hippocampus_001.*expected a readable file"):
        Hippocampus().fingerprint(case)
