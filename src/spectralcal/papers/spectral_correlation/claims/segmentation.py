"""Claims on overlap and distance by data set (Tables 1 and 2)."""

from __future__ import annotations

import numpy as np

from spectralcal.papers.spectral_correlation.arms import network
from spectralcal.papers.spectral_correlation.claims._pairs import (
    DSC,
    HD95,
    HD95_VOXELS,
    IOU,
    SE,
    SP,
    architectures,
    change,
    pair,
    printed_changes,
    printed_finding,
    spelt,
)
from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import Finding, Measure, NotMeasured, Part, above, at_most, conclude
from spectralcal.report.claims.sample import Sample
from spectralcal.report.claims.study import Score, Study
from spectralcal.statistics import crossed

TITLE = "Segmentation"
#: data sets of Table 1, of Table 3
TABLE1 = ("Kvasir-SEG", "ISIC-18", "MoNuSeg", "BTSeg")
TABLE3 = ("ISIC-18->ISIC-17", "Kvasir-SEG->PolypGen")
COUNT = {"objects": "objects", "structures": "classes"}


def raises_overlap(study: Study, claim: Claim) -> list[Finding]:
    """S-01: Dice and intersection over union rise for both networks on four data sets."""

    def on(name: str) -> Finding:
        parts = []
        for architecture in architectures(study):
            sample = pair(study, "main", name, [DSC, IOU], architecture)
            parts += [
                change(study, sample, q, score, name, architecture, up=True) for q, score in enumerate((DSC, IOU))
            ]
        return conclude(name, parts, study.table("main", "table1"))

    parts = list(printed_changes("table1", TABLE1, ("DSC", "IOU"), lambda *_: True))
    return [*study.each(claim, "main", on), printed_finding(parts, ("table1",))]


def finds_more(study: Study, claim: Claim) -> list[Finding]:
    """S-02: sensitivity rises, and not at the cost of as much specificity."""

    def on(name: str) -> Finding:
        parts = []
        for architecture in architectures(study):
            sample = pair(study, "main", name, [SE, SP], architecture)
            first, second = (study.results.label(method) for method in sample.methods)
            both = sample.measure(lambda m: m[..., 0, :].sum(-1) - m[..., 1, :].sum(-1))
            text = f"{spelt(study, name, architecture)}, SE + SP, {first} - {second}"
            parts += [
                change(study, sample, 0, SE, name, architecture, up=True),
                Part(text, both, above(0), at_most(0), SE.unit),
            ]
        return conclude(name, parts, study.table("main", "table1"))

    parts = [
        part
        for table, sets in (("table1", TABLE1), ("table3", TABLE3))
        for part in printed_changes(table, sets, ("SE",), lambda *_: True)
    ]
    return [*study.each(claim, "main", on), printed_finding(parts, ("table1", "table3"))]


def synapse(study: Study, claim: Claim) -> list[Finding]:
    """S-03: on Synapse Dice rises for both; the distance falls for the U-Net and rises for TransUNet."""
    return _dice_and_distance(study, claim, "Synapse", falls=("UNet",))


def acdc(study: Study, claim: Claim) -> list[Finding]:
    """S-04: on ACDC Dice rises and the distance falls for both."""
    return _dice_and_distance(study, claim, "ACDC", falls=("UNet", "TransUNet"))


def more_objects(study: Study, claim: Claim) -> list[Finding]:
    """S-18: the gain in Dice is larger where there are more objects or classes."""

    def on(name: str) -> Finding:
        parts = []
        for architecture in architectures(study):
            for metric, what in COUNT.items():
                sample = pair(study, "main", name, [DSC, Score(metric, 1.0, "", protocol="paper")], architecture)
                if (measure := slope(sample)) is not None:
                    text = f"{spelt(study, name, architecture)}, gain in DSC per further one of the {what} of a patient"
                    parts.append(Part(text, measure, above(0), at_most(0), DSC.unit))
        if not parts:
            raise NotMeasured("all patients have equally many objects and classes")
        return conclude(name, parts, study.table("main", "table1"))

    return study.each(claim, "main", on)


def slope(sample: Sample) -> Measure | None:
    """Slope over patients of the gain in the first quantity against the second, which is a property of the case.

    The counts are taken as given; what is random is the gain, of seeds and patients.

    Returns:
        None where the counts do not differ.

    Raises:
        NotMeasured: fewer than three patients.
    """
    gain, counts = sample.values[0, 0] - sample.values[1, 0], sample.values[0, 1, 0]
    known = np.isfinite(gain).all(0) & np.isfinite(counts)
    gain, counts = gain[:, known], counts[known]
    if len(counts) < 3:
        raise NotMeasured(f"expected at least three patients, found {len(counts)}")
    if np.ptp(counts) == 0:
        return None
    # A least-squares slope is the mean over patients of the gain times these weights.
    weights = (counts - counts.mean()) / counts.var()
    table = weights * gain
    return Measure.of(crossed(table), table.mean(1), len(counts), sample.cases)


def _dice_and_distance(study: Study, claim: Claim, printed: str, falls: tuple[str, ...]) -> list[Finding]:
    def on(name: str) -> Finding:
        parts = []
        for architecture in architectures(study):
            sample = pair(study, "main", name, [DSC, HD95, HD95_VOXELS], architecture)
            rises = network(study.results, name, architecture) not in falls
            parts.append(change(study, sample, 0, DSC, name, architecture, up=True))
            parts += [
                change(study, sample, q, score, name, architecture, up=rises)
                for q, score in enumerate((HD95, HD95_VOXELS), start=1)
            ]
        return conclude(name, parts, study.table("main", "table2"))

    def up(data_set: str, metric: str, name: str) -> bool:
        return metric == "DSC" or name not in falls

    parts = list(printed_changes("table2", (printed,), ("DSC", "HD95"), up))
    return [*study.each(claim, "main", on, elsewhere=False), printed_finding(parts, ("table2",))]


GROUP = {
    "S-01": raises_overlap,
    "S-02": finds_more,
    "S-03": synapse,
    "S-04": acdc,
    "S-18": more_objects,
}
CLAIM = GROUP
