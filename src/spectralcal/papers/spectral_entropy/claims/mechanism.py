"""Our preregistered hypotheses on how entropy and calibration are linked (docs/preregistration.md, H-12 to H-15).

The posterior of the phantom is known, so calibration errors are measured against it and not estimated from labels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spectralcal.base.errors import ResultError
from spectralcal.papers.spectral_entropy.claims._comparison import ALPHA, LEAST_GAIN, brackets, contrast
from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import (
    INCONCLUSIVE,
    REFUTED,
    STUDY,
    SUPPORTED,
    TOGETHER,
    Finding,
    Measure,
    NotMeasured,
    not_measured,
    number,
)
from spectralcal.report.claims.study import Score, Study
from spectralcal.statistics import FEWEST_SEEDS, holm
from spectralcal.statistics.crossed import LEVEL

TITLE = "Entropy and true calibration"
#: listed in the ledgers of studies that play one of these roles
ROLES = ("mechanism",)
ROLE = "mechanism"

CE = "ce"
MAPS = {"max_logit": "maximum logit", "max_prob": "largest probability"}
#: fewest cells, methods and seeds for the slope of a half
FEWEST_CELLS, FEWEST_METHODS = 10, 2

TRUTH = Score("true_SCE", 1e3, "×10⁻³", protocol="truth")
GAP = Score("signed_gap", 1e3, "×10⁻³", protocol="paper")


@dataclass(frozen=True)
class Cells:
    """Numbers of N cells, one per cell: means over test cases.

    Attributes:
        entropy: of a map, nats.
        error: true calibration error, x 10^-3.
        gap: confidence - accuracy, x 10^-3.
        size, method, seed: which cell each is.
    """

    entropy: np.ndarray
    error: np.ndarray
    gap: np.ndarray
    size: np.ndarray
    method: np.ndarray
    seed: np.ndarray

    def where(self, chosen: np.ndarray) -> Cells:
        """Some of the cells."""
        return Cells(**{name: values[chosen] for name, values in vars(self).items()})


@dataclass(frozen=True)
class Slope:
    """Error over entropy (x 10^-3 per nat), with a 95 % interval from leaving out one seed at a time."""

    value: float
    low: float
    high: float
    cells: int
    seeds: int

    @property
    def sign(self) -> int:
        """-1 or 1 if the interval is on that side of 0, else 0."""
        return -1 if self.high < 0 else 1 if self.low > 0 else 0

    @property
    def words(self) -> str:
        """``-3.1 [-4.2, -2.0] x 10^-3 per nat (93 cells)``."""
        return f"{number(self.value)} [{number(self.low)}, {number(self.high)}] ×10⁻³ per nat ({self.cells} cells)"


def slope(cells: Cells) -> Slope:
    """Least squares within sizes; cells of one seed share their random numbers and are left out together.

    Raises:
        NotMeasured: too few cells, methods or seeds, or an entropy that does not vary within sizes.
    """
    seeds = np.unique(cells.seed)
    methods = len(np.unique(cells.method))
    if len(cells.error) < FEWEST_CELLS or methods < FEWEST_METHODS or len(seeds) < FEWEST_SEEDS:
        raise NotMeasured(
            f"{len(cells.error)} cells of {methods} methods and {len(seeds)} seeds, expected at least {FEWEST_CELLS}, "
            f"{FEWEST_METHODS} and {FEWEST_SEEDS}"
        )
    from scipy.special import stdtrit

    left_out = np.array([_least_squares(cells.where(cells.seed != seed)) for seed in seeds])
    count = len(seeds)
    error = np.sqrt((count - 1) / count * ((left_out - left_out.mean()) ** 2).sum())
    value, half = _least_squares(cells), float(stdtrit(count - 1, (1 + LEVEL) / 2)) * error
    return Slope(value, float(value - half), float(value + half), len(cells.error), count)


def follows(kind: str) -> Callable[[Study, Claim], list[Finding]]:
    """A function that decides whether a higher entropy of a map goes with a lower error in both halves."""

    def decide(study: Study, claim: Claim) -> list[Finding]:
        try:
            cells = _cells(study, kind)
            halves = {}
            for name, chosen in (("overconfident", cells.gap > 0), ("underconfident", cells.gap < 0)):
                try:
                    halves[name] = slope(cells.where(chosen))
                except NotMeasured as reason:
                    raise NotMeasured(f"no slope over {name} cells: {reason}") from None
        except (NotMeasured, ResultError) as reason:
            return [not_measured(TOGETHER, reason)]
        over, under = halves.values()
        verdict, read = _read(over, under)
        said = "; ".join(f"{name} cells: {half.words}" for name, half in halves.items())
        text = f"slope of the true calibration error on the entropy of the {MAPS[kind]}"
        return [
            Finding(
                TOGETHER, verdict, STUDY, f"{text}, overconfident cells", over.value, over.low, over.high,
                "×10⁻³ per nat", "jackknife over seeds", seeds=over.seeds, found=f"{text}: {said}. {read}",
                evidence=study.table(ROLE, "true_calibration"),
            )
        ]  # fmt: skip

    return decide


def raising(method: str, kind: str) -> Callable[[Study, Claim], list[Finding]]:
    """A function that decides whether a term that raises the entropy of a map lowers the true calibration error."""

    def decide(study: Study, claim: Claim) -> list[Finding]:
        try:
            return [_raised(study, method, kind)]
        except (NotMeasured, ResultError) as reason:
            return [not_measured(TOGETHER, reason)]

    return decide


def _raised(study: Study, method: str, kind: str) -> Finding:
    """H-14 and H-15 at all sizes together."""
    sizes: dict[str, tuple[Measure, Measure, float]] = {}
    for name in study.data_sets(ROLE) or [_nothing(study)]:
        spectra = study.arrays(ROLE, name, [method, CE], lambda cell: _entropies(study, cell, kind))
        errors = study.scores(ROLE, name, [method, CE], [TRUTH])
        sizes[name] = (contrast(spectra, 0, 0, 1), contrast(errors, 0, 0, 1), float(np.nanmean(errors.values[1, 0])))
    p = holm(np.array([each.p_value for rise, change, _ in sizes.values() for each in (rise, change)]))
    raised = [rise.value > 0 and p[2 * i] < ALPHA for i, (rise, _, _) in enumerate(sizes.values())]
    lowered = [change.value < 0 and p[2 * i + 1] < ALPHA for i, (_, change, _) in enumerate(sizes.values())]
    useless = [change.low > -LEAST_GAIN * mean for _, change, mean in sizes.values()]
    shortage = next((c.shortage for rise, change, _ in sizes.values() for c in (rise, change) if c.shortage), "")
    verdict = INCONCLUSIVE
    if not shortage:
        if any(up and no for up, no in zip(raised, useless, strict=True)):
            verdict = REFUTED
        elif all(raised) and all(lowered):
            verdict = SUPPORTED
    names = " - ".join(study.results.label(each) for each in (method, CE))
    said = "; ".join(
        f"{study.results.title(name)}: entropy {brackets(rise)} nat, true calibration error {brackets(change)} ×10⁻³ "
        f"(what matters: {number(LEAST_GAIN * mean)})"
        for name, (rise, change, mean) in sizes.items()
    )
    shown = next(iter(sizes.values()))[1]
    text = ". ".join(filter(None, [f"{names}, {MAPS[kind]}: {said}", shortage]))
    return Finding.of(
        shown, TOGETHER, verdict, f"true calibration error, {names}, fewest volumes", "×10⁻³", text,
        study.table(ROLE, "true_calibration"),
    )  # fmt: skip


def _cells(study: Study, kind: str) -> Cells:
    experiment = study.experiment(ROLE)
    methods = study.results.methods(experiment)
    seeds = study.results.config.experiments[experiment].seeds
    rows: list[tuple] = []
    for name in study.data_sets(ROLE):
        entropies = study.arrays(ROLE, name, methods, lambda cell: _entropies(study, cell, kind)).values[:, 0]
        scores = study.scores(ROLE, name, methods, [TRUTH, GAP]).values
        for m, method in enumerate(methods):
            for s, seed in enumerate(seeds):
                numbers = entropies[m, s], scores[m, 0, s], scores[m, 1, s]
                rows.append((*(float(np.nanmean(each)) for each in numbers), name, method, seed))
    return Cells(*(np.array(column) for column in zip(*rows, strict=True)))


def _entropies(study: Study, cell, kind: str) -> tuple[np.ndarray, np.ndarray]:
    return study.spectra(cell, "cases"), study.spectra(cell, f"entropy_{kind}")[:, None]


def _least_squares(cells: Cells) -> float:
    x, y = cells.entropy.copy(), cells.error.copy()
    for size in np.unique(cells.size):
        here = cells.size == size
        x[here] -= x[here].mean()
        y[here] -= y[here].mean()
    spread = (x**2).sum()
    if spread < 1e-12:
        raise NotMeasured("the entropy does not vary within a number of training volumes")
    return float((x * y).sum() / spread)


def _read(over: Slope, under: Slope) -> tuple[str, str]:
    """Verdict and reading of the slopes of both halves."""
    if over.sign == under.sign == -1:
        return SUPPORTED, "A higher entropy goes with a lower error in both"
    if over.sign == under.sign == 1:
        return REFUTED, "A higher entropy goes with a higher error in both"
    if over.sign * under.sign == -1:
        return REFUTED, "The sign follows the gap: entropy tells the direction of the miscalibration, not its size"
    return INCONCLUSIVE, "The slope of one half may be 0"


def _nothing(study: Study) -> str:
    study.experiment(ROLE)  # says that nothing plays the role
    raise NotMeasured("the experiment has no data set")


GROUP = {
    "H-12": follows("max_logit"),
    "H-13": follows("max_prob"),
    "H-14": raising("spectral@weight=1.0", "max_logit"),
    "H-15": raising("spectral@confidence=max_prob,weight=10.0", "max_prob"),
}
CLAIM = GROUP
