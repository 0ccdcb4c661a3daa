"""Claims on spectra: of predictions against labels (Figure 8), and of masks against images (Figure 2)."""

from __future__ import annotations

import numpy as np

from spectralcal.papers.spectral_correlation.claims._pairs import architectures, change, pair
from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import Finding, NotMeasured, Part, above, at_most, below, conclude, exact
from spectralcal.report.claims.study import Score, Study

TITLE = "Spectra"
#: the claims on power read the probe of the first network and seed; masks and images belong to no network
NEEDS = {"views": "main"}
#: cycles per voxel below which a frequency counts as low
LOW = 0.1
AGREEMENT = {
    "spectral_correlation": "correlation of log amplitudes",
    "coherence_middle": "coherence, middle third of the frequencies",
    "coherence_high": "coherence, high third",
}


def closer_spectra(study: Study, claim: Claim) -> list[Finding]:
    """S-09: spectra of predictions agree more with those of labels, at middle and high frequencies too."""

    def on(name: str) -> Finding:
        parts = []
        scores = [Score(metric, 1.0, "", higher=True, protocol="paper") for metric in AGREEMENT]
        for architecture in architectures(study):
            sample = pair(study, "main", name, scores, architecture)
            for q, (score, words) in enumerate(zip(scores, AGREEMENT.values(), strict=True)):
                part = change(study, sample, q, score, name, architecture, up=True)
                parts.append(Part(part.text.replace(score.metric, words), part.measure, above(0), at_most(0)))
        return conclude(name, parts, study.files("main", name, [sample.methods[0]], "cases.csv", architectures(study)))

    return study.each(claim, "main", on)


def denser_masks(study: Study, claim: Claim) -> list[Finding]:
    """S-12: masks have more of their power at low frequencies than images."""

    def on(name: str) -> Finding:
        architecture = study.architecture("main")
        seed = study.results.config.experiments[study.experiment("main")].seeds[0]
        arrays = study.results.probe_numbers("views", name, architecture, seed)
        if arrays is None:
            raise NotMeasured(f"views of {name}, {architecture}, seed {seed} were not measured")
        at = int(np.searchsorted(arrays["frequency"], LOW * (1 - 1e-9)))
        parts, notes = [], []
        for ending, words in (("", "mean removed"), ("_mean", "mean counted")):
            more = arrays[f"power_mask{ending}"][:, at] - arrays[f"power_image{ending}"][:, at]
            more = 100 * more[np.isfinite(more)]
            if not len(more):
                raise NotMeasured("no test case has a mask and an image that vary")
            text = f"share of power below {LOW:g} cycles per voxel, {words}, mask - image"
            if not ending:
                # Every case is looked at, so that the extremes say whether all agree; nothing is estimated.
                parts += [
                    Part(f"{text}, {which} of {len(more)} cases", exact(value), above(0), below(0), "pp")
                    for which, value in (("median", np.median(more)), ("least", more.min()), ("largest", more.max()))
                ]
            else:
                notes.append(f"{text}: {np.median(more):.1f} pp in the median")
        evidence = f"{study.results.paths.probe('views', name, architecture, seed)}"
        return conclude(name, parts, evidence, rule=_all_or_open, note=". ".join(notes))

    return study.each(claim, "main", on)


def _all_or_open(verdicts) -> str:
    """Supported or refuted if all cases agree, else open."""
    from spectralcal.report.claims.finding import INCONCLUSIVE

    different = set(verdicts)
    return different.pop() if len(different) == 1 else INCONCLUSIVE


GROUP = {"S-09": closer_spectra, "S-12": denser_masks}
CLAIM = GROUP
