"""What a paper's folder says of the paper: one place for its names, defaults for the rest, one line for mistakes."""

import ast
import re
import shutil
from pathlib import Path

import pytest
import yaml
from studies import minimal

from spectralcal.base import registry
from spectralcal.base.errors import ConfigError
from spectralcal.base.papers import known_papers
from spectralcal.metrics.protocols import PROTOCOLS
from spectralcal.report.printed import paper_values
from spectralcal.report.results import Results
from spectralcal.study.config import PaperConfig, parse_config, read_paper

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src/spectralcal"
TOY = ROOT / "tests/support/toy_paper"
#: methods of the package, which only papers and the files of the losses may name
METHODS = set(registry.names("losses"))
#: what papers call methods, as a word of any text that a program shows
PRINTED = re.compile(
    rf"\b({'|'.join({m.label for p in known_papers() for m in read_paper(p).methods.values() if m.printed})})\b"
)
#: a citation may say what its authors call their method
CITED = re.compile(r"et al\. \d{4} \(\w+\)")


def methods_named(file):
    """(line, literal) of every text in a source, docstrings apart, that is a method's name, alone or with an option or
    a step, or holds what a paper calls it."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            name = node.value.partition("@")[0].partition("+")[0]
            if (name in METHODS and " " not in node.value) or PRINTED.search(CITED.sub("", node.value)):
                found.append((node.lineno, node.value))
    return sorted(found)


def test_nothing_but_papers_and_losses_names_a_method():
    found = [
        f"{file.relative_to(PACKAGE)}:{line} names '{name}'"
        for file in sorted(PACKAGE.rglob("*.py"))
        if file.relative_to(PACKAGE).parts[0] not in ("papers", "losses")
        for line, name in methods_named(file)
    ]
    assert found == []


def test_the_search_finds_names_in_every_form(tmp_path):
    file = tmp_path / "wrong.py"
    lines = [
        '"""Says ce, CE and "ce"."""',
        'A = "ce"',
        'B = ["spectral@window=1"]',
        'C = "ce+temperature"',
        'D = "place"',
        'E = f"{A} - CE"',
        '# "ce"',
    ]
    file.write_text("\n".join(lines))
    assert methods_named(file) == [(2, "ce"), (3, "spectral@window=1"), (4, "ce+temperature"), (6, " - CE")]


def test_rules_of_the_workflow_name_no_method_and_no_role():
    text = "".join(file.read_text() for file in [ROOT / "Snakefile", *sorted((ROOT / "workflow/rules").glob("*.smk"))])
    for name in (*METHODS, *read_paper("spectral_entropy").roles):
        assert f'"{name}"' not in text
        assert f"claims.{name}" not in text


def test_the_papers_of_the_package_name_protocols_that_there_are():
    for file in (PACKAGE / "papers").glob("*/paper.yaml"):
        assert read_paper(file.parent.name).protocol in PROTOCOLS


@pytest.fixture
def toy(tmp_path, request):
    """The toy paper under a name of this test's own, since a process knows one paper of a name; changes -> name."""
    folder = tmp_path / f"toy_{abs(hash(request.node.name))}"

    def changed(**changes):
        shutil.copytree(TOY, folder, ignore=shutil.ignore_patterns("__pycache__"))
        content = yaml.safe_load((TOY / "paper.yaml").read_text())
        (folder / "paper.yaml").write_text(yaml.safe_dump({**content, **changes}, sort_keys=False))
        return str(folder)

    yield changed
    registry.forget()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"titel": "x"}, r"paper\.yaml: titel: unknown key; did you mean 'title'\?"),
        ({"methods": {"unheard": {}}}, r"paper\.yaml: methods: unknown method 'unheard'; expected .*'own'"),
        ({"methods": {"own": {"lable": "x"}}}, r"paper\.yaml: methods\.own\.lable: unknown key; did you mean 'label'"),
        ({"methods": {"own": {"look": {"color": "red"}}}}, r"paper\.yaml: methods\.own\.look\.color: .*'red'"),
        ({"baseline": "own@strenght=1"}, r"paper\.yaml: baseline: 'own@strenght=1': strenght: unknown key"),
        ({"method": "unheard"}, r"paper\.yaml: method: unknown method 'unheard'"),
        ({"datasets": {"unheard": "X"}}, r"paper\.yaml: datasets: unknown data set 'unheard'"),
        ({"stated": {"patsh": 3}}, r"paper\.yaml: stated\.patsh: unknown key; did you mean 'patch'"),
        ({"roles": ["main"]}, r"paper\.yaml: roles: "),
    ],
)
def test_a_mistake_is_one_line_with_the_file_and_the_key(toy, changes, message):
    with pytest.raises(ConfigError, match=message) as found:
        read_paper(toy(**changes))
    assert "\n" not in str(found.value)


def test_a_paper_of_a_title_is_enough(toy):
    folder = Path(toy())
    (folder / "paper.yaml").write_text("title: Alone\n")
    paper = read_paper(str(folder))
    assert paper == PaperConfig(title="Alone")
    config = parse_config(minimal(paper=str(folder)), "the test")
    assert config.baseline_among(["own", "ce"]) == "own"


def test_a_study_without_a_paper_has_names_and_looks():
    config = parse_config(minimal(paper=None), "the test")
    results = Results(config)
    assert results.label("ce") == registry.constant("losses", "ce", "LABEL")
    assert results.paper_name("ce") is results.paper_dataset("acdc" if "acdc" in config.datasets else "phantom") is None
    assert results.baseline("main") == "ce"
    assert results.ordered_methods("main") == ["ce", "spectral"]
    assert len({look.color for look in results.style.looks(["ce", "spectral"]).values()}) == 2
    assert results.protocol in PROTOCOLS


def test_roles_are_those_of_the_paper_in_its_order(toy):
    folder = toy(roles={"first": "One.", "second": "Two."})
    config = parse_config(minimal(paper=folder, claims={"second": "main"}), "the test")
    assert list(config.claims.items()) == [("first", None), ("second", "main")]
    with pytest.raises(
        ConfigError, match=r"claims\.secnd: unknown role of .*; did you mean 'second'\? expected 'first'"
    ):
        parse_config(minimal(paper=folder, claims={"secnd": "main"}), "the test")
    with pytest.raises(ConfigError, match=r"claims: expected `paper`"):
        parse_config(minimal(paper=None, claims={"first": "main"}), "the test")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot read the paper's printed values"),
        ("dataset,metric,method,value,note\n", "expected columns .* found no 'unit'"),
        ("dataset,metric,method,value,unit,note\nA,DSC,B,x,%,\n", "row 2: value: expected a number, found 'x'"),
        ("dataset,metric,method,value,unit,note\nA,DSC,B,1,%,\nA,DSC,B,2,%,\n", "row 3: .* found A, DSC, B again"),
    ],
)
def test_printed_numbers_that_cannot_be_read_are_named(tmp_path, text, message):
    (tmp_path / "printed").mkdir()
    if text is not None:
        (tmp_path / "printed/wrong.csv").write_text(text)
    with pytest.raises(ConfigError, match=rf"wrong\.csv.*{message}"):
        paper_values(tmp_path, "wrong")
