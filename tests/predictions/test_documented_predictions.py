"""The commands of docs/predictions.md, from top to bottom, on tiny files in the layouts that it describes."""

import re
import shlex
from pathlib import Path

import foreign
import numpy as np
import pytest

from spectralcal.base import registry
from spectralcal.cli.main import main

PAGE = Path(__file__).parents[2] / "docs/predictions.md"


def test_the_commands_run(tmp_path, monkeypatch):
    foreign.nnunet_folders(tmp_path, cases=3)
    foreign.nnunet_folders(tmp_path / "fold", cases=3, first=10)
    (tmp_path / "fold/predictions").rename(tmp_path / "validation")
    for path in (tmp_path / "fold/labelsTr").iterdir():
        path.rename(tmp_path / "labelsTr" / path.name)
    for seed in range(3):
        probabilities = foreign.one_case(seed)[1]
        foreign.save(tmp_path / f"maps/case_{seed:03d}.nii.gz", probabilities)
        for number, name in enumerate(foreign.NAMES, 1):
            mask = (probabilities.argmax(-1) == number).astype(np.uint8)
            foreign.save(tmp_path / f"total/case_{seed:03d}/{name}.nii.gz", mask)
    monkeypatch.chdir(tmp_path)
    commands = [
        line for block in re.findall(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
        for line in block.splitlines()
    ]  # fmt: skip
    assert len(commands) == 7
    for command in commands:
        name, *arguments = shlex.split(command)
        assert name == "spectralcal"
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert not end.value.code, command
        assert (tmp_path / arguments[arguments.index("--out") + 1] / "made_by.json").is_file(), command
    assert (tmp_path / "calibrated/effect.csv").is_file()


def test_the_page_names_every_map():
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in registry.names("posthoc"))
