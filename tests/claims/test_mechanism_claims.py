"""Our hypotheses on entropy and true calibration, on invented results of the real study."""

import numpy as np
import pytest
from hypotheses_study import decided, write

from spectralcal.papers.spectral_entropy.claims import mechanism as module
from spectralcal.report.claims import finding as f
from spectralcal.report.claims.finding import NotMeasured

SOFT = ("ls@alpha=0.05", "ce+temperature", "spectral@weight=1.0")
HEAVY, LEAD = "spectral@weight=1.0", "spectral@confidence=max_prob,weight=10.0"


def position(cell):
    """A number from 0 to 1 that differs between methods, sizes and seeds."""
    random = np.random.default_rng([cell.seed, *f"{cell.dataset}{cell.method}".encode()])
    return float(random.random())


def entropy(cell, kind):
    return 1.2 + 0.2 * position(cell)


def results(tmp_path, over, under, **options):
    """Errors that rise by these many 10^-3 per nat in over- and underconfident cells; half of the methods are each."""

    def value(cell, metric, protocol):
        soft = cell.method in SOFT
        if metric == "signed_gap":
            return -0.02 if soft else 0.02
        if metric == "true_SCE":
            level = 0.01 + 0.02 * int(cell.dataset.split("_")[1] == "8")
            return level + 1e-3 * (under if soft else over) * 0.2 * position(cell)
        return None

    return write(tmp_path, "mechanism", value, entropy=entropy, **options)


@pytest.mark.parametrize(
    ("over", "under", "expected", "read"),
    [
        (-10, -10, f.SUPPORTED, "lower error in both"),
        (10, -10, f.REFUTED, "sign follows the gap"),
        (-10, 10, f.REFUTED, "sign follows the gap"),
        (10, 10, f.REFUTED, "higher error in both"),
        (-10, 0, f.INCONCLUSIVE, "may be 0"),
    ],
)
def test_verdicts_follow_the_slopes_of_both_halves(tmp_path, over, under, expected, read):
    entries = decided(results(tmp_path, over, under))
    assert list(entries) == ["H-12", "H-13", "H-14", "H-15"]
    for name in ("H-12", "H-13"):
        assert entries[name].verdict == expected
        found = entries[name].findings[0]
        assert read in found.found
        assert found.value == pytest.approx(over, abs=1.5)
        assert found.low < found.value < found.high


def test_a_half_without_cells_leaves_the_slope_unmeasured(tmp_path):
    value = lambda cell, metric, protocol: 0.02 if metric == "signed_gap" else None  # noqa: E731
    entry = decided(write(tmp_path, "mechanism", value, entropy=entropy))["H-12"]
    assert entry.verdict == f.NOT_MEASURED
    assert "no slope over underconfident cells: 0 cells" in entry.findings[0].found


def test_a_size_with_a_higher_level_is_no_slope():
    """Entropy and error both rise from size to size, and within a size the error falls."""
    x = np.linspace(0, 1, 12)
    cells = module.Cells(
        entropy=np.concatenate([x, 5 + x]), error=np.concatenate([-x, 100 - x]), gap=np.ones(24),
        size=np.repeat(["a", "b"], 12), method=np.tile(["m", "n"], 12), seed=np.tile(np.arange(6), 4),
    )  # fmt: skip
    found = module.slope(cells)
    assert found.value == pytest.approx(-1)
    assert (found.sign, found.cells, found.seeds) == (-1, 24, 6)


def test_seeds_that_move_together_widen_the_interval():
    """Ten cells of a seed with one error are one observation, not ten."""
    random = np.random.default_rng(3)
    seed = np.repeat(np.arange(8), 10)
    common = random.standard_normal(8)
    cells = {"gap": np.ones(80), "size": np.repeat("a", 80), "method": np.tile(np.arange(10), 8), "seed": seed}
    together = module.slope(module.Cells(common[seed], random.standard_normal(8)[seed], **cells))
    alone = module.slope(module.Cells(random.standard_normal(80), random.standard_normal(80), **cells))
    assert together.high - together.low > 2 * (alone.high - alone.low)


@pytest.mark.parametrize("count", [9, 0])
def test_too_few_cells(count):
    numbers = np.arange(float(count))
    with pytest.raises(NotMeasured, match=f"{count} cells of {count} methods and {count} seeds"):
        module.slope(module.Cells(*[numbers] * 6))


def test_an_entropy_that_never_varies_has_no_slope():
    numbers = np.arange(12.0)
    with pytest.raises(NotMeasured, match="does not vary"):
        module.slope(module.Cells(np.ones(12), numbers, numbers, np.repeat("a", 12), numbers, numbers))


@pytest.mark.parametrize(
    ("raised", "share", "expected"),
    [(0.1, 0.3, f.SUPPORTED), (0.1, 0.0, f.REFUTED), (0.1, -0.3, f.REFUTED), (0.0, 0.3, f.INCONCLUSIVE),
     (0.1, 0.02, f.REFUTED)],
)  # fmt: skip
@pytest.mark.parametrize(("name", "method"), [("H-14", HEAVY), ("H-15", LEAD)])
def test_raising_the_entropy(tmp_path, raised, share, expected, name, method):
    def value(cell, metric, protocol):
        return 0.01 * (1 - share) if (metric, cell.method) == ("true_SCE", method) else None

    entries = decided(
        write(tmp_path, "mechanism", value, entropy=lambda cell, kind: 1.2 + raised * (cell.method == method))
    )
    assert entries[name].verdict == expected
    assert entries[name].findings[0].where == f.TOGETHER


def test_one_size_is_enough_to_refute_and_not_to_support(tmp_path):
    def value(cell, metric, protocol):
        lower = (metric, cell.method) == ("true_SCE", HEAVY) and cell.dataset != "phantom_32"
        return 0.007 if lower else None

    entries = decided(
        write(tmp_path, "mechanism", value, entropy=lambda cell, kind: 1.2 + 0.1 * (cell.method == HEAVY))
    )
    assert entries["H-14"].verdict == f.REFUTED


def test_missing_cells_are_named(tmp_path):
    gone = lambda cell: (cell.dataset, cell.method, cell.seed) == ("phantom_32", "ce", 3)  # noqa: E731
    entries = decided(write(tmp_path, "mechanism", entropy=entropy, missing=gone))
    assert {entry.verdict for entry in entries.values()} == {f.NOT_MEASURED}
    assert "phantom_32" in entries["H-12"].findings[0].found
