"""Which heavy packages a verb imports: a study starts a process for each job, and every one pays for its imports.

By the modules that are there after the verb has done its work, not by time.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from small_study import Study
from studies import tiny

ROOT = Path(__file__).parents[2]
#: packages that take a tenth of a second and more
HEAVY = ("torch", "torch._dynamo", "monai", "numba", "scipy", "pandas", "matplotlib", "seaborn", "sklearn", "SimpleITK",
         "nibabel", "rocrate", "requests", "pooch")  # fmt: skip
#: runs verbs in forks of one process that has imported what all share
RUN = """
import json, os, sys
from spectralcal.cli import main
import spectralcal.study.config, spectralcal.study.grid
heavy, verbs = json.loads(sys.argv[1])
assert not set(heavy) & set(sys.modules)
for verb in verbs:
    sys.stdout.flush()
    child = os.fork()
    if not child:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        try:
            main(verb)
        except SystemExit as end:
            code = end.code
        found = sorted(name for name in heavy if name in sys.modules)
        os.write(3, (json.dumps([verb[0], code, found]) + "\\n").encode())
        os._exit(0)
    os.waitpid(child, 0)
"""


def imported(folder, config, *verbs):
    """Verb -> heavy packages that are there when it has ended well."""
    reading, writing = os.pipe()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "SPECTRALCAL_CONFIG": str(config)}
    # The child writes to its descriptor 3 what the verbs say nothing about.
    command = ["bash", "-c", f'exec "$@" 3>&{writing}', "bash", sys.executable, "-c", RUN, json.dumps([HEAVY, verbs])]
    found = subprocess.run(
        command, cwd=folder, env=environment, pass_fds=(writing,), capture_output=True, text=True, check=False
    )
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answers = [json.loads(line) for line in pipe]
    assert [code for _, code, _ in answers] == [0] * len(verbs), found.stderr
    return {verb: set(names) for verb, _, names in answers}


def test_verbs_of_cells(tmp_path):
    """A network that does not need MONAI brings none, and scores that wait for adoption need no torch."""
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(tiny(".")))
    cell = ["--dataset", "phantom", "--arch", "unet", "--method", "ce", "--seed", "0"]
    found = imported(
        tmp_path, "tiny.yaml", ["prepare", "--dataset", "phantom"], ["split", "--dataset", "phantom"],
        ["train", *cell, "--then-evaluate"], ["evaluate", *cell], ["collect", "--allow-missing"], ["where"],
    )  # fmt: skip
    assert found.pop("prepare") <= {"torch", "scipy"}  # the phantom's fields; other data bring their readers
    assert found.pop("train") <= {"torch", "scipy", "numba"}
    assert found.pop("collect") <= {"pandas"}  # which pyarrow brings, where it is installed
    assert found == {"split": set(), "evaluate": set(), "where": set()}


def test_verbs_of_the_report(tmp_path):
    """Tables and figures are made without torch; only tables and figures that draw need what draws."""
    study = Study(tmp_path, methods=("ce", "spectral"), seeds=(0,), cases=3)
    study.write()
    content = study.config.model_dump(mode="json")
    content["tables"] = {name: {"experiment": "main"} for name in ("table1", "cost")}
    content["figures"] = {"figure2": {"experiment": "main"}}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(content))
    page = str(tmp_path / "page.html")
    found = imported(
        tmp_path, "small.yaml", ["table", "table1"], ["figure", "figure2"],
        ["page", str(study.config.results / "tables/table1.md"), page],
    )  # fmt: skip
    assert found["table"] <= {"pandas", "scipy"}
    assert found["figure"] <= {"pandas", "scipy", "matplotlib", "seaborn"}
    assert found["page"] == set()


@pytest.mark.parametrize("name", ["unet", "nnunet", "slice_unet", "transunet"])
def test_these_networks_need_no_monai(name):
    """MONAI takes longer to import than torch; it is for networks whose layers are its own."""
    source = (ROOT / f"src/spectralcal/models/{name}.py").read_text(encoding="utf-8")
    assert "import monai" not in source
    assert "from monai" not in source
