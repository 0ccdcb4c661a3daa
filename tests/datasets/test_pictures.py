"""Pictures as images and masks: what every kind of PNG, JPEG and TIFF gives, and what is refused in one line."""

import struct
import zlib

import numpy as np
import pytest
import SimpleITK
from PIL import Image

from spectralcal.datasets._checks import BadFile
from spectralcal.datasets.pictures import PictureReader, is_picture

GREY, COLOUR = PictureReader(1), PictureReader(3)
RANDOM = np.random.default_rng(5)
COLOURS = RANDOM.integers(0, 256, (6, 9, 3), dtype=np.uint8)
LABELS = RANDOM.integers(0, 3, (6, 9), dtype=np.uint8)
TRANSPARENT = np.dstack([COLOURS, np.where(LABELS == 1, 254, 255)]).astype(np.uint8)
#: EXIF orientation -> what a viewer shows of the stored array, by the standard's table of where row 0 and column 0 lie
SHOWN = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


def save(path, array, mode=None, **options):
    picture = array if isinstance(array, Image.Image) else Image.fromarray(array)
    (picture if mode is None else picture.convert(mode)).save(path, **options)
    return path


def save_png(path, rows, width, bits, colour):
    """A PNG written byte by byte, in forms that Pillow does not write; `rows` are the packed bytes of each row."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, len(rows), bits, colour, 0, 0, 0)
    content = b"".join(b"\0" + row for row in rows)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(content)), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def palette(indices, colours):
    picture = Image.fromarray(indices).convert("L")
    picture = Image.frombytes("P", picture.size, picture.tobytes())
    picture.putpalette([value for colour in colours for value in colour])
    return picture


def exif(orientation):
    found = Image.Exif()
    found[0x0112] = orientation
    return found


def problem(call, *arguments):
    with pytest.raises(BadFile) as caught:
        call(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert "expected" in message
    assert "found" in message
    return message


def image(reader, path):
    return reader.image([path])[1]


@pytest.mark.parametrize("ending", [".png", ".tif", ".TIFF", ".PNG"])
def test_rows_and_columns_are_those_that_another_library_reads(tmp_path, ending):
    path = save(tmp_path / f"a{ending}", COLOURS)
    assert is_picture(path)
    grid, found = COLOUR.image([path])
    stored = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))  # (H, W, 3)
    np.testing.assert_array_equal(found, np.moveaxis(stored, -1, 0))
    assert (found.dtype, found.flags.c_contiguous) == (np.float32, True)
    assert (grid.array.shape, grid.spacing_mm) == ((6, 9), (1.0, 1.0))
    assert COLOUR.geometry(path) == ((6, 9), (1.0, 1.0))
    np.testing.assert_array_equal(grid.affine, np.eye(3))


def test_a_jpeg_is_near_what_was_stored(tmp_path):
    smooth = np.add.outer(np.arange(32) * 4, np.arange(48) * 2).astype(np.uint8)
    found = image(GREY, save(tmp_path / "a.jpg", smooth, quality=95))
    assert found.shape == (1, 32, 48)
    assert np.abs(found[0] - smooth).max() < 8


@pytest.mark.parametrize(
    "array",
    [
        LABELS,
        LABELS.astype(np.uint16) * 20_000,
        (LABELS * 0.25).astype(np.float32),
        LABELS.astype(np.int32) - 1,
        LABELS == 1,
    ],
    ids=["8 bits", "16 bits", "float", "32 bits", "1 bit"],
)
def test_grey_pictures_keep_their_numbers(tmp_path, array):
    path = save(tmp_path / "a.tif", array)
    np.testing.assert_array_equal(image(GREY, path)[0], array.astype(np.float32))
    if array.dtype != np.float32:
        np.testing.assert_array_equal(GREY.mask(path).array, array.astype(np.int64))
    if array.dtype in (bool, np.uint8, np.uint16):
        np.testing.assert_array_equal(GREY.mask(save(tmp_path / "a.png", array)).array, array.astype(np.int64))


@pytest.mark.parametrize("bits", [2, 4])
def test_a_mask_of_few_bits_holds_its_numbers_and_not_stretched_ones(tmp_path, bits):
    per_byte = 8 // bits
    labels = RANDOM.integers(0, 2**bits, (3, 2 * per_byte))
    weights = 2 ** (bits * np.arange(per_byte)[::-1])
    packed = [bytes((row.reshape(-1, per_byte) * weights).sum(1).tolist()) for row in labels]
    path = save_png(tmp_path / "a.png", packed, labels.shape[1], bits, 0)
    np.testing.assert_array_equal(GREY.mask(path).array, labels)


@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_a_palette_gives_indices_to_masks_and_colours_to_images(tmp_path, ending):
    colours = np.array([[0, 0, 0], [255, 10, 20], [30, 255, 40]], np.uint8)
    path = save(tmp_path / f"a{ending}", palette(LABELS, colours.tolist()))
    np.testing.assert_array_equal(GREY.mask(path).array, LABELS)
    np.testing.assert_array_equal(image(COLOUR, path), np.moveaxis(colours[LABELS], -1, 0))
    assert COLOUR.channel_count(path) == 3


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_an_opaque_alpha_channel_is_dropped(tmp_path, mode):
    path = save(tmp_path / "a.png", COLOURS, mode)
    plain = save(tmp_path / "b.png", COLOURS, "RGB" if mode == "RGBA" else "L")
    reader = COLOUR if mode == "RGBA" else GREY
    np.testing.assert_array_equal(image(reader, path), image(reader, plain))
    assert reader.channel_count(path) == reader.channels


def test_what_is_transparent_is_refused(tmp_path):
    count = int((LABELS == 1).sum())
    path = save(tmp_path / "a.png", TRANSPARENT)
    message = problem(image, COLOUR, path)
    assert message.startswith(f"{path}: expected an opaque picture, found {count} of 54 pixels (partly) transparent;")
    assert "opaque" in problem(COLOUR.mask, path)
    declared = save(tmp_path / "b.png", palette(LABELS, [[0, 0, 0], [255, 0, 0], [0, 0, 255]]), transparency=1)
    assert f"{count} of 54 pixels" in problem(image, COLOUR, declared)


def test_grey_serves_as_colour_and_equal_colours_as_grey(tmp_path):
    grey, equal = save(tmp_path / "a.png", LABELS), save(tmp_path / "b.png", LABELS, "RGB")
    np.testing.assert_array_equal(image(COLOUR, grey), np.stack([LABELS] * 3))
    np.testing.assert_array_equal(image(GREY, equal), LABELS[None])
    np.testing.assert_array_equal(GREY.mask(equal).array, LABELS)


def test_different_colours_are_neither_grey_nor_a_mask(tmp_path):
    path = save(tmp_path / "a.png", COLOURS)
    differing = int((COLOURS[..., :1] != COLOURS).any(-1).sum())
    text = f"found 3 channels that differ in {differing} of 54 pixels"
    assert f"expected a grey picture, {text}" in problem(image, GREY, path)
    assert f"expected a mask of one channel, {text}" in problem(GREY.mask, path)


def test_several_grey_files_are_channels(tmp_path):
    paths = [save(tmp_path / f"{index}.png", LABELS + index) for index in range(4)]
    np.testing.assert_array_equal(PictureReader(4).image(paths)[1], np.stack([LABELS + index for index in range(4)]))
    assert "expected 3 files or one with all channels, found 4 files" in problem(COLOUR.image, paths)
    assert "expected 4 channels, found 1" in problem(PictureReader(4).image, paths[:1])
    save(paths[2], LABELS[:-1])
    assert "expected shape (6, 9) of 0.png, found (5, 9)" in problem(PictureReader(4).image, paths)


def test_colours_of_sixteen_bits_are_refused_because_they_would_be_cut(tmp_path):
    rows = [row.astype(">u2").tobytes() for row in COLOURS.astype(np.uint16) * 257]
    path = save_png(tmp_path / "a.png", rows, 9, 16, 2)
    assert f"{path}: expected at most 8 bits per channel of a colour picture, found 16" in problem(image, COLOUR, path)


def test_other_colour_spaces_are_refused(tmp_path):
    path = save(tmp_path / "a.jpg", COLOURS, "CMYK")
    assert "expected a grey or RGB picture, found colours as CMYK" in problem(image, COLOUR, path)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_an_orientation_is_refused_or_applied_to_image_and_mask(tmp_path, ending, orientation):
    stored = np.kron(np.array([[0, 0, 255, 255], [0, 255, 255, 255]], np.uint8), np.ones((16, 16), np.uint8))
    path = save(tmp_path / f"a{ending}", stored, exif=exif(orientation))
    text = f"{path}: expected a picture that is stored the way up it is shown, found EXIF orientation {orientation};"
    for call in (GREY.geometry, GREY.mask, lambda path: image(GREY, path)):
        assert problem(call, path).startswith(text)
    applied = PictureReader(1, mask_threshold=128, exif_orientation="apply")
    shown = SHOWN[orientation](stored) > 128
    np.testing.assert_array_equal(applied.mask(path).array, shown)
    np.testing.assert_array_equal(image(applied, path)[0] > 128, shown)
    assert applied.geometry(path)[0] == shown.shape


@pytest.mark.parametrize("orientation", [1, 0, 9])
def test_an_orientation_that_turns_nothing_is_none(tmp_path, orientation):
    path = save(tmp_path / "a.png", LABELS, exif=exif(orientation))
    np.testing.assert_array_equal(GREY.mask(path).array, LABELS)


@pytest.mark.parametrize("mode", ["P", "RGBA"])
def test_a_converted_picture_is_turned_too(tmp_path, mode):
    path = save(tmp_path / "a.png", COLOURS, mode, exif=exif(6))
    plain = save(tmp_path / "b.png", COLOURS, mode)
    turned = PictureReader(3, exif_orientation="apply")
    expected = SHOWN[6](np.moveaxis(image(COLOUR, plain), 0, -1))
    np.testing.assert_array_equal(np.moveaxis(image(turned, path), 0, -1), expected)


@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_several_pages_are_refused(tmp_path, ending):
    page = Image.fromarray(LABELS)
    path = save(tmp_path / f"a{ending}", page, save_all=True, append_images=[Image.fromarray(2 - LABELS)] * 2)
    for call in (GREY.geometry, GREY.mask):
        assert f"{path}: expected one picture, found 3 in one file;" in problem(call, path)


@pytest.mark.parametrize("side", [10_000, 20_000])
def test_a_picture_that_would_fill_the_memory_is_refused_by_its_header(tmp_path, side):
    path = save_png(tmp_path / "a.png", [], side, 8, 0)
    content = bytearray(path.read_bytes())
    content[20:24] = struct.pack(">I", side)
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    path.write_bytes(bytes(content))
    message = problem(GREY.geometry, path)
    assert f"{path}: expected a picture of at most 89,478,485 pixels, found " in message
    assert str(side * side) in message


@pytest.mark.parametrize(
    ("ending", "options"),
    [(".png", {}), (".jpg", {}), (".tif", {}), *((".tif", {"compression": f"tiff_{c}"}) for c in ("lzw", "deflate"))],
    ids=str,
)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.6, 0.9, 0.99])
def test_a_file_that_was_cut_off_is_refused(tmp_path, ending, options, share):
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    path = save(tmp_path / f"a{ending}", noise, **options)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert f"{path}: expected a" in problem(image, COLOUR, path)
    assert f"{path}: expected a" in problem(COLOUR.mask, path)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_flipped_bit_in_a_png_is_noticed(tmp_path, share):
    path = save(tmp_path / "a.png", COLOURS)
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 0x10
    path.write_bytes(bytes(content))
    assert "expected a" in problem(image, COLOUR, path)


def test_other_files_are_refused_whatever_they_are_called(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("<html>404 Not Found</html>")
    assert "expected a PNG, JPEG or TIFF file, found another kind of file" in problem(GREY.geometry, path)
    save(path, LABELS, format="GIF")
    assert "expected a PNG, JPEG or TIFF file, found another kind of file" in problem(GREY.mask, path)
    path.unlink()
    assert f"{path}: expected a file, found nothing" in problem(GREY.mask, path)


def test_a_jpeg_mask_needs_a_threshold(tmp_path):
    disc = (np.hypot(*np.mgrid[-20:20, -30:30]) < 14).astype(np.uint8) * 255
    path = save(tmp_path / "a.jpg", disc, "RGB", quality=80)
    assert len(np.unique(np.asarray(Image.open(path)))) > 2  # what the loss does to it
    message = problem(COLOUR.mask, path)
    assert "expected a mask stored without loss (PNG or TIFF), found a JPEG" in message
    assert "mask_threshold" in message
    np.testing.assert_array_equal(PictureReader(3, mask_threshold=128).mask(path).array, disc == 255)
    inside = save(tmp_path / "a.tif", disc, compression="jpeg")
    assert "found a JPEG" in problem(COLOUR.mask, inside)


def test_a_threshold_that_no_value_reaches_is_refused_but_an_empty_mask_is_not(tmp_path):
    reader = PictureReader(1, mask_threshold=128)
    message = problem(reader.mask, save(tmp_path / "a.png", (LABELS > 0).astype(np.uint8)))
    assert "expected a mask of zeros or with values from mask_threshold 128 on, found 1 at most" in message
    assert not reader.mask(save(tmp_path / "b.jpg", np.zeros((6, 9), np.uint8))).array.any()


def test_an_image_that_is_not_finite_is_refused(tmp_path):
    array = LABELS.astype(np.float32)
    array[2, 3] = np.nan
    assert "expected finite voxels, found 1 of 54 NaN or infinite" in problem(
        image, GREY, save(tmp_path / "a.tif", array)
    )
