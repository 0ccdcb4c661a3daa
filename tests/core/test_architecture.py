"""The floors of the house: what lies where, and what may know what (docs/architecture.md, pyproject.toml)."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src/spectralcal"
FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(file):
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(file) for file in FILES}


def imported(file):
    """(module, name or None) of everything of the package that a file imports, at any level."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "spectralcal":
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield (full, None) if full in MODULES else (node.module, alias.name)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names if alias.name.split(".")[0] == "spectralcal")


def test_the_root_of_the_package_holds_folders_only():
    files = {path.name for path in PACKAGE.iterdir() if path.is_file()}
    assert files == {"__init__.py", "__main__.py", "py.typed"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_nothing_imports_what_is_private_to_another_package(file):
    """A module or name with a leading underscore is for the package that it lies in, and those below it."""
    here = module_of(file)
    home = here if file.name == "__init__.py" else here.rpartition(".")[0]
    for module, name in imported(file):
        parts = module.split(".")
        for index, part in enumerate(parts):
            if part.startswith("_"):
                owner = ".".join(parts[:index])
                assert f"{home}.".startswith(f"{owner}."), f"{here} imports {module}, which is private to {owner}"
        if name is not None and name.startswith("_") and not name.startswith("__"):
            assert home == module or home == module.rpartition(".")[0], f"{here} imports {name} from {module}"


def floors():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    return [set(re.split(r"\s*\|\s*", line)) for line in layers]


def test_every_folder_has_its_floor_and_there_are_at_most_nine():
    placed = [name for floor in floors() for name in floor]
    assert sorted(placed) == sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file())
    assert len(floors()) <= 9


def test_the_map_shows_the_floors_that_are_held():
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    section = page.partition("## Floors")[2].partition("\n## ")[0]
    rows = [line.split("|")[2] for line in section.splitlines() if re.match(r"\| \d", line)]
    assert [set(re.findall(r"`(\w+)`", row)) for row in rows] == floors()
