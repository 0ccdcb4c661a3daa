"""Thousands of cases: the same batches as ever, with few files open and few voxels kept."""

import hashlib
import json
import os
import subprocess
import sys
import textwrap
import weakref

import numpy as np
import pytest
from many_cases import write_cases

from spectralcal.data.manifest import read_manifest
from spectralcal.engine import patches
from spectralcal.engine.patches import PatchSampler, flat_centres, open_cases
from spectralcal.engine.resident import load_into_memory

resource = pytest.importorskip("resource", reason="limits of a process are POSIX's")


class Watched:
    """A prepared case that knows how often its arrays were read and which of them are still there."""

    def __init__(self, case):
        self.id, self.shape, self._case = case.id, case.shape, case
        self.reads, self._alive = [], weakref.WeakSet()

    def _read(self, name):
        array = getattr(self._case, name)()
        self.reads.append(name)
        self._alive.add(array.base)  # the map of the file: parts of it keep it open too
        return array

    def image(self):
        return self._read("image")

    def label(self):
        return self._read("label")

    def foreground(self):
        return self._read("foreground")

    @property
    def open_files(self):
        return len(self._alive)


@pytest.fixture
def cases(tmp_path):
    return [Watched(case) for case in read_manifest(write_cases(tmp_path, 60, (16, 16), distinct=60))]


def few_files(monkeypatch, allowed):
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (allowed, allowed))


def digest(sampler, steps=40):
    found = hashlib.sha256()
    for step in range(steps):
        images, labels, names = sampler.batch(step)
        found.update(images.tobytes() + labels.tobytes() + ",".join(names).encode())
    return found.hexdigest()


@pytest.mark.parametrize(
    ("shape", "patch", "expected"),
    [
        ((16, 16), (8, 8), "5fcde4f916677b0aa4765498c618abc33ba4f43841538bde3e1eeb22fa835194"),
        ((21, 10), (16, 12), "2edcf560f8ab63ff60f827259175daad5d6244f67eeb335115187be3390c1304"),
    ],
)
@pytest.mark.parametrize(("allowed", "voxels"), [(1 << 20, 1 << 24), (40, 1 << 24), (40, 300), (1, 0)])
def test_batches_are_those_of_a_sampler_that_kept_everything(
    tmp_path, monkeypatch, shape, patch, expected, allowed, voxels
):
    """Forty batches by their bytes, as they were when every case stayed open, whatever may be kept now."""
    few_files(monkeypatch, allowed)
    monkeypatch.setattr(patches, "CENTRES_KEPT", voxels)
    many = read_manifest(write_cases(tmp_path, 60, shape, distinct=60))
    assert digest(PatchSampler(many, patch, 5, 0.6, ("batch", "many", 3))) == expected


def test_two_samplers_hold_half_of_the_files_that_may_be_open(cases, monkeypatch):
    few_files(monkeypatch, 64)
    samplers = [PatchSampler(cases, (8, 8), 5, 0.6, (name, 0)) for name in ("batch", "validation")]
    most = 0
    for step in range(60):
        for sampler in samplers:
            sampler.batch(step)
        most = max(most, sum(case.open_files for case in cases))
    assert all("image" in case.reads for case in cases)
    assert most == 32


def test_a_small_study_opens_each_case_once(cases, monkeypatch):
    few_files(monkeypatch, 1024)
    sampler = PatchSampler(cases, (8, 8), 5, 0.6, ("batch", 0))
    for step in range(100):
        sampler.batch(step)
    assert all("image" in case.reads for case in cases)
    assert all(len(set(case.reads)) == len(case.reads) for case in cases)


@pytest.mark.parametrize(
    ("allowed", "expected"), [(256, 32), (1024, 128), (1 << 20, 1024), (resource.RLIM_INFINITY, 1024), (3, 1)]
)
def test_the_number_of_open_cases_follows_the_limit(monkeypatch, allowed, expected):
    few_files(monkeypatch, allowed)
    assert open_cases() == expected


def test_foreground_voxels_are_kept_up_to_a_limit(cases, monkeypatch):
    size = {case.id: len(case.foreground()) for case in cases}
    monkeypatch.setattr(patches, "CENTRES_KEPT", 500)
    sampler = PatchSampler(cases, (8, 8), 5, 1.0, ("batch", 0))
    for _ in range(2):  # the second time, what was kept is not read
        for case in cases:
            case.reads.clear()
        drawn = {name for step in range(100) for name in sampler.batch(step)[2]}
    assert drawn == set(size)
    kept = [case.id for case in cases if "foreground" not in case.reads]
    assert 450 < sum(size[name] for name in kept) <= 500 < sum(size.values()) / 2


def test_flat_centres_name_the_voxels_of_each_class_in_their_order():
    random = np.random.default_rng(0)
    rows = np.column_stack([random.integers(1, 4, 50), random.integers(0, 7, 50), random.integers(0, 9, 50)])
    found = flat_centres(rows.astype(np.int32), (7, 9))
    assert [voxels.dtype for voxels in found] == [np.int32] * 3
    for value, voxels in zip((1, 2, 3), found, strict=True):
        expected = rows[rows[:, 0] == value, 1:]
        np.testing.assert_array_equal(np.column_stack(np.unravel_index(voxels, (7, 9))), expected)
    assert flat_centres(np.zeros((0, 3), np.int32), (7, 9)) == []
    (far,) = flat_centres(np.array([[1, 2999, 999_999]], np.int32), (3000, 1_000_000))  # beyond 32 bits
    assert far.tolist() == [2_999_999_999]


def test_of_cases_that_do_not_fit_in_memory_only_the_first_are_opened(cases):
    each = sum(getattr(cases[0], name)().nbytes for name in ("image", "label", "foreground"))
    many = cases * (2**20 // each)  # some sixty times what a MiB holds
    for case in cases:
        case.reads.clear()
    assert load_into_memory(many, 1) == (many, False)
    assert sum(len(case.reads) for case in cases) < 3 * len(many) / 20
    held, resident = load_into_memory(cases, 1)
    assert resident
    assert [case.open_files for case in cases] == [0] * len(cases)
    assert digest(PatchSampler(held, (8, 8), 5, 0.6, ("batch", 0))) == digest(
        PatchSampler(cases, (8, 8), 5, 0.6, ("batch", 0))
    )


RUN = """
    import json, os, resource, sys
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    import torch
    from pathlib import Path
    from torch import nn
    from spectralcal.study.config import EvaluationConfig, InferenceConfig, TrainingConfig
    from spectralcal.datasets import DataFacts
    from spectralcal.scoring.evaluate import evaluate_cases
    from spectralcal.engine.validate import mean_dice
    from spectralcal.losses.crac import LOSS
    from spectralcal.data.manifest import read_manifest
    from spectralcal.engine.patches import PatchSampler, check_patch
    from spectralcal.engine.resident import load_into_memory
    from spectralcal.engine.train import train

    torch.set_num_threads(1)
    cases, patch, cpu = read_manifest(Path(sys.argv[1])), (16, 16), torch.device("cpu")
    held, apart = cases[:-600], cases[-600:]
    check_patch(cases, patch, pad_small=False)
    training, resident = load_into_memory(held, 1)
    sampler = PatchSampler(training, patch, 32, 0.5, ("batch", "many", 0))
    validation = PatchSampler(apart[:300], patch, 8, 0.5, ("validation", "many", 0))
    settings = TrainingConfig(steps=24, epoch_steps=12, patch=patch, validation_interval=1, precision="fp32")
    network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 1))

    def batches():
        for index in range(300):
            images, labels, _ = validation.batch(index)
            yield torch.from_numpy(images), torch.from_numpy(labels)

    inference = InferenceConfig()
    result = train(
        network, LOSS(), sampler, settings, stream=("many", 0), device=cpu, precision="fp32",
        checkpoint=Path(sys.argv[1]).with_name("checkpoint.safetensors"), fingerprint="many",
        validation_batches=batches,
        validation_dice=lambda model: mean_dice(
            model, apart[:300], patch, inference, device=cpu, precision="fp32"
        ),
    )
    facts = DataFacts(("a", "b"), 2, "mm", ("image",))
    scores = evaluate_cases(
        network, apart[300:], facts, patch, inference, EvaluationConfig(), device=cpu, precision="fp32"
    )
    drawn = {name for step in range(24) for name in sampler.batch(step)[2]}
    print(json.dumps({
        "cases": len(cases), "resident": resident, "drawn": len(drawn), "history": len(result.history),
        "validated": len(result.validation), "scored": len(scores.calibration["cases"]),
        "open": len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0,
    }))
"""


@pytest.mark.slow
def test_twenty_thousand_cases_in_a_process_that_may_open_256_files(tmp_path):
    """Training with validation by patches and by whole images, then scoring: 24 steps of 32 cases, 900 more cases."""
    manifest = write_cases(tmp_path, 20_000)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(RUN), str(manifest)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["cases"] == 20_000
    assert found["drawn"] > 600  # each of them two files: twice as many as may be open at once
    assert (found["validated"], found["scored"], found["resident"]) == (2, 300, False)
    assert found["open"] < 200
