"""What is recorded of the code that made a result."""

import subprocess

import pytest

from spectralcal.machine.environment import commit


@pytest.fixture
def repository(tmp_path):
    """A repository with a package and results, everything committed."""
    for name in ("src/package/module.py", "results/cell.csv"):
        file = tmp_path / name
        file.parent.mkdir(parents=True)
        file.write_text("0\n")
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    return tmp_path


def test_new_results_beside_it_do_not_make_the_code_edited(repository):
    (repository / "results/cell.csv").write_text("1\n")
    (repository / "results/another.csv").write_text("1\n")
    found = commit(repository / "src/package")
    assert len(found) == 40
    assert not found.endswith("-dirty")


@pytest.mark.parametrize("name", ["module.py", "untracked.py"])
def test_an_edited_or_added_module_does(repository, name):
    (repository / "src/package" / name).write_text("1\n")
    assert commit(repository / "src/package").endswith("-dirty")


def test_caches_do_not(repository):
    (repository / "src/package/__pycache__").mkdir()
    (repository / "src/package/__pycache__/module.pyc").write_text("x")
    (repository / ".gitignore").write_text("__pycache__/\n")
    assert not commit(repository / "src/package").endswith("-dirty")


def test_there_is_none_outside_a_repository(tmp_path):
    assert commit(tmp_path) is None
