"""Claims on calibration errors by data set: which loss has the lowest (Table 2, Section 5)."""

from __future__ import annotations

import numpy as np

from spectralcal.papers.spectral_entropy.claims._design import SUBJECTS, standard_error
from spectralcal.papers.spectral_entropy.claims._printed import (
    BASELINES,
    DATA_SETS,
    LOSSES,
    print_finding,
    printed,
    smallest,
)
from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import Finding, Measure, Part, above, below, conclude
from spectralcal.report.claims.sample import Sample
from spectralcal.report.claims.study import ECE, SCE, TACE, Score, Study

TITLE = "Calibration"


def lowest_ece(study: Study, claim: Claim) -> list[Finding]:
    """C01: the lowest ECE of seven losses on every data set."""
    return [*study.each(claim, "main", lambda name: lowest(study, name, ECE)), _printed_lowest(ECE, DATA_SETS.values())]


def lowest_sce(study: Study, claim: Claim) -> list[Finding]:
    """C02: the lowest SCE of seven losses on every data set."""
    return [*study.each(claim, "main", lambda name: lowest(study, name, SCE)), _printed_lowest(SCE, DATA_SETS.values())]


def tace_pattern(study: Study, claim: Claim) -> list[Finding]:
    """C04: the lowest TACE on four data sets, and second to CRaC alone on two."""

    def on(name: str) -> Finding:
        if name not in ("acdc", "promise12"):
            return lowest(study, name, TACE)
        sample, evidence = _seven(study, name, TACE)
        others = [sample.at(method) for method in study.named("main", *(b for b in BASELINES if b != "CRaC"))]
        crac, ours = (sample.at(method) for method in study.named("main", "CRaC", "Ours"))
        parts = [
            Part("TACE, Spectral - CRaC", sample.measure(lambda m: m[..., ours, 0] - m[..., crac, 0]), above(0),
                 below(0), TACE.unit),
            Part("TACE, best of the other baselines - Spectral", _margin(sample, others, ours), above(0), below(0),
                 TACE.unit),
        ]  # fmt: skip
        return conclude(name, parts, evidence)

    parts = []
    for data_set in DATA_SETS.values():
        cell = {method: printed("table2", data_set, "TACE", method) for method in LOSSES}
        conceded = data_set in ("ACDC", "PROMISE2012")
        rest = smallest(cell[name] for name in BASELINES if not (conceded and name == "CRaC"))
        which = "best baseline but CRaC" if conceded else "best baseline"
        margin = (rest - cell["Ours"]).measure
        parts.append(Part(f"{data_set}, TACE, {which} - Spectral", margin, above(0), below(0), TACE.unit))
        if conceded:
            lead = (cell["Ours"] - cell["CRaC"]).measure
            parts.append(Part(f"{data_set}, TACE, Spectral - CRaC", lead, above(0), below(0), TACE.unit))
    return [*study.each(claim, "main", on, elsewhere=False), print_finding(parts, ("table2",))]


def lowest(study: Study, data_set: str, score: Score) -> Finding:
    """Is our loss the best of seven in a score on one data set?"""
    sample, evidence = _seven(study, data_set, score)
    baselines = list(range(len(BASELINES)))
    margin = _margin(sample, baselines, len(BASELINES))
    best = sample.methods[int(np.argmin(sample.means[baselines, 0]))]
    text = f"{score.metric}, best baseline ({study.results.label(best)}) - Spectral"
    note = _in_proportion(sample, margin, best) if score is ECE else ""
    return conclude(data_set, [Part(text, margin, above(0), below(0), score.unit)], evidence, note=note)


def _in_proportion(sample: Sample, margin: Measure, best: str) -> str:
    """A margin in percent, beside what the paper's design could have seen with the noise of these runs."""
    level = sample.means[sample.at(best), 0]
    said = f"That is {100 * margin.value / level:.1f} % of the baseline's"
    seeds, patients = sample.values.shape[2:]
    if min(seeds, patients) < 2:
        return said
    pair = sample.values[0, 0] - sample.values[-1, 0]  # cross-entropy and ours: no effect, or nearly none
    pair = pair[:, np.isfinite(pair).all(0)]
    errors = ", ".join(
        f"{100 * standard_error(pair, subjects) / sample.means[0, 0]:.0f} % with the {subjects} test subjects of "
        f"{DATA_SETS[name]} (printed margin {100 * _printed_margin(name):.0f} %)"
        for name, subjects in SUBJECTS.items()
    )
    return f"{said}. One training of CE and Spectral each, with the noise of these, has a standard error of {errors}"


def _printed_margin(name: str) -> float:
    """How far the paper prints its ECE below the best baseline's, as a share of that."""
    cells = {method: printed("table2", DATA_SETS[name], "ECE", method).value for method in LOSSES}
    best = min(cells[method] for method in BASELINES)
    return (best - cells["Ours"]) / best


def _seven(study: Study, data_set: str, score: Score) -> tuple[Sample, str]:
    return study.scores("main", data_set, study.named("main", *LOSSES), [score]), study.table("main", "table2")


def _margin(sample: Sample, others: list[int], ours: int) -> Measure:
    """How much the best of the others, picked by its mean, is above ours."""
    best = others[int(np.argmin(sample.means[others, 0]))]
    return sample.measure(lambda m: m[..., best, 0] - m[..., ours, 0], len(others))


def _printed_lowest(score: Score, data_sets) -> Finding:
    parts = []
    for data_set in data_sets:
        rest = smallest(printed("table2", data_set, score.metric, method) for method in BASELINES)
        margin = rest - printed("table2", data_set, score.metric, "Ours")
        parts.append(Part(f"{data_set}, {score.metric}, best baseline - Spectral", margin.measure, above(0), below(0),
                          score.unit))  # fmt: skip
    return print_finding(parts, ("table2",))


GROUP = {"C01": lowest_ece, "C02": lowest_sce, "C04": tace_pattern}
CLAIM = GROUP
