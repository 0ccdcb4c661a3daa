"""MetaImage and NRRD headers of absurd or wrong sizes are refused before SimpleITK reads them, which one ends."""

import numpy as np
import pytest
import SimpleITK

from spectralcal.datasets._checks import BadFile
from spectralcal.datasets._files import read_geometry, read_image, read_label

FORMATS = ("mha", "mhd", "nrrd", "nhdr")
SIZES = {"mha": b"DimSize = ", "mhd": b"DimSize = ", "nrrd": b"sizes: ", "nhdr": b"sizes: "}


@pytest.fixture
def volume(tmp_path):
    def write(ending, compressed=False):
        path = tmp_path / f"a.{ending}"
        array = np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5)
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), str(path), compressed)
        return path, array.transpose(2, 1, 0)

    return write


def changed(path, old, new):
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("ending", FORMATS)
def test_a_good_file_is_read(volume, ending, compressed):
    path, array = volume(ending, compressed)
    assert np.array_equal(read_label(path).array, array[::-1, ::-1])  # ITK's first two axes point the other way


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    ("size", "said"),
    [
        (b"5 4 0", "positive sizes in its header"),
        (b"5 4 -3", "positive sizes in its header"),
        (b"5 4", "positive sizes in its header"),
        (b"5 4 99999999999", "cannot hold them"),
        (b"99999 99999 99999", "cannot hold them"),
    ],
)
@pytest.mark.parametrize("ending", FORMATS)
def test_sizes_that_no_volume_or_not_this_file_can_have(volume, ending, compressed, size, said):
    path, _ = volume(ending, compressed)
    changed(path, SIZES[ending] + b"5 4 3", SIZES[ending] + size)
    for read in (read_image, read_geometry):
        with pytest.raises(BadFile, match=said):
            read(path)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("size", [b"5 4 2", b"5 4 4"])
def test_voxels_that_are_left_or_lack_are_said_of_files_with_their_header_too(volume, ending, size):
    path, _ = volume(ending)
    changed(path, SIZES[ending] + b"5 4 3", SIZES[ending] + size)
    with pytest.raises(BadFile, match=r"a header of (80|160) bytes of voxels, of which a.* has 120"):
        read_image(path)


@pytest.mark.parametrize("axes", [b"300", b"11", b"0", b"-1", b"1e30 3", b"x", b"3 3", b""])
@pytest.mark.parametrize("ending", ["mha", "mhd"])
def test_more_axes_than_metaio_has_room_for_do_not_end_the_process(volume, ending, axes):
    path, _ = volume(ending)
    changed(path, b"NDims = 3", b"NDims = " + axes)
    with pytest.raises(BadFile, match=f"found {axes.decode()} dimensions"):
        read_geometry(path)


def test_what_the_library_prints_is_the_cause_and_not_on_the_terminal(volume, capfd):
    path, _ = volume("mha")
    changed(path, b"ElementType = MET_SHORT\n", b"")
    with pytest.raises(BadFile, match="found ElementType required and not defined"):
        read_image(path)
    assert capfd.readouterr().err == ""
