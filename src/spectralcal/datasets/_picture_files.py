"""Opening picture files: PNG, JPEG and TIFF through Pillow, which forgives more than a data set may."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spectralcal.datasets._checks import BadFile, brief

if TYPE_CHECKING:
    from PIL import Image

#: modes of grey pictures with more than 8 bits
DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_FORMATS = ("PNG", "JPEG", "TIFF")
_ORIENTATION = 0x0112  # EXIF's tag: 1 is as stored, 2 to 8 mirror or turn the picture on the screen
_LOSSY = ("jpeg", "webp")


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """The picture in a file.

    Raises:
        BadFile: missing, unreadable, too large or of several pages; also for what Pillow raises inside of the block.
    """
    from PIL import Image, UnidentifiedImageError

    if not path.is_file():
        raise BadFile(path, "a file", "nothing")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        warnings.filterwarnings("error", message="Corrupt|Truncated", category=UserWarning)
        try:
            # Given a name, Pillow maps a plain TIFF into memory by its size after turning: the pixels are then garbage.
            with path.open("rb") as stream, Image.open(stream, formats=_FORMATS) as picture:
                pages = getattr(picture, "n_frames", 1)
                if pages != 1:
                    raise BadFile(path, "one picture", f"{pages} in one file", "store each as a file of its own")
                yield picture
        except BadFile:
            raise
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            limit = f"a picture of at most {Image.MAX_IMAGE_PIXELS:,} pixels"
            raise BadFile(path, limit, brief(error), "cut it into tiles, or remove it") from error
        except UnidentifiedImageError as error:
            kinds = "a PNG, JPEG or TIFF file"
            raise BadFile(path, kinds, "another kind of file, or a damaged one", _restore(path)) from error
        except Exception as error:  # a damaged file makes decoders raise nearly anything
            raise BadFile(path, "a readable picture", brief(error), _restore(path)) from error


def orientation(path: Path, picture: Image.Image, apply: bool) -> int:
    """EXIF orientation of a picture, 1 to 8.

    Raises:
        BadFile: a viewer would mirror or turn it, and that is not to be applied.
    """
    tag = picture.getexif().get(_ORIENTATION, 1)
    if tag not in range(1, 9):
        tag = 1  # as viewers do
    if tag != 1 and not apply:
        raise BadFile(
            path,
            "a picture that is stored the way up it is shown",
            f"EXIF orientation {tag}",
            "look whether the mask fits the stored or the shown picture, then remove the tag or state "
            "exif_orientation: apply",
        )
    return tag


def is_lossy(picture: Image.Image) -> bool:
    """Whether the file's numbers are not those that were stored: JPEG, also inside of a TIFF."""
    compression = str(picture.info.get("compression"))
    return picture.format not in ("PNG", "TIFF") or any(name in compression for name in _LOSSY)


def stored_values(path: Path, picture: Image.Image, indices: bool) -> np.ndarray:
    """(H, W), or (H, W, 3) of a colour picture, in the numbers of the file and turned by its orientation.

    Args:
        path: of the file.
        picture: from :func:`opened`, inside of its block.
        indices: of a palette the indices instead of the colours.

    Raises:
        BadFile: transparent, or of colours that are not RGB with 8 bits.
    """
    from PIL import ImageOps

    bits = _bits(path, picture)
    if bits > 8 and picture.mode not in DEEP:
        raise BadFile(path, "at most 8 bits per channel of a colour picture", f"{bits}", "convert the picture")
    plain = picture if picture.mode == "P" and indices else _opaque(path, picture)
    values = np.asarray(ImageOps.exif_transpose(plain))
    if picture.mode == "L" and bits in (2, 4):
        values = values // (255 // (2**bits - 1))  # Pillow stretches short numbers to 0 ... 255
    return values.astype(np.uint8 if values.dtype == bool else values.dtype.newbyteorder("="))


def _restore(path: Path) -> str:
    return f"restore {path.name} from its source or convert it"


def _bits(path: Path, picture: Image.Image) -> int:
    """Bits of a channel in the file."""
    if picture.format == "PNG":
        with path.open("rb") as stream:
            return stream.read(25)[24]  # the header's ninth byte, at the place that the standard fixes
    return int(np.max(getattr(picture, "tag_v2", {}).get(258, 8)))  # a TIFF's BitsPerSample; a JPEG has 8


def _opaque(path: Path, picture: Image.Image) -> Image.Image:
    """The picture as grey or RGB without its alpha channel, which must hide nothing."""
    picture.load()
    declared = "transparency" in picture.info and picture.mode in ("1", "L", "P", "RGB")
    if declared or picture.mode in ("LA", "PA", "RGBA"):
        alpha = np.asarray(picture.convert("RGBA").getchannel("A"))
        if hidden := int((alpha < 255).sum()):
            raise BadFile(
                path,
                "an opaque picture",
                f"{hidden} of {alpha.size} pixels (partly) transparent",
                "flatten it: what lies under transparent pixels is not defined",
            )
    if picture.mode in ("P", "PA", "RGBA"):
        return picture.convert("RGB")
    if picture.mode == "LA":
        return picture.convert("L")
    if picture.mode not in ("1", "L", "RGB", *DEEP):
        raise BadFile(path, "a grey or RGB picture", f"colours as {picture.mode}", "convert the picture to RGB")
    return picture
