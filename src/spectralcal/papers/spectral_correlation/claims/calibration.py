"""Claims on calibration and confidence in distribution (Table 4)."""

from __future__ import annotations

from spectralcal.papers.spectral_correlation.claims._pairs import (
    BRIER,
    ECE,
    MCE,
    NLL,
    architectures,
    change,
    pair,
    printed_changes,
    printed_finding,
)
from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import Finding, conclude
from spectralcal.report.claims.study import Score, Study

TITLE = "Calibration"
TABLE4 = ("ISIC-18", "Kvasir-SEG")
CONFIDENCE, SURE, WRONG = (
    Score(name, 100.0, "pp", higher=True, protocol="paper") for name in ("confidence", "sure", "confidence_wrong")
)


def lower_errors(study: Study, claim: Claim) -> list[Finding]:
    """S-06: the calibration errors fall, and not alone by a reading of them: so does a proper score."""

    def on(name: str) -> Finding:
        parts, notes = [], []
        for architecture in architectures(study):
            sample = pair(study, "main", name, [ECE, BRIER, MCE, NLL], architecture)
            of = [change(study, sample, q, score, name, architecture, up=False) for q, score in enumerate((ECE, BRIER))]
            parts += of
            notes += [
                change(study, sample, 2, MCE, name, architecture, up=False, said=" (two true classes)").words,
                change(study, sample, 3, NLL, name, architecture, up=False).words,
            ]
        return conclude(name, parts, study.table("main", "table4"), note="Beside them " + "; ".join(notes))

    parts = list(printed_changes("table4", TABLE4, ("ECE", "MCE"), lambda *_: False))
    return [*study.each(claim, "main", on), printed_finding(parts, ("table4",))]


def more_confident(study: Study, claim: Claim) -> list[Finding]:
    """S-16: predictions are more confident, and calibration is not worse for it."""

    def on(name: str) -> Finding:
        parts, notes = [], []
        for architecture in architectures(study):
            sample = pair(study, "main", name, [CONFIDENCE, ECE, SURE, WRONG], architecture)
            parts += [
                change(study, sample, 0, CONFIDENCE, name, architecture, up=True),
                change(study, sample, 1, ECE, name, architecture, up=False),
            ]
            notes += [
                change(study, sample, q, score, name, architecture, up=True).words
                for q, score in enumerate((SURE, WRONG), start=2)
            ]
        return conclude(name, parts, study.table("main", "table4"), note="Beside them " + "; ".join(notes))

    return study.each(claim, "main", on)


GROUP = {"S-06": lower_errors, "S-16": more_confident}
CLAIM = GROUP
