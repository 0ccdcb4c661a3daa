"""Claims on tests out of distribution and under noise (Tables 3, 4 and 5)."""

from __future__ import annotations

import numpy as np

from spectralcal.papers.spectral_correlation.arms import SPELT, network
from spectralcal.papers.spectral_correlation.claims._pairs import (
    DSC,
    ECE,
    IOU,
    MCE,
    architectures,
    by_condition,
    change,
    pair,
    printed_changes,
    printed_finding,
    rounded,
    spelt,
    under,
)
from spectralcal.papers.spectral_correlation.tested import LEVEL
from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import Finding, Part, above, below, conclude
from spectralcal.report.claims.sample import Sample
from spectralcal.report.claims.study import Study
from spectralcal.report.printed import paper_values
from spectralcal.study.conditions import condition_of

TITLE = "Shift and noise"
ISIC, POLYPGEN = "ISIC-18->ISIC-17", "Kvasir-SEG->PolypGen"
#: data set and network whose overlap is said to fall out of distribution; all others rise
WORSE = {(POLYPGEN, "UNet")}
#: data set and network whose calibration is said to be worse out of distribution
WORSE_CALIBRATED = {(ISIC, "UNet")}


def overlap_elsewhere(study: Study, claim: Claim) -> list[Finding]:
    """S-05: better out of distribution, but for the U-Net on PolypGen."""

    def on(name: str, condition: str) -> Finding:
        here, parts = under(study, "main", name, condition), []
        printed = _printed_name(study, name, condition)
        for architecture in architectures(study):
            sample = pair(here, "main", name, [DSC, IOU], architecture)
            up = (printed, network(study.results, name, architecture)) not in WORSE
            parts += [change(here, sample, q, score, name, architecture, up=up) for q, score in enumerate((DSC, IOU))]
        return conclude(name, parts, study.table("main", "table3"))

    parts = list(printed_changes("table3", (ISIC, POLYPGEN), ("DSC", "IOU"), lambda d, _, n: (d, n) not in WORSE))
    return [*by_condition(study, claim, "main", False, on), printed_finding(parts, ("table3",))]


def calibration_elsewhere(study: Study, claim: Claim) -> list[Finding]:
    """S-07: under shift the calibration of TransUNet is better, that of the U-Net mixed."""

    def on(name: str, condition: str) -> Finding:
        here, parts = under(study, "main", name, condition), []
        printed = _printed_name(study, name, condition)
        for architecture in architectures(study):
            sample = pair(here, "main", name, [ECE, MCE], architecture)
            worse = (printed, network(study.results, name, architecture)) in WORSE_CALIBRATED
            parts += [
                change(here, sample, 0, ECE, name, architecture, up=worse),
                change(here, sample, 1, MCE, name, architecture, up=worse, said=" (two true classes)"),
            ]
        return conclude(name, parts, study.table("main", "table4"))

    parts = list(
        printed_changes("table4", (ISIC, POLYPGEN), ("ECE", "MCE"), lambda d, _, n: (d, n) in WORSE_CALIBRATED)
    )
    return [*by_condition(study, claim, "main", False, on), printed_finding(parts, ("table4",))]


def smaller_drop(study: Study, claim: Claim) -> list[Finding]:
    """S-08: Gaussian and Bernoulli noise of level 0.01 costs less Dice with the term."""

    def on(name: str, condition: str) -> Finding:
        here, parts = under(study, "main", name, condition), []
        for architecture in architectures(study):
            clean, noisy = (pair(each, "main", name, [DSC], architecture) for each in (study, here))
            both = side_by_side(clean, noisy)
            drop = both.measure(lambda m: (m[..., 0, 0] - m[..., 0, 1]) - (m[..., 1, 0] - m[..., 1, 1]))
            first, second = (study.results.label(method) for method in clean.methods)
            text = f"{spelt(study, name, architecture)}, DSC lost to the noise, {first} - {second}"
            parts.append(Part(text, drop, below(0), above(0), DSC.unit))
        return conclude(name, parts, study.table("main", "table5"))

    def of_level(condition: str) -> bool:
        return dict(condition_of(study.results.config, condition).corrupt[-1].arguments).get("level") == LEVEL

    return [
        *by_condition(study, claim, "main", True, on, of_level),
        printed_finding(list(_printed_drops()), ("table2", "table5")),
    ]


def side_by_side(first: Sample, second: Sample) -> Sample:
    """Two samples of the same methods, seeds and patients as quantities of one; patients that one lacks are left out.

    Raises:
        ValueError: other methods.
    """
    if first.methods != second.methods:
        raise ValueError(f"expected the methods {first.methods}, received {second.methods}")
    shared = [name for name in first.patients if name in second.patients]
    values = [sample.values[..., [sample.patients.index(name) for name in shared]] for sample in (first, second)]
    return Sample(first.methods, np.concatenate(values, axis=1), tuple(shared), min(first.cases, second.cases))


def _printed_name(study: Study, name: str, condition: str) -> str | None:
    from spectralcal.papers.spectral_correlation.tested import printed_set

    return printed_set(study.results, name, condition)


def _printed_drops():
    clean, noisy = (paper_values(_folder(), table) for table in ("table2", "table5"))
    for data_set in ("Synapse", "ACDC"):
        for kind in ("Gaussian", "Bernoulli"):
            for name, said in SPELT.items():
                plain, ours = (
                    clean[data_set, "DSC", row].value - noisy[f"{data_set} + {kind}", "DSC", row].value
                    for row in (name, f"{name} (Ours)")
                )
                text = f"{data_set}, {kind}, {said}, DSC lost, with the term - without"
                yield Part(text, rounded(ours - plain, 4), below(0), above(0), DSC.unit)


def _folder():
    from spectralcal.papers.spectral_correlation.claims._pairs import FOLDER

    return FOLDER


GROUP = {"S-05": overlap_elsewhere, "S-07": calibration_elsewhere, "S-08": smaller_drop}
CLAIM = GROUP
