"""Claims on what happens during training (Sections 1, 3.2 and 3.3), from the histories of the cells."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import (
    Finding,
    NotMeasured,
    Part,
    above,
    at_least,
    at_most,
    below,
    conclude,
    over_seeds,
)
from spectralcal.report.claims.study import Study
from spectralcal.study.methods import loss_options

TITLE = "Training"
#: share of samples that "only some" may be, and that "almost all" would be
SOME, ALMOST_ALL = 0.5, 0.9
#: ratio of gradient norms that matters, and one that does not
MATTERS, NEGLIGIBLE = 1e-2, 1e-3
#: the target's largest jump in the first window over its usual range of change later on
SPIKE = 10.0
#: columns of a history that would show which frequencies a network has learned
SHARES = ("high_share_logits", "high_share_labels")


def low_frequencies_first(study: Study, claim: Claim) -> list[Finding]:
    """C21: high frequencies are learned last and stay below those of the label."""

    def on(name: str) -> Finding:
        (method,) = study.named("main", "CE")
        histories = list(study.histories("main", name, method, SHARES))
        lag = over_seeds([_last(h, SHARES[0]) - _last(h, SHARES[1]) for h in histories])
        growth = over_seeds([_last(h, SHARES[0]) - h[SHARES[0]].iloc[0] for h in histories])
        parts = [Part("share of high frequencies at the end, logits - labels", lag, below(0), above(0)),
                 Part("growth of that of the logits", growth, above(0), below(0))]  # fmt: skip
        return conclude(name, parts, study.files("main", name, [method], "history.csv"))

    return study.each(claim, "main", on)


def window_steadies(study: Study, claim: Claim) -> list[Finding]:
    """C25: the longer the window, the less the target entropy moves from step to step."""

    def on(name: str) -> Finding:
        methods = dict(sorted(study.variants("window", "spectral", "window").items()))
        full = max(methods)  # compared where every window has filled
        moves = np.array([
            [_step_to_step(h[h.step >= full], name) for h in study.histories("window", name, m, ["target_entropy"])]
            for m in methods.values()
        ])  # (windows, seeds)  # fmt: skip
        x = np.log(list(methods))
        slopes = over_seeds([np.polyfit(x, np.log(column), 1)[0] for column in moves.T])
        longest = over_seeds(np.max(moves[1:] / moves[:-1], axis=0))
        parts = [
            Part("log-log slope of the target's step-to-step deviation over W", slopes, below(-0.25), at_least(0)),
            Part("its largest ratio to that of the next shorter window", longest, below(1), lambda _: False),
        ]
        return conclude(name, parts, study.files("window", name, list(methods.values()), "history.csv"))

    return study.each(claim, "window", on)


def only_deficient_penalised(study: Study, claim: Claim) -> list[Finding]:
    """C43: only deficient samples are penalised, and ever fewer."""

    def on(name: str) -> Finding:
        (method,) = study.named("main", "Ours")
        halves = [np.array_split(h.penalised_fraction.to_numpy(), 2)
                  for h in study.histories("main", name, method, ["penalised_fraction"])]  # fmt: skip
        early = over_seeds([first.mean() for first, _ in halves])
        late = over_seeds([second.mean() for _, second in halves])
        fall = over_seeds([first.mean() - second.mean() for first, second in halves])
        parts = [Part("share of penalised samples, second half of training", late, at_most(SOME), above(ALMOST_ALL)),
                 Part("first half", early, at_most(SOME), lambda _: False),
                 Part("first half - second half", fall, above(0), lambda _: False)]  # fmt: skip
        return conclude(name, parts, study.files("main", name, [method], "history.csv"))

    return study.each(claim, "main", on)


def replication_steadies(study: Study, claim: Claim) -> list[Finding]:
    """C44: filling the window with the first statistics keeps training stable."""

    def on(name: str) -> Finding:
        methods = study.variants("history", "spectral", "history_init")
        filled = {init: method for init, method in methods.items() if init in ("fill_first", "pad_current")}
        if not filled:
            raise NotMeasured("no method with history_init=fill_first or pad_current")
        parts = []
        for init, method in filled.items():
            window = loss_options(study.results.config, method)["window"]
            histories = study.histories("history", name, method, ["target_entropy", "loss"])
            spikes = over_seeds([_spike(history, window) for history in histories])
            text = f"{init}: largest change of the target in the first {window} steps over its median change later"
            parts.append(Part(text, spikes, at_most(SPIKE), above(SPIKE)))
        return conclude(name, parts, study.files("history", name, list(filled.values()), "history.csv"))

    return study.each(claim, "history", on)


def loss_matters(study: Study, claim: Claim) -> list[Finding]:
    """C50: at the recommended weight, the term's gradient is not negligible."""

    def on(name: str) -> Finding:
        (method,) = study.named("main", "Ours")
        seen = seen_by_softmax(1 + len(study.results.classes(name)))
        histories = study.histories("main", name, method, ["gradient_ce", "gradient_spectral"])
        ratios = [seen * _ratio(history) for history in histories]
        weight = loss_options(study.results.config, method)["weight"]
        mean = over_seeds([ratio.mean() for ratio in ratios])
        greatest = max(ratio.max() for ratio in ratios)
        # "Throughout" negligible: the largest of all steps counts against the claim, the mean for it.
        text = (f"gradient norm at the logits that the softmax sees, spectral term (weight {weight}) over "
                "cross-entropy, mean of steps")  # fmt: skip
        part = Part(text, mean, above(MATTERS), lambda _: greatest < NEGLIGIBLE)
        note = (f"The largest ratio of any logged step is {greatest:.2g}. {1 - seen**2:.2g} of the term's squared "
                "gradient moves the logits of all classes alike and is left out (T07)")  # fmt: skip
        return conclude(name, [part], study.files("main", name, [method], "history.csv"), note=note)

    return study.each(claim, "main", on)


def _last(history: pd.DataFrame, column: str) -> float:
    return float(history[column].iloc[-1])


def _step_to_step(history: pd.DataFrame, where: str) -> float:
    moves = np.diff(history.target_entropy.to_numpy())
    if moves.size < 2 or not moves.std() > 0:
        raise NotMeasured(f"{where}: too few logged steps after the longest window has filled")
    return float(moves.std(ddof=1))


def _spike(history: pd.DataFrame, window: int) -> float:
    if not np.isfinite(history.loss).all():
        return float("inf")
    change = np.abs(np.diff(history.target_entropy))
    early = history.step.to_numpy()[1:] <= window
    usual = np.median(change[~early]) if (~early).any() else 0.0
    if not early.any() or not usual > 0:
        raise NotMeasured(f"too few logged steps within or after the first {window}")
    return float(change[early].max() / usual)


def _ratio(history: pd.DataFrame) -> np.ndarray:
    base = history.gradient_ce.to_numpy()
    return np.divide(history.gradient_spectral.to_numpy(), base, out=np.zeros_like(base), where=base > 0)


def seen_by_softmax(classes: int) -> float:
    """Share of the norm of a gradient on one logit per voxel, the largest, that is not common to all classes.

    With a single entry, 1 / C of the squared norm lies along the direction of equal entries. The gradient of
    cross-entropy, probabilities minus the label, has no such part.
    """
    return float(np.sqrt(1 - 1 / classes))


GROUP: dict[str, Callable[[Study, Claim], list[Finding]]] = {
    "C21": low_frequencies_first,
    "C25": window_steadies,
    "C43": only_deficient_penalised,
    "C44": replication_steadies,
    "C50": loss_matters,
}
CLAIM = GROUP
