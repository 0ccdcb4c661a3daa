"""The ledger as a whole: complete, the same every time, and never kinder than its results."""

import csv
import dataclasses
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml
from claims_study import SIX
from small_study import Study as Phantom

from spectralcal.base import registry
from spectralcal.base.errors import ConfigError
from spectralcal.base.papers import paper_of
from spectralcal.report.claims import finding as f
from spectralcal.report.claims import ledger as module
from spectralcal.report.claims.catalogue import ANY, FILE, NAMED, OWN, catalogue
from spectralcal.report.claims.ledger import WHOLE, functions, ledger, table
from spectralcal.report.claims.page import DAMAGED, DECISIVE, page
from spectralcal.report.results import Results
from spectralcal.study.config import load_config, parse_config

#: whose tables, figures and claims are among those that are tested
PAPER = "spectral_entropy"

ROOT = Path(__file__).parents[2]
LOSSES = ("ce", "focal", "ls", "mbls", "svls", "crac", "spectral")


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """Five seeds and eight patients of a phantom, every file there."""
    folder = tmp_path_factory.mktemp("phantom")
    results = Phantom(folder, methods=LOSSES, seeds=(0, 1, 2, 3, 4), cases=8, shape=(10, 10, 10)).write()
    return Results(results.config.model_copy(update={"claims": {"main": "main"}}))


@pytest.fixture(scope="module")
def entries(phantom):
    return ledger(phantom)


def test_every_claim_has_one_function_and_every_function_a_claim():
    ids = []
    for file in (FILE, OWN):
        with (paper_of(PAPER).folder / file).open(newline="") as stream:
            ids += [row["id"] for row in csv.DictReader(stream)]
    assert len(ids) == len(set(ids))
    assert set(functions(PAPER)) == set(ids)
    assert ids[:50] == [f"C{n:02d}" for n in range(1, 51)]


def test_the_list_is_filled_in():
    for claim in catalogue(PAPER).values():
        for name in ("claim", "place", "measured_by", "supported_if", "refuted_if", "printed"):
            assert getattr(claim, name).strip(), (claim.id, name)
        assert claim.kind in (NAMED, ANY, "none")
        assert set(claim.data_sets) <= set(SIX)


@pytest.mark.parametrize("change", ["twice", "without claim", "without function"])
def test_claims_and_functions_must_match(monkeypatch, change):
    load = registry.load
    extra = {"twice": {"C01": print}, "without claim": {"C99": print}}.get(change, {})

    def changed(kind, name, paper):
        found = load(kind, name, paper)
        if name == "cost":
            return {**found, **extra} if extra else {"C41": found["C41"]}
        return found

    monkeypatch.setattr(module.registry, "load", changed)
    functions.cache_clear()
    expected = {"twice": "C01: expected one", "without claim": "C99", "without function": "C42"}[change]
    with pytest.raises(ValueError, match=expected):
        functions(PAPER)
    monkeypatch.undo()
    functions.cache_clear()


def test_groups_have_titles_and_import_no_torch():
    names = registry.names("claims", PAPER)
    assert all(isinstance(registry.constant("claims", name, "TITLE", PAPER), str) for name in names)
    modules = [
        "spectralcal.report.claims.ledger",
        *(registry.find("claims", name, paper=PAPER).module for name in names),
    ]
    code = f"import sys, importlib\nfor m in {modules!r}: importlib.import_module(m)\nassert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_phantom_decides_no_claim_on_real_data(entries):
    """Whatever its results are: some of its own findings are decided, and none counts."""
    on_phantom = [finding for entry in entries for finding in entry.findings if finding.where == "phantom"]
    assert {f.SUPPORTED, f.REFUTED} <= {finding.verdict for finding in on_phantom}
    for entry in entries:
        if entry.claim.kind in (NAMED, ANY):
            assert entry.verdict in (f.NOT_MEASURED, f.CONTRADICTED), entry.claim.id
            if entry.verdict == f.CONTRADICTED:
                assert "printed numbers" in entry.reason
            assert not any(c for finding, c in zip(entry.findings, entry.counted, strict=True)
                           if finding.verdict != f.NOT_MEASURED)  # fmt: skip


def test_a_phantom_under_a_real_name_decides_nothing(make, ahead):
    made = make(ahead(), datasets=["brats2020"], kinds={"brats2020": "phantom"})
    assert made.findings("C01")["brats2020"].verdict == f.NOT_MEASURED
    assert made.findings("C01")["brats2020"].found == "'brats2020' is the study's name for phantom data"


def test_data_of_ones_own_test_general_claims_only(make, ahead):
    made = make(ahead(where=("acdc", "hippocampus")), datasets=["acdc", "hippocampus"])
    counted = {finding.where: counts for finding, counts in zip(
        made.entry("C01").findings, made.entry("C01").counted, strict=True)}  # fmt: skip
    assert counted["acdc"]
    assert not counted["hippocampus"]
    assert made.findings("C01")["hippocampus"].verdict == f.SUPPORTED


@pytest.mark.parametrize(("claim", "verdict"), [("C22", f.SUPPORTED), ("C06", f.NOT_MEASURED)])
def test_a_set_that_was_not_run_leaves_open_what_is_about_it(make, monkeypatch, claim, verdict):
    ran = [
        f.Finding(name, f.SUPPORTED, effect="e", value=1.0, seeds=3, patients=8) for name in ("hippocampus", *SIX[1:])
    ]
    found = [*ran, f.not_measured("brats2020", "no results")]
    monkeypatch.setattr(module, "functions", lambda paper: {claim: ("group", lambda *_: found)})
    entry = make(datasets=["hippocampus", *SIX], methods=("ce", "spectral")).entry(claim)
    assert entry.verdict == verdict
    assert "not measured on BraTS2020" in entry.reason.replace("BraTS 2020", "BraTS2020")


def test_nothing_run_decides_no_general_claim(make, monkeypatch):
    found = {"C22": ("group", lambda *_: [f.not_measured("acdc", "no results")])}
    monkeypatch.setattr(module, "functions", lambda paper: found)
    assert make(datasets=["acdc"], methods=("ce", "spectral")).entry("C22").verdict == f.NOT_MEASURED


def test_page_lists_findings_by_data_set(make, ahead):
    made = make(ahead(where=("hippocampus",)), datasets=["hippocampus"])
    entries = ledger(made.results)
    lines = page(entries, made.results).splitlines()
    after = lines[lines.index("## On each data set by itself") :]
    row = next(line for line in after if line.startswith("| Hippocampus |"))
    supported = row.split("|")[3]
    assert "[C01](#c01)" in supported
    assert next(e for e in entries if e.claim.id == "C01").verdict == f.NOT_MEASURED


def test_a_study_without_roles_measures_nothing_of_them(make):
    results = make(datasets=["acdc"]).results
    bare = Results(results.config.model_copy(update={"claims": {}}))
    found = {entry.claim.id: entry for entry in ledger(bare)}
    assert found["C01"].verdict == f.NOT_MEASURED
    assert found["C01"].findings[3].found == "the study has no experiment for the role 'main'"
    assert found["C49"].reason == "The study has no experiment for the role 'post_hoc'."


def test_the_ledger_is_the_same_every_time(phantom, entries):
    again = ledger(phantom)
    assert table(again).to_csv() == table(entries).to_csv()
    assert page(again, phantom) == page(entries, phantom)


def test_table_has_a_row_a_claim_and_a_row_a_finding(entries):
    frame = table(entries)
    whole = frame[frame["where"] == WHOLE]
    assert list(whole.id) == list(catalogue(PAPER))
    assert len(frame) == len(entries) + sum(len(entry.findings) for entry in entries)
    assert set(frame.verdict) <= set(f.VERDICTS)
    decided = frame[(frame["where"] != WHOLE) & (frame.verdict != f.NOT_MEASURED)]
    assert decided.found.str.len().gt(0).all()
    assert decided.evidence.str.len().gt(0).all()
    trained = decided[(decided.source == "study") & (decided.interval == "seeds and patients")]
    assert len(trained)
    assert (trained.seeds == 5).all()
    assert (trained.patients == 8).all()


def test_page_opens_with_counts_that_add_up(phantom, entries):
    text = page(entries, phantom)
    lines = text.splitlines()
    assert lines[0] == "# Claims ledger"
    counts = {verdict: sum(entry.verdict == verdict for entry in entries) for verdict in f.VERDICTS}
    several = {f.CONTRADICTED: "contradict their own table"}
    said = (
        f"**{number} {verdict if number == 1 else several.get(verdict, verdict)}**"
        for verdict, number in counts.items()
    )
    assert lines[2].endswith(", ".join(said) + ".")
    assert sum(counts.values()) == len(catalogue(PAPER))
    rows = [line.split("|")[3:-1] for line in lines if line.startswith(("| on ", "| decided "))]
    assert [sum(map(int, column)) for column in zip(*rows, strict=True)] == list(counts.values())
    first = lines[: lines.index("## How to read it")]
    assert len(first) < 40
    for entry in entries:
        if entry.verdict in DECISIVE:
            link = f"[{entry.claim.id}](#{entry.claim.id.lower()})"
            mark = f" {DAMAGED}" if entry.claim.damaged else ""
            assert any(f"**{entry.verdict.capitalize()}** {link}{mark}: {entry.claim.claim}" in line for line in first)
    for claim in catalogue(PAPER):
        assert f"### {claim}" in lines
        assert f"[{claim}](#{claim.lower()})" in text


def test_first_screen_stays_one_screen_when_everything_is_decided(entries, phantom):
    decided = [dataclasses.replace(entry, verdict=f.REFUTED) for entry in entries]
    lines = page(decided, phantom).splitlines()
    first = lines[: lines.index("## How to read it")]
    assert len(first) < 40
    (line,) = (line for line in first if line.startswith("* **Refuted**"))
    assert line.count("](#") == len(entries)


def test_what_was_read_from_damaged_text_says_so(entries, phantom):
    text = page(entries, phantom)
    damaged = {entry.claim.id for entry in entries if entry.claim.damaged}
    assert {"T01", "C04"} <= damaged
    for entry in entries:
        row = next(line for line in text.splitlines() if line.startswith(f"| [{entry.claim.id}]("))
        assert (f"** {DAMAGED} |" in row) == bool(entry.claim.damaged)
        part = text.split(f"### {entry.claim.id}\n")[1].split("\n### ")[0]
        assert (f"{DAMAGED} Read from damaged text: {entry.claim.damaged}" in part) == bool(entry.claim.damaged)
    frame = table(entries)
    assert set(frame[frame.damaged != ""].id) == damaged


def test_trivial_claims_are_not_counted_as_support(entries):
    trivial = {entry.claim.id: entry for entry in entries if entry.claim.trivial}
    assert set(trivial) == {"C41", "T05", "T06"}
    for entry in trivial.values():
        assert (entry.verdict, entry.reason) == (f.TRIVIAL, entry.claim.trivial)


def test_claims_about_print_alone_do_not_wait_for_runs(entries):
    by_id = {entry.claim.id: entry for entry in entries}
    assert by_id["C54"].reason == "The paper's own printed numbers contradict it."
    assert {f.source for f in by_id["C54"].findings} == {"printed"}


def test_claims_can_be_read_alone():
    """Each stands by itself in the lists of the first screen, away from its neighbours."""
    leaning = ("It ", "Its ", "The same ", "The other ", "They ", "These ")
    assert [claim.id for claim in catalogue(PAPER).values() if claim.claim.startswith(leaning)] == []


def test_every_table_row_has_the_columns_of_its_head(entries, phantom):
    widths = None
    for line in page(entries, phantom).splitlines():
        if not line.startswith("|"):
            widths = None
            continue
        found = line.replace("\\|", "").count("|")
        widths = widths or found
        assert found == widths, line


def test_page_names_settings_that_the_paper_states_otherwise(make):
    made = make(datasets=["acdc"], training={"patch": [32, 32, 32], "optimizer": "adamw"})
    text = page([made.entry("C01")], made.results)
    assert "acdc: optimizer adamw (sgd), patch 32x32x32 (96x96x96)" in text
    assert "Settings that differ" not in page([made.entry("C01")], make(datasets=["acdc"]).results)


@pytest.mark.parametrize("file", ["config.yaml", "config/demo.yaml", "config/open.yaml"])
def test_studies_name_their_roles(file):
    claims = load_config(ROOT / file).claims
    assert claims is not None
    assert claims["main"] == "main"


def test_a_role_must_name_an_experiment(make):
    content = make(datasets=["acdc"]).results.config.model_dump(mode="json")
    content["claims"] = {"main": "mian"}
    with pytest.raises(ConfigError, match=r"claims\.main: unknown experiment 'mian'; expected 'main'"):
        parse_config(content, "the test")
    content["claims"] = {"mian": "main"}
    with pytest.raises(ConfigError, match=r"claims\.mian: unknown role of .*; did you mean 'main'"):
        parse_config(content, "the test")


def test_verb_writes_the_ledger(make, ahead, tmp_path):
    made = make(ahead(), datasets=["acdc"])
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(made.results.config.model_dump(mode="json")))
    command = [sys.executable, "-m", "spectralcal", "claims", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    frame = pd.read_csv(made.paths.claims)
    acdc = frame[(frame.id == "C01") & (frame["where"] == "acdc")].iloc[0]
    assert acdc.verdict == f.SUPPORTED
    assert made.paths.claims.with_suffix(".md").read_text().startswith("# Claims ledger")
    content = made.results.config.model_dump(mode="json") | {"claims": None}
    path.write_text(yaml.safe_dump(content))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: claims: the study 'constructed' does not say")


def test_report_caption_is_clean_restructured_text(phantom):
    jinja2 = pytest.importorskip("jinja2")
    docutils_core = pytest.importorskip("docutils.core")
    html5 = pytest.importorskip("docutils.writers.html5_polyglot")
    text = (ROOT / "workflow/report/claims.rst").read_text()
    template = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(text)
    job = SimpleNamespace(config=phantom.config.model_dump(mode="json"))
    rendered = template.render(snakemake=job)
    settings = {"halt_level": 2}
    html = docutils_core.publish_string(rendered, writer=html5.Writer(), settings_overrides=settings).decode()
    assert "study small" in html
