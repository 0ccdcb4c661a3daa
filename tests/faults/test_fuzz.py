"""A thousand damaged files from a fixed seed, and as many from a seed that nobody knows: see support/fuzzing.py.

`make faults` tries SPECTRALCAL_FUZZ of each (a thousand unless it says another number); SPECTRALCAL_FUZZ_SEED, printed
by every run, repeats one. `make test` tries all that once ended badly and was mended (tests/faults/corpus). An input
that ends badly is written to the folder SPECTRALCAL_FUZZ_KEEP.
"""

import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest
from faulty import ALL
from fuzz_pool import FuzzPool
from fuzzing import World, inputs, keep_input, kept_inputs

CORPUS = Path(__file__).parent / "corpus"
COUNT = int(os.environ.get("SPECTRALCAL_FUZZ", 1000))
FIXED = 17
OTHER = int(os.environ.get("SPECTRALCAL_FUZZ_SEED") or random.SystemRandom().randrange(10**9))
KEPT = kept_inputs(CORPUS)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("name", KEPT)
def test_what_once_ended_badly_does_not_again(world, name):
    verdict = world.try_input(KEPT[name].target, KEPT[name].content)
    assert not verdict.problem, verdict


@pytest.mark.skipif(not ALL, reason="a part of `make faults`")
@pytest.mark.parametrize("seed", [FIXED, OTHER], ids=["fixed", "other"])
def test_damaged_files_end_in_success_or_one_line(world, seed, tmp_path):
    begun, problems, tried = time.monotonic(), [], Counter()
    pool = FuzzPool(world.whole, tmp_path, os.cpu_count() or 1)
    for one, verdict in pool.verdicts(inputs(seed, COUNT, world.whole)):
        tried[one.target.kind] += 1
        if verdict.problem:
            problems.append(f"{one.words}, {one.target.file}: {verdict.problem}: {verdict.said.strip()}")
            if folder := os.environ.get("SPECTRALCAL_FUZZ_KEEP"):
                keep_input(Path(folder), f"{one.words.replace(', ', '-').replace(' ', '')}", one, verdict.problem)
    pool.close()
    print(f"seed {seed}: {dict(tried)} in {time.monotonic() - begun:.0f} s")
    assert not problems, "\n".join([f"{len(problems)} of {COUNT} with SPECTRALCAL_FUZZ_SEED={seed}", *problems])
