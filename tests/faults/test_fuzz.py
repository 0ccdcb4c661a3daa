"""A thousand damaged files from a fixed seed, and as many from a seed that nobody knows: see support/fuzzing.py.

`make faults` tries SPECTRALCAL_FUZZ of each (a thousand unless it says another number); `make test` tries all that once
ended badly and was mended (tests/faults/corpus). An input that ends badly is written to the folder
SPECTRALCAL_FUZZ_KEEP.
"""

import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest
from faulty import ALL
from fuzzing import World, inputs, keep_input, kept_inputs

CORPUS = Path(__file__).parent / "corpus"
COUNT = int(os.environ.get("SPECTRALCAL_FUZZ", 1000))
FIXED = 17
KEPT = {name: (target, content) for name, target, content in kept_inputs(CORPUS)}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("name", KEPT)
def test_what_once_ended_badly_does_not_again(world, name):
    verdict = world.try_input(*KEPT[name])
    assert not verdict.problem, verdict


@pytest.mark.skipif(not ALL, reason="a part of `make faults`")
@pytest.mark.parametrize("seed", [FIXED, random.SystemRandom().randrange(10**9)], ids=["fixed", "other"])
def test_damaged_files_end_in_success_or_one_line(world, seed):
    begun, problems, tried = time.monotonic(), [], Counter()
    for target, content, words in inputs(seed, COUNT, world):
        verdict = world.try_input(target, content)
        tried[target.kind] += 1
        if verdict.problem:
            problems.append(f"{words}, {target.file}: {verdict.problem}: {verdict.said.strip()}")
            if folder := os.environ.get("SPECTRALCAL_FUZZ_KEEP"):
                keep_input(Path(folder), f"{target.kind}-{seed}-{len(problems)}", target, content, verdict.problem)
    print(f"seed {seed}: {dict(tried)} in {time.monotonic() - begun:.0f} s")
    assert not problems, "\n".join([f"{len(problems)} of {COUNT}", *problems])
