"""Where the folder of a paper is: one of the package's, or one of somebody's own anywhere."""

from __future__ import annotations

import functools
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spectralcal.base.errors import ConfigError, choices
from spectralcal.base.texts import parse_yaml

FOLDER = Path(__file__).parents[1] / "papers"
FILE = "paper.yaml"
_mounted: dict[str, Paper] = {}


@dataclass(frozen=True)
class Paper:
    """A paper's folder and the dotted name under which its modules are imported."""

    name: str
    folder: Path
    package: str

    @functools.cached_property
    def content(self) -> dict[str, Any]:
        """What ``paper.yaml`` says."""
        path = self.folder / FILE
        try:
            content = parse_yaml(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ConfigError(f"{path}: expected what the paper says of itself, got: {reason}") from error
        if not isinstance(content, dict):
            raise ConfigError(f"{path}: expected a mapping of keys, found {type(content).__name__}")
        return content


def known_papers(mounted: bool = False) -> tuple[str, ...]:
    """Names of the package's papers, or of all that a configuration of this process named (`mounted`)."""
    return tuple(_mounted) if mounted else tuple(sorted(file.parent.name for file in FOLDER.glob(f"*/{FILE}")))


def paper_of(name: str) -> Paper:
    """The paper that a configuration names: one of the package's, or a folder with a ``paper.yaml``.

    Raises:
        ConfigError: there is none.
    """
    if name in _mounted:
        return _mounted[name]
    inside = FOLDER / name
    if Path(name).name == name and (inside / FILE).is_file():
        paper = Paper(name, inside, f"spectralcal.papers.{name}")
    else:
        paper = _outside(name)
    _mounted[name] = paper
    return paper


def _outside(name: str) -> Paper:
    folder = Path(name).resolve()
    if not (folder / FILE).is_file():
        raise ConfigError(
            f"paper: expected {choices(known_papers())} or a folder with {FILE}, found '{name}'"
            + ("" if folder.is_dir() else ", which is no folder")
        )
    package = f"spectralcal.papers.{folder.name}"
    if not folder.name.isidentifier() or (FOLDER / folder.name).is_dir():
        raise ConfigError(
            f"paper: {folder}: expected a folder whose name Python can import and that no paper of the package has; "
            "rename it"
        )
    there = sys.modules.get(package)
    if there is not None and list(there.__path__) != [str(folder)]:
        raise ConfigError(f"paper: {folder}: another paper of that name is loaded from {there.__path__[0]}; rename one")
    module = types.ModuleType(package)
    module.__path__ = [str(folder)]
    sys.modules[package] = module
    return Paper(name, folder, package)
