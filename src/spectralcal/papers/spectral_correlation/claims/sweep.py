"""Claims on the weight of the term, and on one term without the other (Table 6)."""

from __future__ import annotations

import numpy as np

from spectralcal.papers.spectral_correlation.arms import DICE_ALONE, TERM_ALONE, find
from spectralcal.papers.spectral_correlation.claims._pairs import DSC, FOLDER, printed_finding, rounded
from spectralcal.papers.spectral_correlation.tables.table6 import weight_of
from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import Finding, NotMeasured, Part, above, below, conclude
from spectralcal.report.claims.study import Study
from spectralcal.report.printed import paper_values

TITLE = "The weight of the term"
#: the weight that is said to be best
BEST = 0.2


def best_weight(study: Study, claim: Claim) -> list[Finding]:
    """S-10: 0.2 is the best weight, and quality decays above."""

    def on(name: str) -> Finding:
        experiment = study.experiment("sweep")
        weights = {method: weight_of(study.results, method) for method in study.results.methods(experiment)}
        methods = sorted((method for method in weights if weights[method] is not None), key=weights.__getitem__)
        values = [weights[method] for method in methods]
        if BEST not in values or max(values) <= BEST or min(values) >= BEST:
            said = ", ".join(f"{value:g}" for value in values) or "none"
            raise NotMeasured(f"the weight {BEST:g} and others on both sides are needed, there are {said}")
        sample = study.scores("sweep", name, methods, [DSC])
        own, last = values.index(BEST), len(values) - 1
        others = [index for index in range(len(values)) if index != own]
        rival = others[int(np.argmax(sample.means[others, 0]))]
        lead = sample.measure(lambda m: m[..., own, 0] - m[..., rival, 0], len(others))
        decay = sample.measure(lambda m: m[..., own, 0] - m[..., last, 0])
        parts = [
            Part(f"DSC, weight {BEST:g} - best other ({values[rival]:g})", lead, above(0), below(0), DSC.unit),
            Part(f"DSC, weight {BEST:g} - {values[last]:g}", decay, above(0), below(0), DSC.unit),
        ]
        return conclude(name, parts, study.table("sweep", "table6"))

    return [*study.each(claim, "sweep", on), printed_finding(list(_printed()), ("table6",), _without_term())]


def spatial_matters_more(study: Study, claim: Claim) -> list[Finding]:
    """S-17: Dice alone segments better than the spectral term alone."""

    def on(name: str) -> Finding:
        methods = find(study.results, study.experiment("alone"), DICE_ALONE, TERM_ALONE)
        sample = study.scores("alone", name, methods, [DSC])
        lead = sample.measure(lambda m: m[..., 0, 0] - m[..., 1, 0])
        first, second = (study.results.label(method) for method in methods)
        part = Part(f"DSC, {first} - {second}", lead, above(0), below(0), DSC.unit)
        evidence = study.files("alone", name, methods, "cases.csv")
        return conclude(name, [part], evidence, note="The full form of the term is squared Dice (S-11)")

    return study.each(claim, "alone", on)


def _printed():
    values = paper_values(FOLDER, "table6")
    for data_set, metric in dict.fromkeys((d, m) for d, m, _ in values if m in ("DSC", "IOU")):
        column = {float(name.partition("=")[2]): cell.value for (d, m, name), cell in values.items()
                  if (d, m) == (data_set, metric)}  # fmt: skip
        rival = max((weight for weight in column if weight != BEST), key=column.__getitem__)
        text = f"{data_set}, {metric}, weight {BEST:g} - best other ({rival:g})"
        yield Part(text, rounded(column[BEST] - column[rival], 2), above(0), below(0), DSC.unit)


def _without_term() -> str:
    plain = paper_values(FOLDER, "table1")["Kvasir-SEG", "DSC", "UNet"].value
    below_it = [name.partition("=")[2] for (d, m, name), cell in paper_values(FOLDER, "table6").items()
                if (d, m) == ("Kvasir-SEG", "DSC") and cell.value < plain]  # fmt: skip
    return f"On Kvasir-SEG the weights {', '.join(below_it)} are printed below no term at all ({plain:g})"


GROUP = {"S-10": best_weight, "S-17": spatial_matters_more}
CLAIM = GROUP
