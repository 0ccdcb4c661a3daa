"""The toy's only claim."""

from __future__ import annotations

from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import Finding, Part, above, below, conclude
from spectralcal.report.claims.study import ECE, Study

TITLE = "Calibration"


def better_calibrated(study: Study, claim: Claim) -> list[Finding]:
    """A1: the new loss is better calibrated than the baseline."""

    def on(name: str) -> Finding:
        sample = study.scores("duel", name, study.named("duel", "Base", "New"), [ECE])
        gain = sample.measure(lambda m: m[..., 0, 0] - m[..., 1, 0])
        return conclude(name, [Part("ECE, Base - New", gain, above(0), below(0), ECE.unit)], study.table("duel", "x"))

    return study.each(claim, "duel", on)


CLAIM = {"A1": better_calibrated}
