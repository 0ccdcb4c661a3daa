"""Downloads with a checksum, which continue where an earlier attempt ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spectralcal.base.console import progress
from spectralcal.base.errors import DataError
from spectralcal.base.files import move
from spectralcal.datasets import _archive

#: bytes; a broken connection loses fewer than this
_CHUNK = 2**16
#: seconds without a byte before a connection is given up
_PATIENCE = 60


def download_and_unpack(name: str, url: str, known_hash: str, folder: Path, max_bytes: int, recipe: str) -> Path:
    """Download an archive beside `folder`, check it, unpack it to `folder` and remove the archive.

    If the connection breaks, what has arrived is kept, and the next call continues from there. The checksum covers the
    complete file, so parts of two versions are never combined.

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
    part = folder.parent / f"{archive}.part"

    def fetch(url: str, output: str, _: Any) -> None:
        _continue(url, part, name)
        move(part, Path(output))

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        path = pooch.retrieve(url, known_hash, fname=archive, path=folder.parent, downloader=fetch)
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; pooch reports a wrong hash by ValueError
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        kept = f"{part.stat().st_size} bytes are kept, try again to continue. " if part.is_file() else ""
        raise DataError(f"{name}: download of {url} failed: {reason} {kept}By hand: {recipe}") from error
    _archive.unpack(Path(path), folder, max_bytes)
    Path(path).unlink()
    return folder


def _continue(url: str, part: Path, name: str) -> None:
    """Append to `part` what it lacks of the file at `url`; a server that cannot continue sends it from its start."""
    import requests

    have = part.stat().st_size if part.is_file() else 0
    # Compression on the way would make the offset one of other bytes.
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    with requests.get(url, headers=headers, stream=True, timeout=_PATIENCE) as answer:
        if answer.status_code == requests.codes.requested_range_not_satisfiable:
            if answer.headers.get("Content-Range", "") == f"bytes */{have}":
                return  # the file is complete; only its check was interrupted
            part.unlink()
            raise OSError("the file on the server is shorter than what was kept; the kept part is removed, try again.")
        answer.raise_for_status()
        continues = answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        start = have if answer.status_code == requests.codes.partial_content and continues else 0
        total = start + int(answer.headers.get("Content-Length", 0))
        with part.open("ab" if start else "wb") as stream, progress(f"{name}: downloading, MB", total // 10**6) as bar:
            for chunk in answer.iter_content(_CHUNK):
                stream.write(chunk)
                start += len(chunk)
                bar.advance(start // 10**6 - bar.done)
