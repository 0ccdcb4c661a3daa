import dataclasses

import numpy as np
import pytest

from spectralcal.metrics import PROTOCOLS, REGIONS, CalibrationHistogram, Protocol, region_mask, score, score_cases

CLASSES = 4


def case(seed, top=CLASSES, foreground=0.1):
    """Probabilities and labels 0..top-1, mostly background."""
    rng = np.random.default_rng(seed)
    shape = (14, 13, 12)
    y = np.where(rng.random(shape) < foreground, rng.integers(0, top, shape), 0)
    y[:, :, 6:] = 0
    z = rng.normal(size=(CLASSES, *shape))
    np.put_along_axis(z, y[None], np.take_along_axis(z, y[None], 0) + 2.5, 0)
    e = np.exp(2 * z)
    return (e / e.sum(0)).astype(np.float32), y


def histograms(p, y, bins=15):
    predicted = p.argmax(0)
    return {
        name: CalibrationHistogram(CLASSES, bins).update(p, y, region_mask(name, y, predicted, (1, 1, 2)))
        for name in REGIONS
    }


def legacy(p, y):
    """The released evaluation, from its description: foreground labels, equal widths, 4 decimals, 0..max(label)."""
    kept = y > 0
    p, y = p[:, kept], y[kept]

    def gap(q, hit, n):
        total = 0.0
        for lower, upper in zip(np.arange(15) / 15, np.arange(1, 16) / 15, strict=True):
            inside = (q > np.float32(lower)) & (q <= np.float32(upper))
            if inside.any():
                total += inside.sum() / n * abs(hit[inside].mean() - q[inside].astype(np.float64).mean())
        return total

    classes = range(y.max() + 1)
    above = [p[c] > np.float32(1e-3) for c in classes]
    return {
        "ece": round(gap(p.max(0), p.argmax(0) == y, y.size), 4),
        "sce": round(np.mean([gap(p[c], y == c, y.size) for c in classes]), 4),
        "tace": round(np.mean([gap(p[c][m], (y == c)[m], m.sum()) for c, m in zip(classes, above, strict=True)]), 4),
    }


@pytest.mark.parametrize("top", [2, 3, 4])
def test_crac_legacy_against_its_description(top):
    p, y = case(0, top)
    values = score(histograms(p, y), "crac-legacy")
    for name, expected in legacy(p, y).items():
        assert values[name] == pytest.approx(expected, abs=1e-12), name


def test_paper_is_all_voxels_and_nixon():
    h = histograms(*case(1))
    values = score(h, "paper")
    every = h["all"]
    assert values["ece"] == every.ece()
    assert values["sce"] == every.sce()
    assert values["sce_foreground"] == every.sce(include_background=False)
    assert values["tace"] == every.tace(1e-3)
    assert values["brier"] == every.brier()
    assert values["signed_gap"] == every.over_under().signed
    assert score(h, "boundary")["ece"] == h["boundary"].ece() != values["ece"]


def test_union_counts_false_alarms_and_no_background():
    p, y = case(7)
    y[:] = 0
    y[2:5, 2:5, 2:5] = 1
    p = np.full(p.shape, 0.02, np.float32)
    p[0] = 0.94
    before = score(histograms(p, y), "union")
    p[:, 8:, 8:, 8:] = np.array([0.2, 0.05, 0.7, 0.05], np.float32)[:, None, None, None]  # a false alarm far away
    after = score(histograms(p, y), "union")
    assert before["ece"] == pytest.approx(0.94)  # of the structure alone, missed with this confidence
    alarm, missed = 6 * 5 * 4, 27
    assert after["ece"] == pytest.approx((0.94 * missed + 0.7 * alarm) / (missed + alarm))
    assert score(histograms(p, y), "crac-legacy")["ece"] == pytest.approx(before["ece"])


def test_the_protocol_moves_the_number():
    h = histograms(*case(2, foreground=0.02))
    assert score(h, "crac-legacy")["ece"] > 3 * score(h, "paper")["ece"]


def test_case_mean_and_pool():
    cases = [histograms(*case(seed, foreground=0.05 * (seed + 1))) for seed in range(4)]
    mean = score_cases(cases, "paper")
    assert mean["ece"] == pytest.approx(np.mean([c["all"].ece() for c in cases]))
    assert mean["cases"] == 4
    pool = CalibrationHistogram(CLASSES)
    for c in cases:
        pool.merge(c["all"])
    before = cases[0]["all"].count
    pooled = score_cases(cases, "nixon")
    assert pooled["ece"] == pool.ece() != mean["ece"]
    assert pooled["tace"] == pool.tace(1e-2)
    assert cases[0]["all"].count == before


def test_a_case_without_voxels_is_counted_out():
    filled = histograms(*case(3))
    p, y = case(4)
    empty = histograms(p, np.zeros_like(y))
    assert np.isnan(score(empty, "crac-legacy")["ece"])
    result = score_cases([filled, empty], "crac-legacy")
    assert result["cases"] == 1
    assert result["ece"] == score(filled, "crac-legacy")["ece"]
    assert np.isnan(score_cases([empty], "crac-legacy")["tace"])


def test_registered_protocols_are_usable():
    h = histograms(*case(5))
    assert set(PROTOCOLS) == {
        "paper", "crac-legacy", "nixon", "union", "boundary", "predicted_foreground", "predicted_boundary",
    }  # fmt: skip
    for name, protocol in PROTOCOLS.items():
        assert protocol.name == name
        assert protocol.source
        assert protocol.region in REGIONS
        assert np.isfinite(list(score(h, protocol).values())).all()
        with pytest.raises(dataclasses.FrozenInstanceError):
            protocol.bins = 3


def test_bad_input_is_refused():
    h = histograms(*case(6))
    with pytest.raises(ValueError, match="protocol must be one of paper"):
        score(h, "guo")
    with pytest.raises(ValueError, match="reads region 'boundary'"):
        score({"all": h["all"]}, "boundary")
    with pytest.raises(ValueError, match="needs 10 bins"):
        score(h, Protocol("mine", bins=10))
    with pytest.raises(ValueError, match="at least one case"):
        score_cases([], "paper")
