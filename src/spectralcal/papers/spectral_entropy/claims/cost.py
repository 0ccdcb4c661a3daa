"""Claims on cost: nothing at inference (the method is a loss), little in training."""

from __future__ import annotations

import json

import numpy as np

from spectralcal.records.light.files import has, read_text
from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import (
    CONSTRUCTION,
    Finding,
    NotMeasured,
    Part,
    above,
    at_most,
    conclude,
    exact,
    over_seeds,
)
from spectralcal.report.claims.study import Study

TITLE = "Cost"
#: "a few percent"
FEW = 10.0
#: the patch of the claim, as in the paper's training
PATCH = (96, 96, 96)


def nothing_at_inference(study: Study, claim: Claim) -> list[Finding]:
    """C41: parameters and inference are those of cross-entropy."""

    def on(name: str) -> Finding:
        methods = study.named("main", "CE", "Ours")
        seeds = zip(*study.cells("main", name, methods), strict=True)
        more = [_parameters(study, ours) - _parameters(study, ce) for ce, ours in seeds]
        # A count of parameters is no estimate: one training is as good as three.
        text = "parameters, Spectral - CE"
        parts = [Part(text, exact(change), lambda v: v == 0, lambda v: v != 0) for change in more]
        return conclude(name, parts, study.files("main", name, methods, "model.json"))

    return [_no_parameters(), *study.each(claim, "main", on)]


def little_in_training(study: Study, claim: Claim) -> list[Finding]:
    """C42: the loss adds a few percent to a training step."""

    def on(name: str) -> Finding:
        methods = study.named("main", "CE", "Ours")
        cells = study.cells("main", name, methods)
        times = [[_step_time(study, cell) for cell in row] for row in cells]
        added = over_seeds([100 * (ours / ce - 1) for ce, ours in zip(*times, strict=True)])
        part = Part("median time of a step, Spectral / CE - 1", added, at_most(FEW), above(FEW), "%")
        finding = conclude(name, [part], study.files("main", name, methods, "history.csv"))
        patch = study.results.config.training_of(name, study.architecture("main")).patch
        if tuple(patch) != PATCH:
            size, paper = "x".join(map(str, patch)), "x".join(map(str, PATCH))
            raise NotMeasured(f"the claim is about patches of {paper}, these are {size}; there, {finding.found}")
        return finding

    return study.each(claim, "main", on)


def _no_parameters() -> Finding:
    from spectralcal.losses import SpectralEntropyCELoss

    parameters = sum(p.numel() for p in SpectralEntropyCELoss().parameters())
    part = Part("trainable parameters of the loss", exact(parameters), lambda v: v == 0, lambda v: v > 0)
    note = "The loss is not part of the network that predicts"
    return conclude("the loss module", [part], "src/spectralcal/losses/spectral.py", CONSTRUCTION, note=note)


def _parameters(study: Study, cell) -> int:
    path = study.results.paths.cell(cell).model
    if not has(path):
        raise NotMeasured(f"{cell}: no model.json")
    try:
        return int(json.loads(read_text(path))["parameters"])
    except (KeyError, ValueError) as error:
        raise NotMeasured(f"{cell}: model.json does not count parameters ({error})") from error


def _step_time(study: Study, cell) -> float:
    history = study.results.history(cell)
    if history is None or not {"step", "seconds"} <= set(history):
        raise NotMeasured(f"{cell}: no times in history.csv")
    # Logged steps measure gradients too; the median of what lies between them is hardly moved by a busy moment.
    taken = np.diff(history.seconds) / np.diff(history.step)
    if not taken.size or not np.median(taken) > 0:
        raise NotMeasured(f"{cell}: too few times in history.csv")
    return float(np.median(taken))


GROUP = {"C41": nothing_at_inference, "C42": little_in_training}
CLAIM = GROUP
