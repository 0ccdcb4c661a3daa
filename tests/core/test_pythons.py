"""Every Python that pyproject.toml lets in can read the sources: each one that this machine has tries.

What a newer Python only warns of (a word that becomes a keyword, an escape that will be refused) is an error here.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: oldest first; the first is that of pyproject.toml
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
READ = """
import pathlib, sys, warnings
warnings.simplefilter("error")
files = [file for folder in sys.argv[1:] for file in pathlib.Path(folder).rglob("*.py")]
for file in files:
    compile(file.read_text(encoding="utf-8"), str(file), "exec")
print(sys.version_info[:2], len(files))
"""


def works(version):
    """The interpreter of a version, on the path or kept by pyenv; None: there is none, or a stub alone."""
    kept = (Path.home() / ".pyenv/versions").glob(f"{version}.*/bin/python")
    for path in filter(None, (shutil.which(f"python{version}"), *map(str, sorted(kept)))):
        command = [path, "-c", "import sys; print(sys.version_info[:2])"]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        if found.returncode == 0 and found.stdout.strip() == f"({version.replace('.', ', ')})":
            return path
    return None


def test_the_oldest_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == f">={VERSIONS[0]}"


@pytest.mark.parametrize("version", VERSIONS)
def test_sources_can_be_read(version):
    path = works(version)
    if path is None and f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        path = sys.executable
    if path is None:
        pytest.skip(f"Python {version} is not on this machine")
    folders = [str(ROOT / name) for name in ("src", "tests", "docs", "benchmarks", "notebooks")]
    done = subprocess.run([path, "-c", READ, *folders], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.rpartition(") ")[2]) > 400
