"""The model tests of bfloat16 under other instruction sets and thread counts: both are read when a process starts."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from spectralcal.machine.processor import CHOOSING

ROOT = Path(__file__).parents[2]
#: this run has one thread and any instructions, as under `make test`
AS_HERE = os.environ.get("OMP_NUM_THREADS") == "1" and not set(CHOOSING) & os.environ.keys()


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("instructions", [None, "AVX512_CORE"])
def test_networks_in_bf16(instructions, threads):
    if (instructions, threads) == (None, 1) and AS_HERE:
        pytest.skip("so they run in this run already")
    kept = {key: value for key, value in os.environ.items() if key not in CHOOSING}
    chosen = {} if instructions is None else {"ONEDNN_MAX_CPU_ISA": instructions}
    files = ["tests/contract/test_models_contract.py", "tests/models"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", "bf16 and not compiled", *files],
        cwd=ROOT, env={**kept, **chosen, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 19  # and none was left out by its name
