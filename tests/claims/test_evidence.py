"""What the ledger names as evidence is in the repository."""

import re
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from spectralcal.jobs.steps import collect_step
from spectralcal.report.claims.catalogue import catalogue
from spectralcal.report.claims.ledger import ledger, table
from spectralcal.report.results import Results
from spectralcal.study.config import load_config
from spectralcal.study.paths import StudyPaths

ROOT = Path(__file__).parents[2]
#: a path may have braces with commas in them; a colon begins the name of a file of a cell
PATH = re.compile(r"(?:\{[^}]*\}|[^\s,;:])+")
#: files that a light cell has inside
IN_A_CELL = {"cases.csv", "calibration.npz", "spectra.npz", "history.csv", "model.json", "evaluation.json"}


def spread(pattern):
    """``a{b,c}`` -> ``ab``, ``ac``."""
    found = re.search(r"\{([^}]*)\}", pattern)
    if not found:
        return [pattern]
    head, tail = pattern[: found.start()], pattern[found.end() :]
    return [one for choice in found[1].split(",") for one in spread(head + choice + tail)]


@pytest.fixture(scope="module")
def tracked():
    """Files of the repository, and their folders."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not in a git repository")
    files = [name for name in listed.stdout.split("\0") if name]
    return {*files, *(str(parent) for name in files for parent in Path(name).parents)}


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    """Of each finding that the published cells of the open study give: claim, place, evidence."""
    path = tmp_path_factory.mktemp("collected") / "cases.parquet"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(StudyPaths, "cases", path)
        config = load_config("config/open.yaml")
        collect_step(config, allow_missing=True)
        frame = table(ledger(Results(config)))
    return frame[["id", "where", "verdict", "found", "evidence"]].fillna("")


def test_every_path_of_the_ledger_is_in_the_repository(evidence, tracked):
    checked = set()
    for row in evidence.itertuples():
        for entry in filter(None, row.evidence.split("; ")):
            place, _, inside = entry.partition(": ")
            if place.endswith(" of this ledger"):
                continue
            for name in spread(place):
                assert PATH.fullmatch(name), f"{row.id}, {row.where}: {entry}: a path and no sentence was expected"
                assert any(fnmatchcase(each, name) for each in tracked), f"{row.id}, {row.where}: no {name} in the tree"
            assert inside.split(" of ")[0] in {"", *IN_A_CELL}, f"{row.id}, {row.where}: {entry}"
            checked.add(place)
    assert len(checked) > 20
    assert any("numbers/hotspots" in place for place in checked)


def test_what_was_measured_has_evidence(evidence):
    measured = evidence[(evidence.verdict != "not measured") & (evidence["where"] != "claim")]
    assert (measured.evidence != "").all()


def test_the_audits_answers_name_claims_that_there_are():
    page = (ROOT / "docs/audit.md").read_text()
    named = set(re.findall(r"\b[CT]\d\d\b", page))
    assert named - {"T02"} <= set(catalogue("spectral_entropy"))
    assert "T02 is dropped" in page
    for point in (*(f"| **E{n}** " for n in range(1, 7)), "### E7", "## Sections 1 and 2", "## Sections 3 and 4",
                  *(f"## Section {n}" for n in (5, 6, 7))):  # fmt: skip
        assert point in page


def test_the_premise_of_the_audits_answers_is_that_of_the_cells(evidence):
    said = re.search(r"<!-- premise -->(.*?)<!-- end -->", (ROOT / "docs/audit.md").read_text(), re.S)[1]
    found = {row["where"]: row.found for _, row in evidence[evidence.id == "C57"].iterrows()}
    numbers = {
        name: {
            key: float(re.search(rf"{text}: (-?[\d.]+)", found[name])[1])
            for key, text in {"gap": "all voxels", "foreground": "voxels pooled"}.items()
        }
        for name in ("hippocampus", "acdc")
    }
    wrong = float(re.search(r"Of ([\d.]+) ", found["hippocampus"])[1])
    temperature = float(re.search(r"validation cases: ([\d.]+)", found["hippocampus"])[1])
    ours, other = numbers["hippocampus"], numbers["acdc"]
    expected = [ours["gap"], wrong, temperature, ours["foreground"], -other["gap"], -other["foreground"]]
    assert [float(text) for text in re.findall(r"\d+\.\d+", said)] == expected
