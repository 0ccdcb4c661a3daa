"""Text is UTF-8 whatever the locale: every place that reads or writes some says so, and no sign ends a run."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [
    file for folder in ("src", "docs", "benchmarks", "notebooks") for file in sorted((ROOT / folder).rglob("*.py"))
]
#: the locale of an old cluster, where it is not installed as good as any that is not UTF-8
OTHER_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def undecided(tree):
    """Lines that open text, or talk to a process in text, in the encoding that the locale happens to have."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        # what is unpacked may say it, and bytes, archives and images have no encoding
        if "encoding" in given or None in given:
            continue
        owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
        literals = [n.value for n in [*node.args, *given.values()] if isinstance(n, ast.Constant) and n.value]
        modes = [v for v in literals if isinstance(v, str) and re.fullmatch(r"[rwaxbt+]{1,4}", v)]
        opens = (
            name == "open"
            and owner not in ("os", "tarfile", "Image")
            and "rchive" not in owner
            and "opened" not in owner
        )
        if (
            (name == "write_text" and len(node.args) == 1 and owner)
            or (name == "read_text" and not node.args and owner)
            or (opens and (any("b" not in mode for mode in modes) or not (modes or (node.args and owner))))
            or (
                (given.get("text") is not None or "universal_newlines" in given)
                and name in ("run", "Popen", "check_output")
            )
        ):
            yield node.lineno


def test_every_place_names_its_encoding():
    found = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in SOURCES
        for line in undecided(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert found == []


def test_rules_of_the_workflow_name_it_too():
    for file in [ROOT / "Snakefile", *sorted((ROOT / "workflow/rules").glob("*.smk"))]:
        assert not re.search(r"(read_text|write_text|\bopen)\((?![^)]*encoding)", file.read_text(encoding="utf-8")), (
            file
        )


@pytest.mark.parametrize(
    "line",
    [
        "Path('a').read_text()",
        "Path('a').write_text('x')",
        "open('a')",
        "p.open('w')",
        "p.open()",
        "run(['a'], text=True)",
    ],
)
def test_the_search_finds_what_it_is_for(line):
    assert list(undecided(ast.parse(line))) == [1]


@pytest.mark.parametrize("line", ["p.read_text(encoding='utf-8')", "p.open('rb')", "write_text(p, 'x')", "run(['a'])"])
def test_and_lets_pass_what_is_decided(line):
    assert list(undecided(ast.parse(line))) == []


def test_a_sign_that_the_terminal_lacks_ends_nothing():
    code = "from spectralcal.base.console import say, show_any_sign as show\nsay(chr(233) + chr(215)); show(); "
    code += "print(chr(0x65e5))"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHONIOENCODING"))}
    environment |= {**OTHER_LOCALE, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.decode("ascii").strip() == r"\xe9\xd7"
    assert done.stdout.decode("ascii").strip() == r"\u65e5"
