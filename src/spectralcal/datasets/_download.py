"""Downloads with a checksum."""

from __future__ import annotations

import sys
from pathlib import Path

from spectralcal.datasets import _archive
from spectralcal.errors import DataError


def download_and_unpack(name: str, url: str, known_hash: str, folder: Path, max_bytes: int, recipe: str) -> Path:
    """Download an archive beside `folder`, check it, unpack it to `folder` and remove the archive.

    Args:
        name: data set, for messages.
        url: address of the archive.
        known_hash: ``"md5:..."`` or ``"sha256:..."``.
        folder: where its content goes; returned at once if it is there and not empty.
        max_bytes: see :func:`~spectralcal.datasets._archive.unpack`.
        recipe: how to get the data by hand, for the message when it fails.

    Raises:
        DataError: no connection, a checksum that differs, or an archive that cannot be unpacked.
    """
    import pooch

    if folder.is_dir() and any(folder.iterdir()):
        return folder
    archive = f".{folder.name}.download"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        path = pooch.retrieve(url, known_hash, fname=archive, path=folder.parent, progressbar=sys.stderr.isatty())
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; pooch reports a wrong hash by ValueError
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{name}: download of {url} failed: {reason} By hand: {recipe}") from error
    _archive.unpack(Path(path), folder, max_bytes)
    Path(path).unlink()
    return folder
