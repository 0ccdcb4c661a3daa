"""Controls of our own: is it the spectrum, or the weight of Dice? Does a band do what the argument says?"""

from __future__ import annotations

from spectralcal.papers.spectral_correlation.arms import BANDS, HEAVIER, SPATIAL, TERM, find
from spectralcal.papers.spectral_correlation.claims._pairs import DSC, HD95, architectures, change, pair
from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import Finding, NotMeasured, Part, above, below, conclude
from spectralcal.report.claims.study import Study

TITLE = "Controls"
#: a change of Dice that matters, percentage points (docs/preregistration.md)
MARGIN = 0.5


def not_the_weight(study: Study, claim: Claim) -> list[Finding]:
    """S-19: the sum with the term is better than Dice of the same total weight, and than no term."""

    def on(name: str) -> Finding:
        parts = []
        for architecture in architectures(study):
            for rival in (HEAVIER, SPATIAL):
                sample = pair(study, "main", name, [DSC], architecture, (TERM, rival))
                text = change(study, sample, 0, DSC, name, architecture, up=True).text
                lead = sample.measure(lambda m: m[..., 0, 0] - m[..., 1, 0])
                # A lead beyond chance that is too small to matter is refuted: fails goes before holds.
                parts.append(Part(text, lead, above(0), below(MARGIN), DSC.unit))
        return conclude(name, parts, study.table("main", "table1"))

    return study.each(claim, "main", on)


def a_band_helps(study: Study, claim: Claim) -> list[Finding]:
    """S-20: the term over the middle third of the frequencies is better than Dice of the same total weight."""

    def on(name: str) -> Finding:
        parts, notes = [], []
        experiment = study.experiment("bands")
        for architecture in architectures(study, "bands"):
            sample = pair(study, "bands", name, [DSC, HD95], architecture, (BANDS["mid"], HEAVIER))
            text = change(study, sample, 0, DSC, name, architecture, up=True).text
            lead = sample.measure(lambda m: m[..., 0, 0] - m[..., 1, 0])
            parts.append(Part(text, lead, above(0), below(MARGIN), DSC.unit))
            notes.append(change(study, sample, 1, HD95, name, architecture, up=False).words)
            for band in ("low", "high"):
                try:
                    find(study.results, experiment, BANDS[band])
                    other = pair(study, "bands", name, [DSC], architecture, (BANDS[band], HEAVIER))
                except NotMeasured:
                    continue
                notes.append(change(study, other, 0, DSC, name, architecture, up=True).words)
        evidence = study.files("bands", name, [sample.methods[0]], "cases.csv", architectures(study, "bands"))
        return conclude(name, parts, evidence, note="Beside it " + "; ".join(notes))

    return study.each(claim, "bands", on)


GROUP = {"S-19": not_the_weight, "S-20": a_band_helps}
CLAIM = GROUP
