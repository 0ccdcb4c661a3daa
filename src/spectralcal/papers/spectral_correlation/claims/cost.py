"""The claim on cost: the term is cheap."""

from __future__ import annotations

import numpy as np

from spectralcal.papers.spectral_correlation.arms import SPATIAL, TERM, find
from spectralcal.papers.spectral_correlation.claims._pairs import architectures, spelt
from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import Finding, NotMeasured, Part, above, at_most, conclude, over_seeds
from spectralcal.report.claims.study import Study

TITLE = "Cost"
#: "small", in percent of a step
SMALL = 5.0


def cheap(study: Study, claim: Claim) -> list[Finding]:
    """S-13: a training step with the term takes hardly longer."""

    def on(name: str) -> Finding:
        parts = []
        methods = find(study.results, study.experiment("main"), TERM, SPATIAL)
        for architecture in architectures(study):
            pairs = zip(*study.cells("main", name, methods, architecture), strict=True)
            added = over_seeds([100 * (_step(study, ours) / _step(study, plain) - 1) for ours, plain in pairs])
            text = f"{spelt(study, name, architecture)}, median time of a step with the term / without - 1"
            parts.append(Part(text, added, at_most(SMALL), above(SMALL), "%"))
        evidence = study.files("main", name, methods, "history.csv", architectures(study))
        return conclude(name, parts, evidence, note="Over all frequencies the term is computed without a transform")

    return study.each(claim, "main", on)


def _step(study: Study, cell) -> float:
    history = study.results.history(cell)
    if history is None or not {"step", "seconds"} <= set(history):
        raise NotMeasured(f"{cell}: no times in history.csv")
    # The median is hardly moved by a busy moment of the machine.
    taken = np.diff(history.seconds) / np.diff(history.step)
    if not taken.size or not np.median(taken) > 0:
        raise NotMeasured(f"{cell}: too few times in history.csv")
    return float(np.median(taken))


GROUP = {"S-13": cheap}
CLAIM = GROUP
