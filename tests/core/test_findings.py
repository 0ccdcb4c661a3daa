"""What the documents say of the open study is what its published results say."""

import csv
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OPEN = ROOT / "results/open"
PAGES = (ROOT / "README.md", ROOT / "docs/replication.md")
LINK = re.compile(r"\[([CT]\d\d)\]\([^)]*claims\.md#([ct]\d\d)\)")
VERDICT = re.compile(r"\*\*(supported|refuted|inconclusive)\*\*")
METRICS = ("DSC", "HD95", "ASD", "ECE", "SCE", "TACE")


@pytest.fixture(scope="module")
def ledger():
    """Of each claim what was found on hippocampus, or as a whole if no data are needed."""
    found = {}
    with (OPEN / "claims.csv").open() as stream:
        for row in csv.DictReader(stream):
            if row["where"] == "hippocampus" or (row["where"] == "claim" and row["id"].startswith("T")):
                found[row["id"]] = row
    return found


def statements(page):
    """Sentences of a list and rows of a table that name a claim: id, text up to the link, text of the row."""
    for block in re.split(r"\n(?=\d\. |\| |\n)", page.read_text()):
        said, before = " ".join(block.split()), 0
        links = list(LINK.finditer(said))
        for link in links:
            assert link[1].lower() == link[2]
            table_row = said.startswith("|")
            yield link[1], said if table_row else said[before : link.end()]
            before = link.end()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_verdicts_are_the_ledgers(page, ledger):
    checked = 0
    for claim, text in statements(page):
        for verdict in VERDICT.findall(text):
            assert verdict == ledger[claim]["verdict"], f"{page.name}: {text}"
            checked += 1
    assert checked >= 6


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_intervals_are_the_ledgers(page, ledger):
    checked = 0
    for claim, text in statements(page):
        for number in re.findall(r"\S+(?: \S+)? \[-?[\d.e-]+, -?[\d.e-]+\]", text):
            value, low, high = re.findall(r"-?\d[\d.]*(?:e-?\d+)?", re.sub(r"×10⁻³|nat|pp|%", "", number))[-3:]
            row = ledger[claim]
            for said, key in ((value, "value"), (low, "low"), (high, "high")):
                assert float(said) == pytest.approx(float(row[key]), rel=0.006, abs=1e-12), f"{page.name}: {text}"
            checked += 1
    assert checked >= 4


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_scores_are_those_of_the_tables(page):
    published = {}
    for name in ("table1", "table2"):
        head = ""
        for line in (OPEN / f"tables/{name}.md").read_text().splitlines():
            if line.startswith("| ") and line[2:].split()[0] in METRICS:
                head = line[2:].split()[0]
            elif line.startswith("| Hippocampus |"):
                published[head] = [cell.strip() for cell in line.strip("|").split("|")][1:]
    assert set(published) == set(METRICS)
    rows = [line for line in page.read_text().splitlines() if line.startswith(tuple(f"| {m} " for m in METRICS))]
    assert len(rows) >= 5
    for line in rows:
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        assert cells == published[name.split()[0]]


def test_protocols_are_those_of_the_table():
    table = (OPEN / "tables/protocols.md").read_text().splitlines()
    rows = [line for line in (ROOT / "docs/replication.md").read_text().splitlines() if "±" in line]
    methods = [line for line in rows if re.match(r"\| (CE|FL|LS|MbLS|SVLS|CRaC|Ours) \|", line)]
    assert len(methods) == 7
    for line in methods:
        assert line in table
