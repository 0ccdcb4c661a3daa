"""Intervals below numbers, and the mark of a best that is distinguishable from its runner-up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spectralcal.papers.spectral_entropy.tables.table1 import table1
from spectralcal.papers.spectral_entropy.tables.table2 import table2
from spectralcal.report.leader import leader
from spectralcal.statistics import FEWEST_PATIENTS, crossed


def ece(worth):
    """Edit of a study: the ECE of a method is what `worth(row)` says."""

    def edit(frame):
        chosen = (frame.metric == "ECE") & (frame.protocol == "paper")
        values = [worth(row) for row in frame[chosen].itertuples()]
        return frame.assign(value=frame.value.mask(chosen, pd.Series(values, index=frame.index[chosen])))

    return edit


def number(case):
    return int(case.partition("_")[2])


def row_of(table, method, metric="ECE"):
    chosen = table.frame[(table.frame.method == method) & (table.frame.metric == metric)]
    assert len(chosen) == 1
    return chosen.iloc[0]


FIVE = (0, 1, 2, 3, 4)


def ahead(row):
    """Cross-entropy is 2e-3 to 4e-3 worse in every case; cases differ by far more than that."""
    case = number(row.case)
    return 0.01 * case + (0.002 + 0.001 * (case % 3) if row.method == "ce" else 0.0)


def test_a_small_lead_in_every_patient_is_marked_though_the_intervals_overlap(study):
    table = table2(study(methods=("ce", "spectral"), seeds=FIVE, cases=9, edit=ece(ahead)), "main")
    best, other = row_of(table, "spectral"), row_of(table, "ce")
    assert best["high"] > other["low"]
    assert best["distinct"]
    assert not other["distinct"]
    assert best["gap"] == pytest.approx(-3.0)  # thousandths: the mean of 2, 3 and 4
    assert -4.0 <= best["gap_low"] < -3.0 < best["gap_high"] < 0.0
    assert np.isnan(other["gap"])
    assert "**40.0 ± 0.0**‡ |" in table.markdown
    assert "\\textbf{40.0$_{\\pm 0.0}$}\\ddag{}" in table.latex
    assert "‡: the best is distinguishable from the second best" in table.markdown
    assert "seeds and patients both random" in table.markdown


@pytest.mark.parametrize("seeds", [(0,), FIVE[:4]])
def test_few_seeds_mark_nothing_and_the_caption_says_so(study, seeds):
    table = table2(study(methods=("ce", "spectral"), seeds=seeds, cases=9, edit=ece(ahead)), "main")
    row = row_of(table, "spectral")
    assert row["gap_high"] < 0
    assert not row["distinct"]
    said = "one seed" if len(seeds) == 1 else "4 seeds, fewer than 5"
    assert f"with fewer than 5 seeds or 6 patients: Phantom ({said})" in table.markdown
    assert ("over patients alone, which says nothing about other trainings" in table.markdown) == (len(seeds) == 1)


def test_the_interval_is_that_of_seeds_and_patients(study):
    random = np.random.default_rng(0)
    values = {(m, s, c): random.random() for m in ("ce", "spectral") for s in FIVE for c in range(8)}
    table = table2(
        study(methods=("ce", "spectral"), seeds=FIVE, cases=8,
              edit=ece(lambda row: values[row.method, row.seed, number(row.case)])), "main",
    )  # fmt: skip
    by_method = {m: 1e3 * np.array([[values[m, s, c] for c in range(8)] for s in FIVE]) for m in ("ce", "spectral")}
    for method, of in by_method.items():
        row, known = row_of(table, method), crossed(of)
        assert (row["low"], row["high"]) == pytest.approx((known.low, known.high))
    best = min(by_method, key=lambda m: by_method[m].mean())
    gap = crossed(by_method[best] - by_method[{"ce": "spectral", "spectral": "ce"}[best]])
    row = row_of(table, best)
    assert tuple(row[["gap_low", "gap_high", "adjusted_p", "detectable"]]) == pytest.approx(
        (gap.low, gap.high, gap.p_value, gap.detectable)
    )
    assert f"detected with a power of 80 % is ECE {gap.detectable:.2g} ×10⁻³" in table.markdown


def test_a_lead_that_patients_disagree_about_is_not_marked(study):
    def worth(row):
        case = number(row.case)
        return 0.02 + (0.01 if (case % 2 == 0) == (row.method == "ce") else 0.0) + (row.method == "ce") * 1e-4

    table = table2(study(methods=("ce", "spectral"), seeds=FIVE, cases=8, edit=ece(worth)), "main")
    best = row_of(table, "spectral")
    assert best["rank"] == 1
    assert best["gap_low"] < 0 < best["gap_high"]
    assert not best["distinct"]


def test_one_patient_with_many_cases_is_one_observation(study):
    options = {"methods": ("ce", "spectral"), "seeds": FIVE, "cases": 12, "edit": ece(ahead)}
    assert row_of(table2(study(**options), "main"), "spectral")["distinct"]
    table = table2(study(**options, cases_per_patient=4), "main")
    row = row_of(table, "spectral")
    assert (row["cases"], row["patients"]) == (12, 3)
    assert row["gap_high"] < 0  # three patients agree, and three are too few
    assert not row["distinct"]
    assert "Test cases: Phantom 12 of 3 patients." in table.markdown
    few = f"fewer than 5 seeds or {FEWEST_PATIENTS} patients: Phantom (3 patients"
    assert f"No best value is marked as distinguishable with {few}" in table.markdown


def test_higher_dice_is_ahead(study):
    def edit(frame):
        dice = frame.metric == "DSC"
        worth = frame.patient.factorize()[0] * 0.02 + np.where(frame.method == "ce", 0.5, 0.4)
        return frame.assign(value=frame.value.mask(dice, worth))

    row = row_of(table1(study(methods=("ce", "spectral"), seeds=FIVE, cases=7, edit=edit), "main"), "ce", "DSC")
    assert row["distinct"]
    assert row["gap"] == pytest.approx(10.0)


def test_ties_and_missing_seeds_are_not_tested(study):
    tied = table2(study(methods=("ce", "focal", "spectral"), cases=7, edit=ece(lambda row: 0.01)), "main")
    assert tied.frame[tied.frame.metric == "ECE"].gap.isna().all()
    assert "Not compared: best values that print as equal, and methods that lack seeds." in tied.markdown
    gone = study(methods=("ce", "spectral"), seeds=(0, 1), cases=9, missing=[("spectral", 1)], edit=ece(ahead))
    row = row_of(table2(gone, "main"), "spectral")
    assert (row["rank"], row["status"]) == (1, "incomplete")
    assert not row["distinct"]
    assert np.isnan(row["gap"])


def test_the_runner_up_of_equal_prints_is_the_better_of_them():
    cases = pd.DataFrame(
        [
            {"method": method, "seed": 0, "case": str(case), "patient": str(case), "value": value + 0.1 * case}
            for method, value in (("a", 1.0), ("b", 2.04), ("c", 2.01))
            for case in range(7)
        ]
    )
    rows = [
        {"method": name, "mean": mean, "rank": rank, "status": "ok"}
        for name, mean, rank in (("a", 1.3, 1), ("b", 2.34, 2), ("c", 2.31, 2))
    ]
    found = leader(rows, cases, 1.0, higher=False)
    assert set(found) == {"a"}
    assert found["a"]["gap"] == pytest.approx(-1.01)


def test_seeds_are_paired_within_a_case():
    """Differences between seeds are large and common to both methods: pairing removes them."""
    cases = pd.DataFrame(
        [
            {"method": method, "seed": seed, "case": str(case), "patient": str(case), "value": worse + 50 * seed + case}
            for method, worse in (("a", 0.0), ("b", 1.0))
            for seed in FIVE
            for case in range(6)
        ]
    )  # fmt: skip
    rows = [{"method": name, "mean": 0.0, "rank": rank, "status": "ok"} for name, rank in (("a", 1), ("b", 2))]
    found = leader(rows, cases, 1.0, higher=False)["a"]
    assert found["gap"] == found["gap_low"] == found["gap_high"] == pytest.approx(-1.0)
    assert found["distinct"]


def test_the_interval_stands_below_its_number_in_both_forms(study):
    table = table1(study(methods=("ce", "spectral"), seeds=(0, 1), cases=7), "main")
    row = row_of(table, "spectral", "HD95")
    text = f"{row['low']:.2f}–{row['high']:.2f}"
    printed = table.markdown.splitlines()
    above = next(index for index, line in enumerate(printed) if f"{row['mean']:.2f} ± {row['sd_seeds']:.2f}" in line)
    assert text in printed[above + 1]
    assert printed[above + 1].startswith("| *95 % interval* |")
    assert f"{{\\scriptsize {text.replace('–', '--')}}}" in table.latex
    assert "95 % interval of the mean, seeds and patients both random" in table.markdown


def test_a_test_set_that_tells_nothing_apart_is_named(study):
    def worth(row):
        return 0.02 + 0.01 * ((number(row.case) + (row.method == "ce")) % 2) + 2e-4 * (row.method == "ce")

    def edit(frame):
        kept = frame[(frame.metric == "ECE") & (frame.protocol == "paper")]
        out = ece(worth)(frame)
        for metric in ("SCE", "TACE"):
            same = (out.metric == metric) & (out.protocol == "paper")
            values = out.loc[kept.index, "value"].to_numpy()
            out.loc[same, "value"] = values
        return out

    table = table2(study(methods=("ce", "spectral"), seeds=FIVE, cases=8, edit=edit), "main")
    assert (
        "No best value of this table is distinguishable from the second best on Phantom (criterion: " in table.markdown
    )
    assert "too small" not in table.markdown.lower()  # other methods may be distinguishable on the same cases
    assert "Not compared" not in table.markdown
    assert "‡" not in table.markdown


def many_methods(gap, number=21, patients=12):
    """Table rows and cases: the first is ahead of all others by a gap, give or take what differs between patients."""
    random = np.random.default_rng(0)
    cases = pd.DataFrame(
        [
            {"method": f"m{m:02d}", "seed": seed, "case": f"c{i}", "patient": f"p{i}",
             "value": i * 0.3 + (m > 0) * (gap + 0.001 * m) + 0.1 * random.standard_normal()}
            for m in range(number)
            for seed in FIVE
            for i in range(patients)
        ]
    )  # fmt: skip
    means = cases.groupby("method").value.mean()
    rows = [
        {"method": name, "mean": mean, "rank": rank, "status": "ok"}
        for rank, (name, mean) in enumerate(means.sort_values().items(), start=1)
    ]
    return rows, cases


def test_the_mark_pays_for_the_number_of_methods():
    rows, cases = many_methods(0.12)
    crowd = leader(rows, cases, 1.0, higher=False)["m00"]
    second = rows[1]["method"]
    pair = [row for row in rows if row["method"] in ("m00", second)]
    alone = leader(pair, cases, 1.0, higher=False)["m00"]
    assert (crowd["gap"], alone["distinct"]) == (pytest.approx(alone["gap"]), True)
    assert crowd["gap_high"] > alone["gap_high"]
    assert crowd["adjusted_p"] > alone["adjusted_p"]
    # An unfinished method is no comparison.
    rows[-1]["status"] = "incomplete"
    assert leader(rows, cases, 1.0, higher=False)["m00"]["gap_high"] < crowd["gap_high"]


def test_a_single_patient_has_no_interval(study):
    table = table1(study(methods=("ce", "spectral"), seeds=(0,), cases=2, cases_per_patient=2), "main")
    assert table.frame.low.isna().all()
    assert "95 % interval" not in table.markdown


def test_a_best_of_cases_that_is_not_the_best_of_patients_is_not_marked():
    """One patient of many cases carries the mean over cases; each patient counts once in the comparison."""
    many = [("p0", f"c{index}") for index in range(30)] + [(f"p{index}", f"d{index}") for index in range(1, 9)]
    cases = pd.DataFrame(
        [
            {"method": method, "seed": seed, "case": case, "patient": patient,
             "value": 1.0 if (patient == "p0") == (method == "a") else 2.0}
            for method in ("a", "b")
            for seed in FIVE
            for patient, case in many
        ]
    )  # fmt: skip
    means = cases.groupby("method").value.mean()
    assert means["a"] < means["b"]
    rows = [{"method": name, "mean": means[name], "rank": rank, "status": "ok"} for name, rank in (("a", 1), ("b", 2))]
    found = leader(rows, cases, 1.0, higher=False)["a"]
    assert found["gap"] == pytest.approx((8 - 1) / 9)  # a is worse in eight of nine patients
    assert found["gap_low"] < found["gap"] < found["gap_high"]
    assert not found["distinct"]
