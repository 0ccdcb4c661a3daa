"""Scripts of users that start workers: with the guard they work, without it one line says what is missing."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
from spectralcal.preparation._parallel import run_jobs

def work():
    print(sorted(run_jobs(divmod, [(7, 2), (9, 4)], workers=2)))

{ending}
"""


@pytest.mark.parametrize(
    ("ending", "code"), [("if __name__ == '__main__':\n    work()", 0), ("work()", 1)], ids=["guarded", "unguarded"]
)
def test_a_script_works_or_is_told_what_it_lacks(tmp_path, ending, code):
    script = tmp_path / "mine.py"
    script.write_text(SCRIPT.format(ending=ending), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == code
    if code == 0:
        assert done.stdout == "[(2, 1), (3, 1)]\n"
    else:
        last = done.stderr.strip().splitlines()[-1]
        assert "__main__" in last
        assert "workers=1" in last
