"""The reports of `doctor` and `datasets check` and the list of data sets, as the verbs print them."""

import json
import re

import nibabel
import numpy as np
import pytest
import torch
from studies import tiny

from spectralcal.base import registry
from spectralcal.base.errors import ConfigError, DataError
from spectralcal.doctor.diagnose import KINDS, check_dataset, dataset_lines, diagnose, memory_text
from spectralcal.study.config import parse_config


@pytest.fixture
def study(tmp_path):
    """A study on the phantom and on hippocampus, whose folder holds three cases."""
    random = np.random.default_rng(0)
    for number in range(3):
        for folder, array in (
            ("imagesTr", random.normal(100, 9, (6, 7, 5)).astype(np.float32)),
            ("labelsTr", random.integers(0, 3, (6, 7, 5)).astype(np.uint8)),
        ):
            path = tmp_path / "raw/Task04_Hippocampus" / folder / f"hippocampus_{number:03d}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), path)
    datasets = {"phantom": {"options": {"cases": 3, "shape": [16, 16, 16]}}, "hippocampus": {}}
    return parse_config(tiny(tmp_path, datasets=datasets), "the test")


def test_report_of_a_good_set(study, capsys):
    report = check_dataset(study, "hippocampus", workers=1)
    assert report.errors == ()
    assert str(report) == report.text
    assert report.text.startswith("hippocampus: 3 cases (expected 260) of 3 patients in ")
    assert "hippocampus: reading: 3/3" in capsys.readouterr().err


def test_report_for_machines(study):
    content = json.loads(check_dataset(study, "hippocampus", as_json=True, workers=1).text)
    assert (content["dataset"], content["cases"], content["errors"]) == ("hippocampus", 3, [])
    assert [entry["name"] for entry in content["labels"]] == ["background", "anterior", "posterior"]


def test_errors_are_in_the_report_not_instead_of_it(study):
    (study.raw_root / "Task04_Hippocampus/imagesTr/hippocampus_001.nii.gz").write_bytes(b"no volume")
    report = check_dataset(study, "hippocampus", workers=1)
    assert len(report.errors) == 1
    assert "hippocampus_001.nii.gz: expected a readable volume" in report.errors[0]
    assert report.text.startswith("hippocampus: 2 cases")
    assert report.errors[0] in report.text


def test_options_of_the_study_count(study):
    assert check_dataset(study, "phantom", workers=1).text.startswith("phantom: 3 cases (expected 3)")


def test_a_set_that_is_not_there_says_how_to_get_it(study):
    with pytest.raises(DataError, match=r"acdc: expected at .*raw.ACDC, found nothing; Open download"):
        check_dataset(study, "acdc")


def test_an_unknown_name(study):
    with pytest.raises(ConfigError, match="unknown data set 'liver'; expected 'acdc'"):
        check_dataset(study, "liver")


def test_the_list_names_every_set_and_where_it_is(study):
    lines = dataset_lines(study)
    assert len(lines) == len(set(registry.names("datasets")) - KINDS)
    state = {line[4:].split()[0]: line for line in lines}
    assert state["hippocampus"].startswith("  * ")
    assert state["hippocampus"].endswith("raw/Task04_Hippocampus")
    assert state["phantom"].endswith("generated")
    assert state["acdc"].endswith("missing; downloaded when needed")
    assert state["brats2020"].endswith("missing")
    assert not KINDS & set(state)


def test_doctor_says_device_precision_and_memory(study, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    lines = {line.split()[0]: line for line in diagnose(study).splitlines()}
    precision = "precision (bf16 for networks that pass its probe|fp32)"
    assert re.fullmatch(rf"device +cpu \(\w+\), \d+ CPU cores, {precision}", lines["device"])
    free, total = map(float, re.fullmatch(r"memory +([\d.]+) of ([\d.]+) GiB available", lines["memory"]).groups())
    assert 0 < free < total


def test_memory_of_a_gpu_is_said_too(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (30 * 2**30, 80 * 2**30))
    assert memory_text(torch.device("cuda")).endswith(" GiB available; on the GPU 30.0 of 80.0 GiB")
