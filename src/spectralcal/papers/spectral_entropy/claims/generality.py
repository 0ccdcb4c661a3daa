"""Claims that go over architectures, cases, all metrics together, data sets and fair comparisons (Figures 4 to 7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from spectralcal.base.errors import ResultError
from spectralcal.papers.spectral_entropy.claims._printed import (
    DATA_SETS,
    LOSSES,
    WHERE,
    Rounded,
    file_of,
    print_finding,
    printed,
    rank_range,
    smallest,
)
from spectralcal.papers.spectral_entropy.claims.calibration import lowest, lowest_ece, lowest_sce
from spectralcal.papers.spectral_entropy.claims.segmentation import best_or_second, near_best, no_price, not_worse
from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import (
    MOOT,
    NOT_MEASURED,
    TOGETHER,
    Finding,
    Measure,
    NotMeasured,
    Part,
    above,
    at_least,
    below,
    conclude,
    every,
    not_measured,
)
from spectralcal.report.claims.sample import Sample, Statistic, measure_together
from spectralcal.report.claims.study import DSC, ECE, SIX, Study
from spectralcal.study.methods import method_of

TITLE = "Generality"
#: what C47 asks of every data set
GAINS = {
    "C01": "lowest ECE",
    "C02": "lowest SCE",
    "C03": "first or second in segmentation",
    "C06": "no loss of segmentation quality",
}
#: 1 for metrics where higher is better, else -1
HIGHER = np.array([1.0 if score.higher else -1.0 for score in SIX])
ARCHITECTURES = ("unet", "nnunet", "swin_unetr", "unetpp", "attention_unet", "transunet")


def six_architectures(study: Study, claim: Claim) -> list[Finding]:
    """C34: Dice and ECE improve on each of six architectures."""

    def on(name: str) -> Finding:
        present = study.results.config.experiments[study.experiment("architectures")].architectures
        methods, parts, unmeasured = study.named("architectures", "CE", "Ours"), [], []
        for architecture in ARCHITECTURES:
            try:
                if architecture not in present:
                    raise NotMeasured("not in the experiment")
                sample = study.scores("architectures", name, methods, [DSC, ECE], architecture)
            except (NotMeasured, ResultError) as reason:
                unmeasured.append(f"{architecture}: {reason}")
                continue
            parts += [
                Part(f"{architecture}: DSC, Spectral - CE", sample.measure(lambda m: m[..., 1, 0] - m[..., 0, 0]),
                     above(0), below(0), DSC.unit),
                Part(f"{architecture}: ECE, CE - Spectral", sample.measure(lambda m: m[..., 0, 1] - m[..., 1, 1]),
                     above(0), below(0), ECE.unit),
            ]  # fmt: skip
        if not parts:
            raise NotMeasured("; ".join(unmeasured))
        note = f"Not measured: {'; '.join(unmeasured)}" if unmeasured else ""

        def rule(verdicts) -> str:
            return every([*verdicts, *([NOT_MEASURED] if unmeasured else [])])

        evidence = study.files("architectures", name, methods, "cases.csv", present)
        return conclude(name, parts, evidence, rule=rule, note=note)

    return study.each(claim, "architectures", on)


def narrower(study: Study, claim: Claim) -> list[Finding]:
    """C35: per-case Dice and ECE have a better mean and a smaller spread than with cross-entropy."""

    def on(name: str) -> Finding:
        scores = study.scores("main", name, study.named("main", "CE", "Ours"), [DSC, ECE])
        both = np.concatenate([scores.values, scores.values**2], axis=1)
        sample = Sample(scores.methods, both, scores.patients, scores.cases)
        parts = []
        for q, score in enumerate((DSC, ECE)):
            sign = 1.0 if score.higher else -1.0
            gain = sample.measure(lambda m, q=q, sign=sign: sign * (m[..., 1, q] - m[..., 0, q]))
            parts += [Part(f"variance of {score.metric} over patients, Spectral / CE",
                           sample.measure(_variance_ratio(q)), below(1), at_least(1)),
                      Part(f"gain in mean {score.metric}", gain, above(0), below(0), score.unit)]  # fmt: skip
        return conclude(name, parts, study.files("main", name, scores.methods, "cases.csv"))

    return study.each(claim, "main", on)


def best_rank(study: Study, claim: Claim) -> list[Finding]:
    """C36: the best mean rank over all metrics and data sets."""

    cells = []
    for data_set in DATA_SETS.values():
        for score in SIX:
            table = "table1" if score in SIX[:3] else "table2"
            row = [printed(table, data_set, score.metric, method) for method in LOSSES]
            if all(np.isfinite(cell.value) for cell in row):
                cells.append([-cell for cell in row] if score.higher else row)
    ranks = [[rank_range(cell, row[:i] + row[i + 1 :]) for i, cell in enumerate(row)] for row in cells]
    means = [_mean_rank([row[i] for row in ranks]) for i in range(len(LOSSES))]
    margin = smallest(means[:-1]) - means[-1]
    text = f"mean rank over the {len(cells)} complete rows, best baseline - Spectral"
    return [
        *_one_and_all(study, claim, {"mean rank over six metrics, best baseline - Spectral": mean_rank}),
        print_finding([Part(text, margin.measure, above(0), below(0))], ("table1", "table2")),
    ]


def largest_radar(study: Study, claim: Claim) -> list[Finding]:
    """C37: the largest and most regular polygon in the radar plot."""
    return _one_and_all(study, claim, {
        "area of the radar polygon (1 if full), Spectral - largest baseline": radar_area,
        "irregularity (variation of its radii), smallest baseline - Spectral": radar_variation,
    })  # fmt: skip


def generalises(study: Study, claim: Claim) -> list[Finding]:
    """C47: the gains (C01, C02, C03, C06) hold on every data set."""

    def on(name: str) -> Finding:
        parts = {
            "C01": lowest(study, name, ECE),
            "C02": lowest(study, name, SIX[4]),
            "C03": near_best(study, name),
            "C06": not_worse(study, name),
        }
        said = _said(parts)
        verdict = every(finding.verdict for finding in parts.values())
        shown = next((f for f in parts.values() if f.verdict == verdict), parts["C01"])
        return Finding(name, verdict, seeds=shown.seeds, patients=shown.patients, cases=shown.cases, found=said,
                       evidence="C01, C02, C03 and C06 of this ledger")  # fmt: skip

    prints = {}
    for identity, function in (("C01", lowest_ece), ("C02", lowest_sce), ("C03", best_or_second), ("C06", no_price)):
        prints[identity] = next(f for f in function(Study(study.results, {}), claim) if f.where == WHERE)
    said = _said(prints)
    verdict = every(finding.verdict for finding in prints.values())
    files = "; ".join(map(file_of, ("table1", "table2")))
    in_print = Finding(WHERE, verdict, "printed", found=said, evidence=files)
    return [*study.each(claim, "main", on), in_print]


def _said(findings: Mapping[str, Finding]) -> str:
    return ", ".join(f"{GAINS[identity]} ({identity}): {finding.verdict}" for identity, finding in findings.items())


def order_survives_tuning(study: Study, claim: Claim) -> list[Finding]:
    """C48: the loss stays first when the baselines' own options are tuned."""

    def on(name: str) -> Finding:
        experiment, config = study.experiment("tuned"), study.results.config
        (ours,) = study.named("tuned", "Ours")
        parsed = {method: method_of(config, method) for method in study.results.methods(experiment)}
        others = [m for m, p in parsed.items() if p.loss != parsed[ours].loss and p.is_trained]
        if not any(parsed[method].options for method in others):
            raise NotMeasured(f"experiment '{experiment}' has no baseline with other options than its own")
        sample = study.scores("tuned", name, [*others, ours], [ECE])
        best = int(np.argmin(sample.means[:-1, 0]))
        margin = sample.measure(lambda m: m[..., best, 0] - m[..., -1, 0], len(others))
        text = f"ECE, best tuned baseline ({study.results.label(others[best])}) - Spectral"
        note = f"The best of {len(others)} baselines was picked on the test cases, which favours it"
        part = Part(text, margin, above(0), below(0), ECE.unit)
        return conclude(name, [part], study.table("tuned", "table2"), note=note)

    return study.each(claim, "tuned", on)


def not_just_temperature(study: Study, claim: Claim) -> list[Finding]:
    """C49: cross-entropy scaled after training does not match the loss.

    Moot where cross-entropy without any scaling is as good in the mean: there is no effect that could be more than a
    temperature.
    """

    def on(name: str) -> Finding:
        experiment = study.experiment("post_hoc")
        ce, ours = study.named("post_hoc", "CE", "Ours")
        scaled = next((m for m in study.results.methods(experiment) if m == f"{ce}+temperature"), "")
        if not scaled:
            raise NotMeasured(f"experiment '{experiment}' has no {ce}+temperature")
        scores = SIX[3:]
        sample = study.scores("post_hoc", name, [scaled, ours, ce], scores)

        def beyond(method: int, text: str) -> list[Part]:
            return [
                Part(f"{score.metric}, {text} - Spectral",
                     sample.measure(lambda m, q=q: m[..., method, q] - m[..., 1, q]), above(0), below(0), score.unit)
                for q, score in enumerate(scores)
            ]  # fmt: skip

        controls = beyond(2, "CE without a temperature")
        parts = [*beyond(0, "CE + temperature"), *controls]
        moot = all(part.measure.value <= 0 and not part.measure.shortage for part in controls)
        note = "Cross-entropy without a temperature has the lower mean in all three: there is no effect to explain"
        return conclude(name, controls if moot else parts, study.table("post_hoc", "table2"),
                        rule=(lambda _: MOOT) if moot else every, note=note if moot else "")  # fmt: skip

    return study.each(claim, "post_hoc", on)


def mean_rank(means: np.ndarray) -> np.ndarray:
    """(..., data sets, methods, 6) means -> (..., methods) rank averaged over metrics and data sets, negative."""
    from scipy.stats import rankdata

    return -rankdata(-means * HIGHER, axis=-2).mean(-1).mean(-2)


def radar_area(means: np.ndarray) -> np.ndarray:
    """(..., data sets, methods, 6) means -> (..., methods) area of the polygon over that of the full one."""
    radii = radar_radii(means)
    return (radii * np.roll(radii, -1, axis=-1)).mean(-1)


def radar_variation(means: np.ndarray) -> np.ndarray:
    """(..., data sets, methods, 6) -> (..., methods) coefficient of variation of the radii, negative.

    A polygon without any extent counts as irregular as one with a single spike.
    """
    radii = radar_radii(means)
    centre, spike = radii.mean(-1), np.sqrt(len(SIX) - 1)
    return -np.divide(radii.std(-1), centre, out=np.full(centre.shape, spike), where=centre > 0)


def radar_radii(means: np.ndarray) -> np.ndarray:
    """(..., data sets, methods, 6) -> (..., methods, 6): 0 the worst method, 1 the best, mean over data sets."""
    score = means * HIGHER
    worst, best = score.min(-2, keepdims=True), score.max(-2, keepdims=True)
    scaled = np.divide(score - worst, best - worst, out=np.ones_like(score), where=best > worst)
    return scaled.mean(-3)


def _one_and_all(study: Study, claim: Claim, scores: dict[str, Statistic]) -> list[Finding]:
    """A finding for each data set, and one for all of the claim's together, which decides.

    Args:
        scores: text -> (..., data sets, methods, 6) -> (..., methods), higher is better.
    """
    samples: dict[str, Sample] = {}

    def concluded(where: str, chosen: list[Sample]) -> Finding:
        means = np.stack([sample.means for sample in chosen])
        parts = [Part(text, _lead(chosen, score, means), above(0), below(0)) for text, score in scores.items()]
        return conclude(where, parts, f"{study.table('main', 'table1')}; {study.table('main', 'table2')}")

    def on(name: str) -> Finding:
        samples[name] = study.scores("main", name, study.named("main", *LOSSES), SIX)
        return concluded(name, [samples[name]])

    findings = study.each(claim, "main", on)
    missing = [name for name in claim.data_sets if name not in samples]
    if missing:
        return [*findings, not_measured(TOGETHER, f"without results of all seven losses: {', '.join(missing)}")]
    return [*findings, concluded(TOGETHER, [samples[name] for name in claim.data_sets])]


def _lead(samples: list[Sample], score: Statistic, means: np.ndarray) -> Measure:
    """How far the last method is above the best of the others, picked by its mean; a score may depend on all."""
    best = int(np.argmax(score(means)[:-1]))
    return measure_together(samples, lambda m: score(m)[..., -1] - score(m)[..., best], len(LOSSES) - 1, steps=True)


def _mean_rank(ranks: Sequence[Rounded]) -> Rounded:
    return Rounded(*(float(np.mean([rank[i] for rank in ranks])) for i in range(3)))


def _variance_ratio(quantity: int) -> Statistic:
    def ratio(m: np.ndarray) -> np.ndarray:
        spread = m[..., quantity + 2] - m[..., quantity] ** 2
        base = spread[..., 0]
        return np.divide(spread[..., 1], base, out=np.full(base.shape, np.nan), where=base > 1e-12)

    return ratio


GROUP: dict[str, Callable[[Study, Claim], list[Finding]]] = {
    "C34": six_architectures,
    "C35": narrower,
    "C36": best_rank,
    "C37": largest_radar,
    "C47": generalises,
    "C48": order_survives_tuning,
    "C49": not_just_temperature,
}
CLAIM = GROUP
