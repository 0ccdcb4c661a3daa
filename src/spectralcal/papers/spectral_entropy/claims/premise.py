"""Is there something to repair? The premise that networks trained with cross-entropy are overconfident."""

from __future__ import annotations

import numpy as np

from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import Finding, NotMeasured, Part, above, agreed, below, conclude, over_seeds
from spectralcal.report.claims.sample import Statistic
from spectralcal.report.claims.study import Study
from spectralcal.study.grid import Cell

TITLE = "The premise"
UNIT, SCALE = "×10⁻³", 1e3
#: regions in which calibration means calibration: all voxels, and those that the prediction chooses
REGIONS = {"all": "all voxels", "predicted_foreground": "predicted foreground"}
VOXELS, CONFIDENCE, HITS = range(3)


def overconfident(study: Study, claim: Claim) -> list[Finding]:
    """C57: cross-entropy is overconfident, and a temperature would soften it."""

    def on(name: str) -> Finding:
        methods = study.named("main", "CE")
        parts, absent, errors = [], [], ""
        for region, text in REGIONS.items():

            def read(cell: Cell, region: str = region) -> tuple[np.ndarray, np.ndarray]:
                found = study.bins(cell, region)
                return found["cases"], np.stack([found[key].sum(1) for key in ("count", "confidence", "hits")], axis=1)

            try:
                sample = study.arrays("main", name, methods, read)
            except NotMeasured as reason:
                if region == "all":
                    raise
                absent.append(f"{text} ({reason})")
                continue
            gap = sample.measure(_share(CONFIDENCE, HITS))
            parts.append(Part(f"CE, confidence - accuracy over {text}", gap, above(0), below(0), UNIT))
            if region == "all":
                wrong = _share(VOXELS, HITS)(sample.means)
                errors = f"Of {wrong:.1f} {UNIT} of the voxels that are wrong, overconfidence explains {gap.value:.1f}"
        temperatures, why = _temperatures(study, name)
        if temperatures:
            parts.append(Part("temperature fitted on validation cases", over_seeds(temperatures), above(1), below(1)))
        notes = [errors, *([f"Not measured: {'; '.join([*absent, *why])}"] if absent or why else [])]
        evidence = study.files("main", name, methods, "calibration.npz")
        if temperatures:
            evidence += "; " + study.files("post_hoc", name, [f"{methods[0]}+temperature"], "evaluation.json")
        return conclude(name, parts, evidence, rule=agreed, note=". ".join(notes))

    return study.each(claim, "main", on)


def _share(more: int, less: int) -> Statistic:
    """Difference of two sums over voxels, in thousandths of the voxels."""
    return lambda m: SCALE * (m[..., 0, more] - m[..., 0, less]) / m[..., 0, VOXELS]


def _temperatures(study: Study, data_set: str) -> tuple[list[float], list[str]]:
    """Of each training, or why there is none."""
    try:
        (ce,) = study.named("post_hoc", "CE")
        cells = study.cells("post_hoc", data_set, [f"{ce}+temperature"])[0]
    except NotMeasured as reason:
        return [], [f"a temperature ({reason})"]
    fitted = [((study.results.evaluation(cell) or {}).get("post_hoc") or {}).get("temperature") for cell in cells]
    if any(found is None for found in fitted):
        return [], ["a temperature (evaluation.json does not say what was fitted)"]
    return [float(found["temperature"]) for found in fitted], []


GROUP = {"C57": overconfident}
CLAIM = GROUP
