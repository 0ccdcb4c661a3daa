"""What the documents and environment files say must be so."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def lock():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return {name.lower(): version for name, version in (line.split("==") for line in lines if "==" in line)}


def requirement_name(text):
    return re.match(r"[A-Za-z0-9_.-]+", text)[0].lower()


def test_the_readmes_python_runs(capsys):
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[1]
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.count("\n") == 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_conda_environment_has_the_locked_versions():
    content = yaml.safe_load((ROOT / "environment.yml").read_text())
    packages = next(entry["pip"] for entry in content["dependencies"] if isinstance(entry, dict))
    locked = lock()
    for package in packages:
        name, version = package.split("==")
        assert locked[name.lower()] == version


def test_every_dependency_is_locked_and_in_the_conda_environment():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    locked = lock()
    for text in [*project["dependencies"], *extras["workflow"], *extras["test"]]:
        assert requirement_name(text) in locked, text
    conda = (ROOT / "environment.yml").read_text().lower()
    for text in project["dependencies"]:
        assert f"- {requirement_name(text)}==" in conda, text


def test_locked_versions_are_installed():
    """Tests and workflow run with what the lock says, so that a result can be traced to versions."""
    import importlib.metadata

    for name, version in lock().items():
        assert importlib.metadata.version(name).partition("+")[0] == version, name


def test_the_readmes_cell_is_a_cell_of_the_demo():
    from spectralcal.study.config import load_config
    from spectralcal.study.grid import study_cells
    from spectralcal.study.paths import StudyPaths

    config = load_config(ROOT / "config/demo.yaml")
    named = re.search(r"results/demo/cells/\S+/cases\.csv", (ROOT / "README.md").read_text())[0]
    assert named in {str(StudyPaths(config).cell(cell).cases) for cell in study_cells(config)}


def test_every_ambiguity_key_exists():
    """A key in docs/ambiguities.md that no configuration knows would send a reader astray."""
    from spectralcal.base import registry
    from spectralcal.study.config import StudyConfig

    options = registry.options_model("losses", "spectral").model_fields
    sections = StudyConfig.model_fields
    for row in re.findall(r"^\| [MDTE]\d.*\| (.*) \|$", (ROOT / "docs/ambiguities.md").read_text(), re.M):
        for key in re.findall(r"`([a-z_.*]+)`", row.partition(" = ")[0]):
            head, _, rest = key.strip(".").partition(".")
            known = head in options or head in sections or head in sections["training"].annotation.model_fields
            assert known, key
            if head in ("preparation", "training") and rest:
                assert rest in sections[head].annotation.model_fields, key
