"""Claims on images: hotspots of the logit map (Figure 8, Appendix A.9) and confidence at boundaries (Figure 2a)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from spectralcal.base.errors import ResultError
from spectralcal.probes.maps import NEAR
from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import (
    INCONCLUSIVE,
    SUPPORTED,
    Finding,
    NotMeasured,
    Part,
    above,
    agreed,
    below,
    conclude,
    every,
)
from spectralcal.report.claims.sample import Sample
from spectralcal.report.claims.study import ECE, Study

TITLE = "Hotspots and boundaries"
NEEDS = {"maps": "main", "hotspots": "main"}
#: readings of a hotspot's strength
STRENGTHS = ("signed", "magnitude")
#: near boundaries of the prediction, and near the reference's, where a calibrated network is not at zero
PREDICTED, REFERENCE = (ECE._replace(protocol=name) for name in ("predicted_boundary", "boundary"))


def hotspots_are_errors(study: Study, claim: Claim) -> list[Finding]:
    """C38: high-frequency hotspots of cross-entropy's logits lie on its errors, at boundaries.

    A hotspot is the reconstruction itself, or its magnitude: the paper's maps can be read both ways.
    """

    def on(name: str) -> Finding:
        stored, evidence = _stored(study, name)
        readings = [np.stack([_chosen(arrays, arrays["error"], s) for arrays in stored]) for s in STRENGTHS]
        near = np.stack([arrays["distance"] for arrays in stored])
        sample = _sample(study, name, stored[0]["cases"], np.dstack([*readings, near]))
        parts = [
            Part(f"Spearman's correlation of hotspots ({strength}) and errors beyond the boundary-matched null",
                 sample.measure(lambda m, i=i: m[..., 0, i] - m[..., 0, i + 1]), above(0), below(0))
            for i, strength in zip((0, 2), STRENGTHS, strict=True)
        ]  # fmt: skip
        distance = "that of their magnitude with the distance to the boundary"
        parts.append(Part(distance, sample.measure(lambda m: m[..., 0, 4]), below(0), above(0)))

        def rule(verdicts: Iterable[str]) -> str:
            *errors, at_boundary = verdicts
            return agreed(every([error, at_boundary]) for error in errors)

        return conclude(name, parts, evidence, rule=rule)

    return study.each(claim, "main", on)


def lowered_at_hotspots(study: Study, claim: Claim) -> list[Finding]:
    """C39: where our confidence is lower than cross-entropy's coincides with the hotspots, beyond chance.

    Any second network coincides with them, because cross-entropy's own noise is in both maps; less so one that shares
    its seed, and with it initial weights and batches. So what the loss adds is measured between networks of another
    seed, the proposed loss and cross-entropy.
    """

    def on(name: str) -> Finding:
        stored, evidence = _stored(study, name)
        (ours,) = study.named("main", "Ours")
        same = [_difference(arrays, "methods", "difference", ours) for arrays in stored]
        if any(values is None for values in same):
            raise NotMeasured(f"the hotspots were not compared with {ours}")
        pairs = [
            (
                _difference(arrays, "following_methods", "following", ours),
                _difference(arrays, "methods", "difference", "ce"),
            )
            for arrays in stored
        ]
        control = all(value is not None for pair in pairs for value in pair)
        columns = np.stack(same)
        if control:
            columns = np.dstack([columns, *(np.stack(values) for values in zip(*pairs, strict=True))])
        sample = _sample(study, name, stored[0]["cases"], columns)
        text = "Spearman's correlation of hotspots and confidence difference"
        beyond = sample.measure(lambda m: m[..., 0, 0] - m[..., 0, 1])
        parts = [Part(f"{text} beyond the boundary-matched null", beyond, above(0), below(0))]
        if control:  # the more informative of the two
            more = sample.measure(lambda m: m[..., 0, 2] - m[..., 0, 4])
            parts.insert(0, Part(f"{text}, Spectral - cross-entropy, both of another seed", more, above(0), below(0)))
        note = "" if control else "Without a second seed there is no control: any second network may coincide"

        def rule(verdicts: Iterable[str]) -> str:
            verdict = every(verdicts)
            return INCONCLUSIVE if verdict == SUPPORTED and not control else verdict

        return conclude(name, parts, evidence, rule=rule, note=note)

    return study.each(claim, "main", on)


def _difference(arrays: dict[str, np.ndarray], names: str, values: str, method: str) -> np.ndarray | None:
    """(N, 2): correlation with the confidence difference to a method, and its null, if it was measured."""
    known = list(map(str, arrays.get(names, ())))
    return _chosen(arrays, arrays[values][known.index(method)]) if method in known else None


def sharper_boundaries(study: Study, claim: Claim) -> list[Finding]:
    """C45: doubt lies closer to the true boundary than with focal loss or label smoothing, and is better calibrated."""

    def on(name: str) -> Finding:
        methods = study.named("main", "FL", "LS", "Ours")
        try:
            sample, which = study.scores("main", name, methods, [PREDICTED]), "predicted boundary"
        except (NotMeasured, ResultError):
            sample, which = study.scores("main", name, methods, [REFERENCE]), "reference's boundary"
        parts = [
            Part(f"ECE near the {which}, {loss} - Spectral", sample.measure(lambda m, i=i: m[..., i, 0] - m[..., 2, 0]),
                 above(0), below(0), ECE.unit)
            for i, loss in enumerate(("FL", "LS"))
        ]  # fmt: skip
        shares, case = _doubt_near_boundary(study, name, methods)
        said = ", ".join(f"{loss} {share:.3f}" for loss, share in zip(("FL", "LS", "Spectral"), shares, strict=True))
        note = f"Share of (1 - confidence) within {NEAR} voxels of the boundary in one case ({case}): {said}"
        if which != "predicted boundary":
            note += ". Near the reference's boundary even a calibrated network has an error"
        agrees = shares[2] > max(shares[:2])

        def rule(verdicts) -> str:
            verdict = every(verdicts)
            # One case cannot decide, but it can contradict.
            return INCONCLUSIVE if verdict == SUPPORTED and not agrees else verdict

        return conclude(name, parts, study.table("main", "protocols"), rule=rule, note=note)

    return study.each(claim, "main", on)


def broken_boundaries(study: Study, claim: Claim) -> list[Finding]:
    """C58: the uncertain band of cross-entropy is in pieces."""

    def on(name: str) -> Finding:
        raise NotMeasured(
            "the connected parts of a region of low confidence need the maps of all test cases, of which results keep "
            "one"
        )

    return study.each(claim, "main", on)


def _stored(study: Study, data_set: str) -> tuple[list[dict[str, np.ndarray]], str]:
    """Hotspot arrays of all seeds, and where they are published."""
    results, architecture = study.results, study.architecture("main")
    seeds = results.config.experiments[study.experiment("main")].seeds
    stored = []
    for seed in seeds:
        arrays = results.probe_numbers("hotspots", data_set, architecture, seed)
        if arrays is None or "cases" not in arrays:
            raise NotMeasured(f"no hotspots of {data_set}, {architecture}, seed {seed}; run `spectralcal hotspots`")
        stored.append(arrays)
    if any(not np.array_equal(arrays["cases"], stored[0]["cases"]) for arrays in stored):
        raise NotMeasured("the hotspots of the seeds are of other cases; run `spectralcal hotspots` again")
    return stored, _place(study, "hotspots", data_set, seeds[0])


def _place(study: Study, kind: str, data_set: str, seed: int) -> str:
    """Where the numbers of maps or hotspots are published; the ledger is the same where they were made."""
    path = study.results.paths.numbers(kind, data_set, study.architecture("main"), seed)
    return str(path).replace(f"seed={seed}", "seed=*")


def _chosen(arrays: dict[str, np.ndarray], values: np.ndarray, strength: str = "signed") -> np.ndarray:
    """(N, 2): Spearman's correlation and the mean of its null, out of (N, strengths, coefficients, 3)."""
    row = list(map(str, arrays["strengths"])).index(strength)
    coefficient = list(map(str, arrays["coefficients"])).index("spearman")
    return values[:, row, coefficient, :2]


def _sample(study: Study, data_set: str, cases: np.ndarray, values: np.ndarray) -> Sample:
    """From (seeds, N, Q) numbers by case."""
    patients = study.patients("main", data_set)
    names = [patients.get(str(case), str(case)) for case in cases]
    sample = Sample.of_cases(["ce"], values.transpose(2, 0, 1)[None], names)
    if not np.isfinite(sample.values).any(axis=(0, 2, 3)).all():
        raise NotMeasured("no test case has hotspots")
    return sample


def _doubt_near_boundary(study: Study, data_set: str, methods: list[str]) -> tuple[list[float], str]:
    results, architecture = study.results, study.architecture("main")
    seed = results.config.experiments[study.experiment("main")].seeds[0]
    maps = results.probe_numbers("maps", data_set, architecture, seed)
    if maps is None:
        raise NotMeasured(f"no maps of {data_set}, {architecture}, seed {seed}; run `spectralcal maps`")
    stored = list(map(str, maps["methods"]))
    if lacking := [method for method in methods if method not in stored]:
        raise NotMeasured(f"the maps lack {', '.join(lacking)}")
    shares = [float(maps["doubt_near_boundary"][stored.index(method)]) for method in methods]
    return shares, str(maps["case"])


GROUP = {"C38": hotspots_are_errors, "C39": lowered_at_hotspots, "C45": sharper_boundaries, "C58": broken_boundaries}
CLAIM = GROUP
