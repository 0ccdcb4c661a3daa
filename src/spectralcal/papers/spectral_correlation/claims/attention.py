"""The claim on interpretability: activation maps of the U-Net with the term, of TransUNet without it (Figure 9)."""

from __future__ import annotations

import numpy as np

from spectralcal.papers.spectral_correlation.arms import SPATIAL, TERM, find
from spectralcal.papers.spectral_correlation.claims._pairs import DSC, spelt
from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import Finding, NotMeasured, Part, above, below, conclude
from spectralcal.report.claims.sample import Sample
from spectralcal.report.claims.study import Study

TITLE = "Interpretability"
NEEDS = {"cams": ("main", "transformer")}
TEXTS = ("share of the map inside the label, %", "maximum inside the label, %", "IoU of the map's upper half, %")


def more_interpretable(study: Study, claim: Claim) -> list[Finding]:
    """S-14: maps of the U-Net with the term lie better on the label than those of TransUNet without."""

    def on(name: str) -> Finding:
        roles = ("main", "transformer")
        networks = [study.architecture(role) for role in roles]
        if networks[0] == networks[1]:
            raise NotMeasured("'main' and 'transformer' begin with one network, two are compared")
        methods = [find(study.results, study.experiment(role), arm)[0]
                   for role, arm in zip(roles, (TERM, SPATIAL), strict=True)]  # fmt: skip
        sample = maps(study, name, roles, networks, methods)
        labels = [f"{spelt(study, name, architecture)}, {study.results.label(method)}"
                  for architecture, method in zip(networks, methods, strict=True)]  # fmt: skip
        parts = [
            Part(f"{text}: {labels[0]} - {labels[1]}", sample.measure(lambda m, q=q: m[..., 0, q] - m[..., 1, q]),
                 above(0), below(0), "pp")
            for q, text in enumerate((*TEXTS, "DSC, %"))
        ]  # fmt: skip
        return conclude(name, parts, f"{study.results.config.results}/cams")

    return study.each(claim, "main", on)


def maps(study: Study, name: str, roles, networks, methods) -> Sample:
    """Scores of maps and Dice (percent) of one method on each network, as if these were two methods.

    Raises:
        NotMeasured: a probe or a cell is missing.
    """
    experiments = [study.results.config.experiments[study.experiment(role)] for role in roles]
    seeds = [seed for seed in experiments[0].seeds if seed in experiments[1].seeds]
    owners, rows, cases = study.patients("main", name), [], None
    for role, architecture, method in zip(roles, networks, methods, strict=True):
        dice = study.scores(role, name, [method], [DSC], architecture)
        by_patient = dict(zip(dice.patients, dice.values[0, 0].T, strict=True))
        of_seeds = []
        for seed in seeds:
            arrays = study.results.probe_numbers("cams", name, architecture, seed)
            if arrays is None or method not in arrays["methods"].tolist():
                raise NotMeasured(f"cams of {name}, {architecture}, {method}, seed {seed} were not measured")
            names = arrays["cases"].tolist()
            cases = names if cases is None else cases
            if names != cases:
                raise NotMeasured(f"cams of {name}, {architecture}, seed {seed} are of other cases than the first")
            scores = 100 * arrays["scores"][arrays["methods"].tolist().index(method)]  # (N, 3)
            if not np.isfinite(scores).all(1).any():
                raise NotMeasured(f"{name}, {architecture}, {method}, seed {seed} predicts no class, so it has no map")
            at = experiments[0 if role == roles[0] else 1].seeds.index(seed)
            whole = [by_patient.get(owners.get(case, case), np.full(at + 1, np.nan))[at] for case in names]
            of_seeds.append(np.column_stack([scores, whole]))
        rows.append(np.stack(of_seeds, axis=1))  # (N, S, 4)
    values = np.stack(rows).transpose(0, 3, 2, 1)  # (2, 4, S, N)
    return Sample.of_cases(list(map(str, networks)), values, [owners.get(case, case) for case in cases])


GROUP = {"S-14": more_interpretable}
CLAIM = GROUP
