"""What is published stays light: every clone has it, and history keeps every version of it."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUDIES = ("open", "explore", "overconfident")
CELL_BYTES = 100_000  # on average
OPEN_BYTES = 25_000_000


def tracked(folder):
    """Files that git keeps of a folder, with their sizes; cells that were run again here are not among them."""
    command = ["git", "ls-files", "-z", "--", folder]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not in a git repository")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    return {file: file.stat().st_size for file in files if file.is_file()}


def test_the_open_study_is_at_most_25_megabytes():
    sizes = tracked("results/open")
    assert len(sizes) > 100
    assert sum(sizes.values()) <= OPEN_BYTES


@pytest.mark.parametrize("study", STUDIES)
def test_a_published_cell_is_light_on_average(study):
    sizes = tracked(f"results/{study}/cells")
    assert sum(sizes.values()) <= CELL_BYTES * len({file.parent for file in sizes})


@pytest.mark.parametrize("study", STUDIES)
def test_cells_are_published_in_their_light_form(study):
    names = {file.name for file in tracked(f"results/{study}/cells")}
    assert names == {"light.zip", "run.json", "evaluation.json"}
