"""Names of before the package had floors still import, and are the modules of today, not copies."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
from studies import tiny

from spectralcal.base.moved import MOVED
from spectralcal.study.config import parse_config
from spectralcal.study.paths import StudyPaths


@pytest.mark.parametrize("old", MOVED)
def test_an_old_name_is_the_module_of_today(old):
    assert importlib.import_module(f"spectralcal.{old}") is importlib.import_module(f"spectralcal.{MOVED[old]}")


def test_old_scripts_import_in_a_fresh_process():
    script = (
        "from spectralcal import cells, reporting, steps\n"
        "from spectralcal.evaluation.maps import maps_step\n"
        "from spectralcal.grid import loss_options, study_cells\n"
        "from spectralcal.locks import Lock\n"
        "assert cells.train_cell and reporting.table_step and steps.prepare_step and steps.build_dataset\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_name_that_never_was_is_refused():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("spectralcal.nowhere")


def test_paths_of_probes_have_their_old_names_too(tmp_path):
    paths = StudyPaths(parse_config(tiny(str(tmp_path)), "tiny"))
    for name in ("maps", "hotspots"):
        assert getattr(paths, name)("own", "unet", 0) == paths.probe(name, "own", "unet", 0)
