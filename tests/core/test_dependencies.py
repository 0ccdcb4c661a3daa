"""What the package imports is what it declares, so that ``pip install`` brings all of it and nothing else."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
#: declared, but imported by others only
NOT_IMPORTED = {"einops": "MONAI's SwinUNETR imports it, but MONAI does not declare it"}
#: imported where an optional dependency is there anyhow, by the module that names it
OPTIONAL = {
    "ipython": ("report/notebook.py", "comes with ipykernel, and only notebooks call it"),
    "torchmetrics": ("integrations/torchmetrics.py", "an extra, for those who use its metric objects"),
}


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def names(requirements):
    return {re.match(r"[\w.-]+", text)[0].lower() for text in requirements}


def imported():
    """Distribution -> files of the package that import it, at any level."""
    package = ROOT / "src/spectralcal"
    distributions = packages_distributions()
    users = {}
    for file in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            for top in {module.partition(".")[0] for module in modules} - sys.stdlib_module_names - {"spectralcal"}:
                name = distributions[top][0].lower()
                users.setdefault(name, set()).add(file.relative_to(package).as_posix())
    return users


def test_every_dependency_is_imported():
    declared = names(project()["dependencies"])
    assert declared - set(imported()) == set(NOT_IMPORTED)


def test_every_import_is_declared():
    undeclared = {name: users for name, users in imported().items() if name not in names(project()["dependencies"])}
    assert undeclared == {name: {user} for name, (user, _) in OPTIONAL.items()}
    extras = set().union(*(names(group) for group in project()["optional-dependencies"].values()))
    assert {"ipykernel", "torchmetrics"} <= extras


def test_the_conda_environment_has_what_the_rules_need_and_nothing_else():
    """Snakemake itself runs outside of the environments that it makes."""
    content = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    listed = next(entry["pip"] for entry in content["dependencies"] if isinstance(entry, dict))
    needed = names(project()["dependencies"]) | names(project()["optional-dependencies"]["workflow"])
    assert names(listed) == needed - {"snakemake"}
