"""From a name to the code behind it: a file of the package or of the study's paper, or somebody's installed package.

An entry of a *kind* (a loss, a network, a table, ...) is found, in this order,

* by a dotted name, ``my_package.losses:MyLoss``, of whatever can be imported;
* by its file's name in the package's folder of that kind, or in that of the study's paper. A module says which of its
  objects is the entry through one constant (``LOSS = FocalLoss``);
* by an entry point of an installed package, in the group ``spectralcal.<kind>``.

The entry's keyword arguments are its options in a configuration. They and the constants beside it (``LABEL``,
``NUMERICS``, ...) are read from the source text, so that a configuration is checked in milliseconds, without torch.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.metadata
import importlib.util
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from spectralcal.base import options
from spectralcal.base.errors import ConfigError, choices
from spectralcal.base.papers import known_papers, paper_of

PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Kind:
    """What a kind of entry is: the constant that names it in a module, the package's folder, and a word for people."""

    constant: str
    folder: str
    word: str


KINDS = {
    "datasets": Kind("DATASET", "datasets", "data set"),
    "losses": Kind("LOSS", "losses", "method"),
    "models": Kind("MODEL", "models", "architecture"),
    "posthoc": Kind("POST_HOC", "posthoc", "post-hoc step"),
    "scorers": Kind("SCORER", "scorers", "scorer"),
    "probes": Kind("PROBE", "probes", "probe"),
    "transforms": Kind("TRANSFORM", "transforms", "transform"),
    "tables": Kind("TABLE", "report/tables", "table"),
    "figures": Kind("FIGURE", "report/figures", "figure"),
    "claims": Kind("CLAIM", "report/claims", "claim"),
}


@dataclass(frozen=True)
class Entry:
    """One registered object.

    Attributes:
        kind, name: as in a configuration.
        module: dotted name that is imported.
        attribute: name of the object in it.
        file: its source.
        own_file: whether the whole file is about this entry, so that constants of the module belong to it.
    """

    kind: str
    name: str
    module: str
    attribute: str
    file: Path
    own_file: bool = True


def names(kind: str, paper: str | None = None) -> tuple[str, ...]:
    """The registered names of a kind (``"losses"``, ``"datasets"``, ...), sorted; dotted names need no registration.

    Args:
        kind: a key of :data:`KINDS`.
        paper: the configuration's `paper`, whose folder is searched too. Parts of a training (data sets, losses, ...)
            of every paper that a configuration of this process named are found without it.
    """
    return tuple(sorted({*_files(kind, paper), *_installed(kind)}))


def find(kind: str, name: str, where: str = "", paper: str | None = None) -> Entry:
    """The entry of that name.

    Args:
        kind, paper: as in :func:`names`.
        name: a registered or a dotted name.
        where: place in the configuration, for the message.

    Raises:
        ConfigError: there is none; the message lists the names there are.
    """
    place = f"{where}: " if where else ""
    if ":" in name:
        return _dotted(kind, name, name, place)
    if (entry := _files(kind, paper).get(name)) is not None:
        return entry
    if (target := _installed(kind).get(name)) is not None:
        return _dotted(kind, name, target, place)
    hint = next((f"; the paper '{p}' has one: add `paper: {p}`" for p in known_papers() if name in _files(kind, p)), "")
    word = KINDS[kind].word
    raise ConfigError(f"{place}unknown {word} '{name}'; expected {choices(names(kind, paper))}{hint}")


def require(kind: str, name: str, where: str = "", paper: str | None = None) -> None:
    """Raise a :class:`ConfigError` that lists the valid names unless `name` is there."""
    find(kind, name, where, paper)


def load(kind: str, name: str, paper: str | None = None) -> Any:
    """Import an entry and return it (a class, a function, or a mapping of claims).

    Raises:
        ConfigError: its module cannot be imported, or has no such object.
    """
    entry = find(kind, name, paper=paper)
    try:
        return getattr(importlib.import_module(entry.module), entry.attribute)
    except (ImportError, AttributeError) as error:
        if entry.file.is_relative_to(PACKAGE):
            raise
        raise ConfigError(
            f"{KINDS[kind].word} '{name}': cannot import {entry.attribute} from {entry.module} "
            f"({' '.join(str(error).split())}); install what it needs or correct the name"
        ) from error


@functools.cache
def options_model(kind: str, name: str, paper: str | None = None) -> type[BaseModel]:
    """A strict pydantic model of an entry's keyword options, with types and defaults read from its source.

    An entry that forwards ``**options`` to another class or function of its file has that one's options too. An entry
    that its file only imports from elsewhere is imported to read its signature.
    """
    entry = find(kind, name, paper=paper)
    fields = options.from_source(_tree(entry.file), entry.attribute)
    if fields is None:
        fields = options.from_object(load(kind, name, paper))
    return options.model(f"{entry.attribute}_options", fields)


def defaults(kind: str, name: str, paper: str | None = None) -> dict[str, Any]:
    """The options of an entry at their default values."""
    return options_model(kind, name, paper)().model_dump()


@functools.cache
def constant(kind: str, name: str, constant: str, paper: str | None = None) -> Any:
    """The literal that an entry's class, or a module of its own, assigns to `constant`; None if there is none."""
    entry = find(kind, name, paper=paper)
    tree = _tree(entry.file)
    bodies = [node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == entry.attribute]
    if entry.own_file:
        bodies.append(tree.body)
    for node in (node for body in bodies for node in body):
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == constant for t in node.targets):
            return ast.literal_eval(node.value)
    return None


def _files(kind: str, paper: str | None) -> dict[str, Entry]:
    """Entries in files of the package and of papers; those of the package cannot be replaced."""
    papers = list(known_papers(mounted=True)) if KINDS[kind].folder == kind else []
    papers += [paper] if paper is not None and paper not in papers else []
    entries_by_name: dict[str, Entry] = {}
    for each in papers:
        place = paper_of(each)
        entries_by_name |= _folder(kind, place.folder / kind, f"{place.package}.{kind}")
    inside = KINDS[kind].folder
    return entries_by_name | _folder(kind, PACKAGE / inside, f"spectralcal.{inside.replace('/', '.')}")


@functools.cache
def _folder(kind: str, folder: Path, package: str) -> dict[str, Entry]:
    entries_by_name = {}
    for file in sorted(folder.glob("[a-z]*.py")):
        if attribute := _named(_tree(file), KINDS[kind].constant):
            entries_by_name[file.stem] = Entry(kind, file.stem, f"{package}.{file.stem}", attribute, file)
    return entries_by_name


@functools.cache
def _installed(kind: str) -> dict[str, str]:
    """Name -> "module:attribute" of the entry points of installed packages."""
    return {point.name: point.value for point in importlib.metadata.entry_points(group=f"spectralcal.{kind}")}


@functools.cache
def _dotted(kind: str, name: str, target: str, place: str) -> Entry:
    module, _, attribute = target.partition(":")
    word = KINDS[kind].word
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{place}{word} '{name}': cannot find '{module}' ({reason}); install its package") from error
    if spec is None or not attribute.isidentifier():
        wrong = f"no module '{module}' is installed" if spec is None else f"'{attribute}' is no name of an object"
        raise ConfigError(f"{place}{word} '{name}': {wrong}; expected package.module:object")
    file = Path(spec.origin or "")
    if file.suffix != ".py":
        raise ConfigError(f"{place}{word} '{name}': '{module}' has no Python source, from which options are read")
    return Entry(kind, name, module, attribute, file, own_file=_named(_tree(file), KINDS[kind].constant) == attribute)


@functools.cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _named(tree: ast.Module, constant: str) -> str | None:
    """The name that a module assigns to `constant`, or None."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == constant for t in node.targets):
            # A literal is as good as a name: the object is then what the constant itself is called.
            return node.value.id if isinstance(node.value, ast.Name) else constant
    return None


def forget() -> None:
    """Look at files and installed packages anew: what was read is kept for the life of a process."""
    for cached in (_folder, _installed, _dotted, _tree, options_model, constant):
        cached.cache_clear()


def source(kind: str, name: str, paper: str | None = None) -> Path:
    """The file that an entry is written in, which may be another than the one it is imported from."""
    entry = find(kind, name, paper=paper)
    if options.from_source(_tree(entry.file), entry.attribute) is not None:
        return entry.file
    file = inspect.getsourcefile(load(kind, name, paper))
    return entry.file if file is None else Path(file)


def entries(kind: str, paper: str | None = None) -> Iterator[Entry]:
    """All registered entries of a kind, by name."""
    return (find(kind, name, paper=paper) for name in names(kind, paper))


__all__ = ["KINDS", "Entry", "Kind", "constant", "defaults", "entries", "find", "forget", "load", "names",
           "options_model", "require", "source"]  # fmt: skip
