"""What the documents say of the open study is what its published results say."""

import csv
import io
import re
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spectralcal.records.light.files import read_arrays, read_text
from spectralcal.statistics import crossed
from spectralcal.study.config import load_config

filled = runpy.run_path(str(Path(__file__).parents[2] / "docs/replication_tables.py"))["filled"]

ROOT = Path(__file__).parents[2]
OPEN = ROOT / "results/open"
PAGES = (ROOT / "README.md", ROOT / "docs/replication.md")
LINK = re.compile(r"\[([CT]\d\d)\]\([^)]*claims\.md#([ct]\d\d)\)")
VERDICT = re.compile(r"\*\*(supported|refuted|inconclusive)\*\*")
METRICS = ("DSC", "HD95", "ASD", "ECE", "SCE", "TACE")
#: as pages name them
DATA_SETS = {"Hippocampus": "hippocampus", "ACDC": "acdc"}


@pytest.fixture(scope="module")
def ledger():
    """Of each claim what was found, by claim and data set; as a whole ("") if no data are needed."""
    with (OPEN / "claims.csv").open() as stream:
        return {
            (row["id"], row["where"]): row
            for row in csv.DictReader(stream)
            if row["where"] in DATA_SETS.values() or (row["where"] == "claim" and row["id"].startswith("T"))
        }


def scores_in(folder):
    """Scores of a published cell."""
    return pd.read_csv(io.BytesIO(read_text(folder / "cases.csv")))


def sections(page):
    """Parts of a page below their headings, each with the printed name of the data set that it is about."""
    for part in re.split(r"\n(?=##+ )", page.read_text()):
        yield "ACDC" if "ACDC" in part.splitlines()[0] else "Hippocampus", part


def statements(page):
    """Sentences of a list and rows of a table that name a claim: its key in the ledger, text up to the link or row.

    What is said is of the section's data set, or of ACDC where the words between two links name it.
    """
    for data_set, part in sections(page):
        for block in re.split(r"\n(?=\d\. |\| |\n)", part):
            said, before = " ".join(block.split()), 0
            for link in LINK.finditer(said):
                assert link[1].lower() == link[2]
                text = said if said.startswith("|") else said[before : link.end()]
                where = "ACDC" if "ACDC" in text else data_set
                yield (link[1], "claim" if link[1].startswith("T") else DATA_SETS[where]), text
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
def test_seeds_are_the_ledgers(page, ledger):
    checked = 0
    for claim, text in statements(page):
        for said in re.findall(r"seeds (-?\d\S*, -?\d\S*, -?\d[\d.e-]*)", text):
            values = [float(number.rstrip(".")) for number in said.split(", ")]
            found = [float(number) for number in ledger[claim]["by_seed"].split()]
            assert values == pytest.approx(found, rel=0.006, abs=1e-12), f"{page.name}: {text}"
            checked += 1
    assert checked >= 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_scores_are_those_of_the_tables(page):
    published = {}
    for name in ("table1", "table2"):
        head = ""
        for line in (OPEN / f"tables/{name}.md").read_text().splitlines():
            first, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            if first.split() and first.split()[0] in METRICS:
                head = first.split()[0]
            elif first in DATA_SETS:
                published[first, head] = cells
    assert set(published) == {(data_set, metric) for data_set in DATA_SETS for metric in METRICS}
    checked = set()
    for data_set, part in sections(page):
        for line in part.splitlines():
            if line.startswith(tuple(f"| {metric} " for metric in METRICS)):
                name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
                assert cells == published[data_set, name.split()[0]]
                checked.add((data_set, name))
    assert len(checked) >= 5


@pytest.mark.parametrize(("name", "tables"), [("replication.md", 3), ("overconfident.md", 2)])
def test_tables_of_the_record_are_made_of_the_results(name, tables):
    """`python docs/replication_tables.py` would change nothing."""
    page = (ROOT / "docs" / name).read_text()
    assert page.count("<!-- end -->") >= tables
    assert filled(page) == page


def test_the_range_of_the_sweeps_is_that_of_table_4():
    said = re.search(r"ECE lies between ([\d.]+) and ([\d.]+) × 10⁻³ and Dice between ([\d.]+) and ([\d.]+) %",
                     " ".join((ROOT / "docs/replication.md").read_text().split()))  # fmt: skip
    table = pd.read_csv(OPEN / "tables/table4.csv")
    found = [
        f"{end:.1f}" for metric in ("ECE", "DSC") for end in table[table.metric == metric]["mean"].agg(["min", "max"])
    ]
    assert list(said.groups()) == found


def test_the_range_of_the_readings_is_that_of_their_cells():
    said = re.search(r"leave ECE between ([\d.]+) and ([\d.]+) × 10⁻³ and Dice between ([\d.]+) and ([\d.]+) %",
                     " ".join((ROOT / "docs/replication.md").read_text().split()))  # fmt: skip
    readings = load_config(ROOT / "config/open.yaml").experiments["readings"].methods
    scores = pd.DataFrame([means("hippocampus", name, 0) for name in readings if name != "spectral"], readings[1:])
    ends = [f"{scale * end:.1f}" for scale, key in ((1000, "ECE"), (100, "DSC")) for end in scores[key].agg([min, max])]
    assert list(said.groups()) == ends
    assert scores.DSC.idxmin() == scores.ECE.idxmax() == "spectral@history_init=fill_first"


def test_what_is_said_of_a_lost_patient_holds_in_every_cell():
    page = " ".join((ROOT / "docs/replication.md").read_text().split())
    without, found = {"ce": [], "mbls": []}, []
    compared = load_config(ROOT / "config/open.yaml").experiments["main"].methods
    for record in (OPEN / "cells/dataset=acdc/arch=unet").rglob("evaluation.json"):
        rows = scores_in(record.parent)
        if rows.method.iloc[0] not in compared:
            continue
        dice, method = rows[rows.metric.eq("DSC")].groupby("patient").value.mean(), rows.method.iloc[0]
        found += [method] if dice["patient047"] >= 0.4 else []
        without.setdefault(method, []).append(dice.drop("patient047").mean())
    assert found == ["mbls", "mbls"]
    assert "is lost (Dice below 40 %) by every network of these but two, both of MbLS" in page
    said = re.search(r"without its two volumes the Dice of cross-entropy is (\d+) %, that of MbLS (\d+) %", page)
    assert list(said.groups()) == [f"{100 * sum(without[m]) / len(without[m]):.0f}" for m in ("ce", "mbls")]


def errors_on_acdc(methods, without=""):
    """ECE (x 10^-3) by method, seed and protocol: mean over cases."""
    cells = [OPEN / f"cells/dataset=acdc/arch=unet/method={m}/seed={s}" for m in methods for s in range(3)]
    rows = pd.concat(scores_in(cell) for cell in cells)
    rows = rows[rows.metric.eq("ECE") & rows.patient.ne(without)]
    return 1000 * rows.groupby(["method", "seed", "protocol"]).value.mean().unstack()


def test_who_is_lowest_on_acdc_without_the_lost_patient():
    methods = load_config(ROOT / "config/open.yaml").experiments["main"].methods
    protocols = ["crac-legacy", "union", "boundary"]
    everyone, others = (
        errors_on_acdc(methods, name).groupby("method").mean()[protocols] for name in ("", "patient047")
    )
    assert list(everyone.idxmin()) == ["mbls"] * 3
    assert list(others.idxmin()) == ["ce", "svls", "ce"]


def test_the_variant_is_not_confirmed_by_the_rule_that_was_written_beforehand():
    page = " ".join((ROOT / "docs/replication.md").read_text().split())
    variant, protocols = (
        load_config(ROOT / "config/open.yaml").experiments["exploratory"].methods[-1],
        ["crac-legacy", "union", "boundary"],
    )
    found = errors_on_acdc(["ce", variant])[protocols]
    change = found.loc[variant] - found.loc["ce"]
    assert (change.mean() < 0).all()
    assert sorted(change.max()[change.max() > 0].round(1)) == [0.1, 6.1]  # the two seeds that the page names
    assert f"over true foreground {change.mean()['crac-legacy']:.1f}" in page
    rest = errors_on_acdc(["ce", variant], "patient047")[protocols].groupby("method").mean()
    assert (rest.loc[variant] > rest.loc["ce"]).all()


def test_what_is_said_of_twice_the_training_is_in_its_cells():
    found = {}
    for architecture in ("unet", "unet_long"):
        for method in ("ce", "spectral"):
            folder = OPEN / f"cells/dataset=acdc/arch={architecture}/method={method}/seed=0"
            rows = scores_in(folder)
            rows = rows[rows.metric.isin(["DSC", "ECE", "SCE"])]
            found[architecture, method] = 100 * rows.groupby(["metric", "protocol", "patient"]).value.mean().unstack()
    dice = {key: rows.loc["DSC", "paper"] for key, rows in found.items()}
    gains = [dice["unet_long", m].mean() - dice["unet", m].mean() for m in ("ce", "spectral")]
    assert [round(gain) for gain in gains] == [1, 3]
    rest = [f"{dice['unet_long', m].drop('patient047').mean():.0f}" for m in ("ce", "spectral")]
    assert f"({rest[0]} and {rest[1]} % without patient 047)" in " ".join(
        (ROOT / "docs/replication.md").read_text().split()
    )
    change = (found["unet_long", "spectral"] - found["unet_long", "ce"])[dice["unet", "ce"].dropna().index].dropna()
    assert len(change) > 8  # a protocol of all voxels together has no patients
    for values in change.to_numpy():
        interval = crossed(values[None], change.columns.to_numpy())
        assert interval.low < 0 < interval.high
    page = " ".join((ROOT / "README.md").read_text().split())
    ends = [np.mean([dice[a, m].mean() for m in ("ce", "spectral")]) for a in ("unet", "unet_long")]
    assert f"their Dice is {ends[0]:.0f} %, and {ends[1]:.0f} after twice the steps" in page


def entropies(data_set, kind):
    """By seed, the proposed loss's spectral entropy of a map minus cross-entropy's, in nat."""
    found = []
    for seed in (0, 1, 2):
        cell = OPEN / f"cells/dataset={data_set}/arch=unet"
        ours, ce = (
            read_arrays(cell / f"method={m}/seed={seed}/spectra.npz")[f"entropy_{kind}"] for m in ("spectral", "ce")
        )
        found.append(float(np.nanmean(ours - ce)))
    return found


def test_what_is_said_of_the_loophole_is_in_the_spectra():
    record = " ".join((ROOT / "docs/replication.md").read_text().split())
    assert "changes by less than 0.025 in every seed of either" in record
    for data_set, said in (("hippocampus", "0.19"), ("acdc", "0.10")):
        assert f"{np.mean(entropies(data_set, 'max_logit')):.2f}" == said
        assert max(map(abs, entropies(data_set, "max_prob"))) < 0.025
    margin = entropies("hippocampus", "margin")
    assert f"rises by {min(margin):.2f} to {max(margin):.2f} nat only" in record
    assert np.mean(entropies("acdc", "margin")) == pytest.approx(np.mean(entropies("acdc", "max_logit")), rel=0.1)
    assert "within 0.005 nat" in " ".join((ROOT / "README.md").read_text().split())
    assert max(map(abs, entropies("hippocampus", "max_prob"))) < 0.0055


def test_what_is_said_of_tace_and_seeds_holds():
    record = " ".join((ROOT / "docs/replication.md").read_text().split())
    tace = {
        m: [means("hippocampus", m, seed, "TACE") for seed in (0, 1, 2)]
        for m in ("ce", "spectral", "spectral@window=1")
    }
    gain = [a - b for a, b in zip(tace["spectral"], tace["spectral@window=1"], strict=True)]
    assert f"in each seed, by {1000 * min(gain):.1f} to {1000 * max(gain):.1f} × 10⁻³" in record
    spread = max(max(values) - min(values) for values in tace.values())
    assert f"between seeds of one setting TACE differs by up to {1000 * spread:.0f} × 10⁻³" in record
    crac = sorted(means("hippocampus", "crac", seed, "DSC") for seed in (0, 1, 2))
    assert [f"{100 * value:.0f}" for value in crac] == ["81", "85", "86"]


def means(data_set, method, seed, metric=None):
    """Dice and ECE, or one metric, of a published cell under the headline protocol: mean over classes, then cases."""
    rows = scores_in(OPEN / f"cells/dataset={data_set}/arch=unet/method={method}/seed={seed}")
    rows = rows[rows.protocol.eq("paper") & rows.metric.isin([metric] if metric else ["DSC", "ECE"])]
    found = rows.groupby(["metric", "case"]).value.mean().groupby("metric").mean()
    return found[metric] if metric else found


def test_the_variant_that_was_tested_is_the_one_that_the_rule_chooses_on_validation_cases():
    """The rule is in config/explore.yaml: lowest ECE among variants whose Dice is at most half a point below CE's."""
    scores = {}
    for record in (ROOT / "results/explore/cells").rglob("evaluation.json"):
        rows = scores_in(record.parent)
        rows = rows[rows.protocol.eq("paper") & rows.metric.isin(["DSC", "ECE"])]
        scores[rows.method.iloc[0]] = rows.groupby(["metric", "case"]).value.mean().groupby("metric").mean()
    explored = load_config(ROOT / "config/explore.yaml").experiments["variants"].methods
    assert set(scores) == set(explored)
    kept = {name: s.ECE for name, s in scores.items() if name != "ce" and s.DSC >= scores["ce"].DSC - 0.005}
    tested = load_config(ROOT / "config/open.yaml").experiments["exploratory"].methods
    assert min(kept, key=kept.__getitem__) == tested[-1]


def test_what_is_said_of_the_tested_variant_holds_in_every_seed():
    tested = load_config(ROOT / "config/open.yaml").experiments["exploratory"].methods[-1]
    for seed in (0, 1, 2):
        ce, variant = (
            scores_in(OPEN / f"cells/dataset=hippocampus/arch=unet/method={method}/seed={seed}")
            .groupby(["metric", "protocol"])
            .value.mean()
            for method in ("ce", tested)
        )
        for protocol in ("crac-legacy", "union", "boundary"):
            assert variant["ECE", protocol] < ce["ECE", protocol]
        assert variant["SCE", "crac-legacy"] > ce["SCE", "crac-legacy"]
        assert abs(variant["DSC", "paper"] - ce["DSC", "paper"]) < 0.005


def test_what_is_said_of_its_proper_scores_is_in_their_table():
    table = pd.read_csv(OPEN / "tables/proper_scores_exploratory.csv")
    table = table[table.dataset.eq("hippocampus")].pivot(index=["metric", "protocol"], columns="method", values="mean")
    variant = load_config(ROOT / "config/open.yaml").experiments["exploratory"].methods[-1]
    lower = (table[variant] < table["ce"]).groupby("metric").agg(["sum", "count"])
    assert lower["sum"]["NLL"] == lower["count"]["NLL"] >= 4
    assert lower["sum"]["Brier"] < lower["count"]["Brier"] / 2


def test_what_is_said_of_the_overconfident_regime_is_in_its_tables_and_ledger():
    folder = ROOT / "results/overconfident"
    tables = pd.concat(pd.read_csv(folder / f"tables/{name}.csv") for name in ("protocols", "proper_scores"))
    means = tables.set_index(["metric", "protocol", "method"])["mean"].sort_index()

    def change(metric, method):
        of = means[metric, "paper"]
        return 100 * (of[method] / of["ce"] - 1)

    lead = "spectral@confidence=max_prob,weight=10.0"
    readme, page = (" ".join((ROOT / name).read_text().split()) for name in ("README.md", "docs/overconfident.md"))
    gap = means["signed_gap", "predicted_foreground", "ce"] / 1e3
    assert f"confidence over predicted foreground is {gap:.3f} above accuracy" in readme
    heavy = "spectral@weight=1.0"
    assert f"changes ECE by {change('ECE', 'spectral'):.1f} and {change('ECE', heavy):.1f} %" in readme
    fitted, mapped, led = (-change("ECE", name) for name in ("ce+temperature", "ce+isotonic", lead))
    assert f"A temperature lowers ECE by {fitted:.0f} %, isotonic regression by {mapped:.0f} %" in readme
    assert f"lowers it by {led:.1f} %" in readme
    assert f"lowers ECE by {fitted:.0f} % and NLL by {-change('NLL', 'ce+temperature'):.0f} %" in page
    assert f"at weight 10 lowers ECE by {led:.1f} %" in page
    verdicts = pd.read_csv(folder / "claims.csv").query("where == 'hippocampus_12'").set_index("id").verdict
    assert list(verdicts["H-01":"H-08"]) == [
        "supported", "inconclusive", "inconclusive", "inconclusive", "refuted", "refuted", "supported", "supported",
    ]  # fmt: skip
