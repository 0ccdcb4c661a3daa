"""A study's results as files for a repository: the contents of an archive, laid out where the commands look for them.

A clone rebuilds every table, figure and verdict from such a folder with `spectralcal report`. It has the layout of a
results folder, so it may be one: of the clone, in which the study goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from spectralcal.base.errors import ResultError
from spectralcal.base.files import write_bytes
from spectralcal.sharing.shared import ALLOWED, shared_files
from spectralcal.sharing.verify import verify_study
from spectralcal.study.config import StudyConfig
from spectralcal.study.grid import Cell

#: GitHub warns about files above 50 MiB and refuses those above 100
LIMIT_BYTES = 50 * 2**20
_MIB = 2**20


@dataclass
class Published:
    """What was written.

    Attributes:
        sizes: bytes of every file by its name below the folder.
        notes: what is out of date in the study, and files of the folder that are not of this study any more.
    """

    folder: Path
    sizes: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """For people."""
        largest = max(self.sizes, key=self.sizes.__getitem__)
        lines = [f"note: {note}" for note in self.notes]
        total, most = sum(self.sizes.values()) / _MIB, self.sizes[largest] / _MIB
        cells = {Cell.from_path(Path(name).relative_to("cells")) for name in self.sizes if name.startswith("cells/")}
        mean = sum(size for name, size in self.sizes.items() if name.startswith("cells/")) / len(cells) / 1000
        return "\n".join(
            [
                *lines,
                f"{self.folder}: {len(self.sizes)} files, {total:.1f} MiB, the largest {most:.1f} MiB ({largest}); "
                f"{len(cells)} cells of {mean:.0f} kB on average",
            ]
        )


def publish_study(
    config: StudyConfig, folder: Path, *, images: bool = False, limit_bytes: int = LIMIT_BYTES
) -> Published:
    """Write the shared files of a study into a folder; files that are there and the same are left untouched.

    Args:
        config: the study.
        folder: where to; its last part must be the study's name, because it is to be used as its results folder.
        images: also the files that show images, as for :func:`spectralcal.sharing.shared.export_study`.
        limit_bytes: size of a file, at most.

    Raises:
        ResultError: nothing is finished, anything was altered since it was recorded, a file is too large or names a
            folder of this machine, or `folder` is the study's own.
    """
    if folder.resolve().name != config.study:
        raise ResultError(f"{folder}: expected a folder of the study's name, for example {folder / config.study}")
    if folder.resolve() == config.results.resolve():
        raise ResultError(f"{folder}: is where the study itself lies, with weights and images; name another folder")
    checked = verify_study(config)
    if checked.findings:
        raise ResultError(f"{checked.findings[0]}; only results as they were made can be published")
    files, _ = shared_files(config, images=images)
    published = Published(folder, notes=checked.notes)
    for name, content in files.items():
        published.sizes[name] = len(content) if isinstance(content, bytes) else content.stat().st_size
        if published.sizes[name] > limit_bytes:
            raise ResultError(
                f"{name}: has {published.sizes[name] / _MIB:.1f} MiB, more than the {limit_bytes / _MIB:g} MiB that "
                "hosts of repositories take; share the study as an archive (`--out`)"
            )
    for name, content in files.items():
        _write(folder / name, content if isinstance(content, bytes) else content.read_bytes())
    lying = (file.relative_to(folder).as_posix() for file in sorted(folder.rglob("*")) if file.is_file())
    stale = [name for name in lying if ALLOWED.fullmatch(name) and name not in files]
    if stale:
        published.notes.append(f"{len(stale)} files are no longer of this study, {stale[0]} first; delete them")
    return published


def _write(target: Path, content: bytes) -> None:
    if target.is_file() and target.read_bytes() == content:
        return
    write_bytes(target, content)
