"""Gives published results their new identity, and proves that it is the same results: `python docs/restamp.py --check`.

Until commit 17dca3e a result was identified by the text of the code that could change it; now it is by settings and
declared integers (spectralcal.study.numerics). For every published training and scoring this script lets the code of
that commit compute the old recipe, compares it with the recorded one, and writes the new identity beside the old:
``restamped`` holds the commit, the old recipe and the old fingerprint. Without ``--check`` it writes records that are
not restamped yet; with it, it writes nothing, and fails if a record has another old or new recipe than the two
versions of the code compute. Kept until the next release.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from spectralcal.base.digests import digest
from spectralcal.base.files import write_json
from spectralcal.base.integrity import seal_holds, sealed
from spectralcal.study.config import load_config
from spectralcal.study.grid import study_cells, trained_cells
from spectralcal.study.paths import StudyPaths
from spectralcal.study.recipe import cell_fingerprint, evaluation_identity, training_identity, training_settings
from spectralcal.study.resolved import resolve

ROOT = Path(__file__).parents[1]
BASE = "17dca3e3d775"
STUDIES = ("config/open.yaml", "config/explore.yaml")
#: run by the code of BASE: study -> {"training" | "scoring": {cell: recipe}}
OLD = """
import json, sys
from pathlib import Path
from spectralcal.config import load_config
from spectralcal.grid import study_cells, trained_cells
from spectralcal.recipe import evaluation_recipe, training_recipe
found = {}
for name in sys.argv[1:]:
    config = load_config(Path(name))
    cells = study_cells(config)
    found[name] = {
        "training": {str(cell): training_recipe(config, cell) for cell in trained_cells(config, cells)},
        "scoring": {str(cell): evaluation_recipe(config, cell) for cell in cells},
    }
print(json.dumps(found))
"""


def old_recipes() -> dict[str, dict[str, dict[str, str]]]:
    """What the code of BASE computes for every cell of the two studies, as they are configured at BASE."""
    content = subprocess.run(["git", "archive", BASE, "src", "config"], cwd=ROOT, capture_output=True, check=True)
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(content.stdout)) as archive:
            archive.extractall(folder, filter="data")
        environment = {**os.environ, "PYTHONPATH": str(Path(folder) / "src")}
        command = [sys.executable, "-c", OLD, *STUDIES]
        found = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", errors="replace", check=True
        )
    return json.loads(found.stdout)


def restamped(record: dict[str, Any], old: str, commit: str, identity: dict[str, Any]) -> dict[str, Any]:
    """The record with its new identity. Raises AssertionError unless the old recipe is the recorded one."""
    before = record.get("restamped") or {
        "commit": commit,
        "recipe": record["parts"]["recipe"],
        "fingerprint": record["fingerprint"],
    }
    data = record["parts"]["manifest"], record["parts"]["split"]
    assert before["recipe"] == old, f"recorded {before['recipe']}, the code of {BASE} computes {old}"
    assert before["fingerprint"] == cell_fingerprint(old, *data), "the old fingerprint is not that of its parts"
    assert seal_holds(record) is not False, "altered since it was written"
    recipe = digest(identity)
    changes = {
        "fingerprint": cell_fingerprint(recipe, *data),
        "parts": {**record["parts"], "recipe": recipe},
        "identity": json.loads(json.dumps(identity)),
        "restamped": before,
    }
    if "recipe" in record:
        changes["recipe"] = recipe
    return sealed({**record, **changes})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a record would change")
    check = parser.parse_args().check
    os.chdir(ROOT)
    commit = subprocess.run(
        ["git", "rev-parse", BASE], capture_output=True, encoding="utf-8", errors="replace", check=True
    ).stdout.strip()
    changed = 0
    for name, recipes in old_recipes().items():
        config = load_config(Path(name))
        paths, cells = StudyPaths(config), study_cells(config)
        for kind, each, identity_of in (
            ("training", trained_cells(config, cells), training_identity),
            ("scoring", cells, evaluation_identity),
        ):
            equal = 0
            for cell in each:
                file = getattr(paths.cell(cell), {"training": "run", "scoring": "evaluation"}[kind])
                record = json.loads(file.read_text(encoding="utf-8"))
                if str(cell) not in recipes[kind] or ("restamped" not in record and "identity" in record):
                    continue  # made after BASE
                made = restamped(record, recipes[kind][str(cell)], commit, identity_of(resolve(config, cell)))
                if kind == "training":
                    made = sealed({**made, "settings": training_settings(resolve(config, cell))})
                equal += 1
                if made != record:
                    changed += 1
                    if not check:
                        write_json(file, made)
            print(f"{config.study}: {equal} of {len(each)} records of {kind} have the recipe that {BASE} computes")
    print(f"{changed} records {'would change' if check else 'written'}")
    return int(check and changed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
