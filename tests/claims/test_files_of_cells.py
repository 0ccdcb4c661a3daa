"""Claims on spectra, histograms, histories and hotspots, in files whose content is chosen."""

import json
import re

import numpy as np
import pytest

from spectralcal.metrics import CalibrationHistogram
from spectralcal.metrics.curve import curve_arrays
from spectralcal.papers.spectral_entropy.claims.correlation import pearson
from spectralcal.papers.spectral_entropy.claims.scale import common_share
from spectralcal.papers.spectral_entropy.claims.spectra import (
    ENTROPY,
    HIGHEST,
    LOWEST,
    STEEPNESS,
    TOP_SHARE,
    TOTAL,
    quantities,
)
from spectralcal.papers.spectral_entropy.claims.training import seen_by_softmax
from spectralcal.report.claims import finding as f
from spectralcal.study.grid import study_cells

MAPS = ("max_logit", "max_log_prob", "max_prob", "margin")
FREQUENCY = (np.arange(24) + 0.5) / 48
PAIR = {"methods": ["ce", "spectral"]}


def spread(cell, size):
    """Small numbers by case, the same for all methods up to a tenth."""
    own = np.random.default_rng([cell.seed, *cell.method.encode()]).standard_normal(size)
    return 0.02 * np.random.default_rng(7).standard_normal(size) + 0.002 * own


def spectra(made, level=lambda method, kind: 1.0, slope=lambda method: -2.0, entropy=lambda method: 1.0):
    """Power laws: `level` scales all frequencies, `slope` is the exponent."""
    cases = made.cases

    def arrays(cell):
        found = {"cases": cases, "frequency": FREQUENCY.astype(np.float32)}
        noise = np.exp(spread(cell, len(cases)))
        for kind in MAPS:
            psd = level(cell.method, kind) * FREQUENCY ** slope(cell.method) * noise[:, None]
            found[f"psd_{kind}"] = psd
            found[f"band_power_{kind}"] = psd[:, :20].reshape(len(cases), 5, 4).sum(2)
            found[f"entropy_{kind}"] = entropy(cell.method) + spread(cell, len(cases))
        return found

    return made.write("spectra", arrays)


def test_quantities_of_a_power_law():
    psd = 3 * FREQUENCY[None] ** -2.5
    bands = np.array([[8.0, 4, 2, 1, 1]])
    found = quantities(FREQUENCY, psd, bands, np.array([1.2]))[0]
    assert found[TOTAL] == pytest.approx(np.log10(16))
    assert found[STEEPNESS] == pytest.approx(-2.5)
    assert (found[ENTROPY], found[TOP_SHARE]) == (1.2, 1 / 16)
    third = FREQUENCY.max() / 3
    assert found[LOWEST] == pytest.approx(np.log10(psd[0, third >= FREQUENCY].mean()))
    assert found[HIGHEST] == pytest.approx(np.log10(psd[0, 2 * third < FREQUENCY].mean()))


def test_empty_rings_are_left_out_and_empty_maps_have_no_value():
    holed = np.array([FREQUENCY**-2.0, FREQUENCY**-2.0])
    holed[:, 3] = np.nan
    whole = np.delete(holed, 3, axis=1)
    bands, entropy = np.ones((2, 5)), np.ones(2)
    expected = quantities(np.delete(FREQUENCY, 3), whole, bands, entropy)
    assert quantities(FREQUENCY, holed, bands, entropy) == pytest.approx(expected)
    assert np.isnan(quantities(FREQUENCY, 0 * whole[:, :1] + 0 * FREQUENCY, 0 * bands, entropy)[:, TOTAL]).all()


@pytest.mark.parametrize(("share", "verdict"), [(0.5, f.SUPPORTED), (2.0, f.REFUTED)])
def test_total_power_of_cross_entropy(make, share, verdict):
    made = spectra(make(datasets=["brats2020"]), level=lambda method, kind: share if method == "ce" else 1.0)
    assert made.entry("C12").verdict == verdict
    assert made.findings("C12")["brats2020"].value == pytest.approx(-np.log10(share), abs=0.02)


def test_maps_that_disagree_are_inconclusive(make):
    def level(method, kind):
        return (2.0 if kind == "max_logit" else 0.5) if method == "ce" else 1.0

    found = spectra(make(datasets=["brats2020"]), level=level).findings("C12")["brats2020"]
    assert found.verdict == f.INCONCLUSIVE
    assert "maximum logit: refuted; maximum probability: supported; margin: supported" in found.found


def test_slopes_and_thirds(make):
    steep = spectra(make(datasets=["brats2020"]), slope=lambda method: -3.0 if method == "ce" else -2.0)
    assert steep.entry("C13").verdict == f.SUPPORTED
    flat = spectra(make(datasets=["brats2020"]), slope=lambda method: -1.0 if method == "ce" else -2.0)
    assert flat.entry("C13").verdict == f.REFUTED
    # Steeper and as strong at the lowest frequency: focal loss has less at high ones, no more at low ones.
    focal = spectra(make(datasets=["brats2020"]), slope=lambda m: -2.5 if m == "focal" else -2.0,
                    level=lambda m, k: 0.3 if m == "focal" else 1.0)  # fmt: skip
    assert focal.entry("C14").verdict == f.SUPPORTED
    assert flat.entry("C14").verdict == f.REFUTED


def test_most_power_and_balance(make):
    made = spectra(
        make(datasets=["brats2020"]),
        level=lambda method, kind: 20.0 if method == "spectral" else 1.0,
        slope=lambda method: -1.5 if method == "spectral" else -2.0,
        entropy=lambda method: 1.5 if method == "spectral" else 1.0,
    )
    assert {claim: made.entry(claim).verdict for claim in ("C15", "C16", "C17")} == dict.fromkeys(
        ("C15", "C16", "C17"), f.SUPPORTED
    )
    other = spectra(make(datasets=["brats2020"]), level=lambda m, k: {"spectral": 0.5, "ls": 9.0}.get(m, 1.0))
    assert other.entry("C15").verdict == f.REFUTED
    assert other.entry("C16").verdict == f.REFUTED


def test_entropy_and_energy_of_ours(make):
    made = spectra(
        make(datasets=["hippocampus"], **PAIR),
        level=lambda method, kind: 0.5 if method == "spectral" else 1.0,
        entropy=lambda method: 1.5 if method == "spectral" else 1.0,
    )
    assert made.entry("C22").verdict == f.SUPPORTED
    assert made.findings("C22")["hippocampus"].value == pytest.approx(0.5, abs=0.01)
    assert made.entry("C23").verdict == f.REFUTED
    assert made.entry("C40").verdict == f.SUPPORTED


@pytest.mark.parametrize(("sign", "verdict"), [(-1, f.SUPPORTED), (1, f.REFUTED)])
def test_entropy_and_calibration(make, sign, verdict):
    """Over losses and over cases alike, ECE rises or falls with entropy and power."""
    order = ("ce", "focal", "ls", "mbls", "svls", "crac", "spectral")
    cases = np.random.default_rng(1).standard_normal(40)

    def value(method, metric, patient, **_):
        return 0.02 + 1e-3 * order.index(method) + 1e-3 * cases[patient] if metric == "ECE" else None

    made = make(value, datasets=["hippocampus"], patients=40, noise=0.0,
                edit=lambda frame: frame.assign(value=frame.value - 0.0))  # fmt: skip
    names = made.cases
    # The table's own offset of a patient is part of its ECE.
    table = made.results.scores("main")
    ece = table[(table.metric == "ECE") & (table.protocol == "paper")]

    def arrays(cell):
        mine = ece[(ece.method == cell.method) & (ece.seed == cell.seed)].set_index("case").value.reindex(names)
        level = np.exp(100 * sign * mine.to_numpy())
        found = {"cases": names, "frequency": FREQUENCY}
        psd = level[:, None] * FREQUENCY**-2.0
        for kind in MAPS:
            found |= {f"psd_{kind}": psd, f"band_power_{kind}": psd[:, :5], f"entropy_{kind}": np.log(level)}
        return found

    made.write("spectra", arrays)
    assert made.entry("C18").verdict == verdict
    assert made.findings("C18")["hippocampus"].value == pytest.approx(sign)


def test_pearson_of_known_pairs():
    x = np.array([[1.0, 2, 3], [1, 2, 3], [1, 1, 1]])
    y = np.array([[2.0, 4, 6], [3, 2, 1], [1, 2, 3]])
    assert pearson(x, y) == pytest.approx([1, -1, np.nan], nan_ok=True)


def histograms(made, gap, boundary=0.0, region="predicted_boundary"):
    """Bins whose accuracy is off by `gap(method, lower)`; half of the voxels lie in a region, `boundary` worse."""
    names, edges = made.cases, np.arange(15) / 15

    def arrays(cell):
        count = np.full((len(names), 2, 15), 100)
        confidence = np.broadcast_to(edges + 1 / 30, count.shape)
        off = np.array([gap(cell.method, lower) for lower in edges]) + spread(cell, len(names))[:, None, None]
        near = {"count": count, "confidence": confidence, "accuracy": confidence + off + boundary}
        return {
            "cases": names,
            **{f"{region}/cases/{key}": value for key, value in near.items()},
            "all/cases/count": 2 * count,
            "all/cases/confidence": confidence,
            "all/cases/accuracy": confidence + off + boundary / 2,
        }

    return made.write("calibration", arrays)


def test_over_and_underconfidence(make):
    def gap(method, lower):
        if lower >= 0.8:
            return {"ce": -0.1, "focal": 0.1}.get(method, 0.0)
        return {"ce": 0.1, "focal": 0.3}.get(method, 0.15)

    made = histograms(make(datasets=["brats2020"]), gap)
    for claim in ("C07", "C08", "C09", "C10"):
        assert made.entry(claim).verdict == f.SUPPORTED, claim
    assert made.findings("C07")["brats2020"].value == pytest.approx(-100, abs=10)
    turned = histograms(make(datasets=["brats2020"]), lambda method, lower: -gap(method, lower))
    for claim in ("C07", "C08", "C09", "C10"):
        assert turned.entry(claim).verdict == f.REFUTED, claim


@pytest.mark.parametrize(("ours", "verdict"), [(0.01, f.SUPPORTED), (0.3, f.REFUTED)])
def test_nearest_curve(make, ours, verdict):
    made = histograms(make(datasets=["brats2020"]), lambda method, lower: ours if method == "spectral" else 0.1)
    assert made.entry("C11").verdict == verdict
    assert abs(made.findings("C11")["brats2020"].value) == pytest.approx(1e3 * abs(0.1 - ours), abs=20)


@pytest.mark.parametrize(("boundary", "verdict"), [(-0.2, f.SUPPORTED), (0.2, f.REFUTED)])
def test_gap_near_boundaries(make, boundary, verdict):
    made = histograms(make(datasets=["hippocampus"], **PAIR), lambda method, lower: 0.0, boundary)
    assert made.entry("C46").verdict == verdict
    assert made.findings("C46")["hippocampus"].value == pytest.approx(1e3 * boundary, abs=20)


def test_a_boundary_that_the_label_chooses_says_nothing_of_calibration(make):
    made = histograms(make(datasets=["hippocampus"], **PAIR), lambda method, lower: 0.0, -0.2, "boundary")
    found = made.findings("C46")["hippocampus"]
    assert found.verdict == f.NOT_MEASURED
    assert found.found.startswith("the reference's boundary is chosen by the label")


def fitted(made, temperature):
    for cell in study_cells(made.results.config):
        found = {"post_hoc": {"temperature": {"temperature": temperature}}} if "+" in cell.method else {}
        made.paths.cell(cell).evaluation.write_text(json.dumps(found))
    return made


@pytest.mark.parametrize(
    ("off", "region", "temperature", "verdict"),
    [
        (-0.02, -0.03, 1.3, f.SUPPORTED),
        (0.02, 0.03, 0.8, f.REFUTED),
        (-0.02, -0.03, 0.8, f.INCONCLUSIVE),  # overconfident on test cases, and sharpened on validation cases
        (-0.02, 0.03, 1.3, f.INCONCLUSIVE),
    ],
)
def test_premise(make, off, region, temperature, verdict):
    further = {"post_hoc": ("ce", "ce+temperature", "spectral")}
    made = fitted(make(datasets=["hippocampus"], further=further, **PAIR), temperature)
    histograms(made, lambda method, lower: off, 2 * (region - off), "predicted_foreground")
    found = made.findings("C57")["hippocampus"]
    assert found.verdict == verdict
    assert f"temperature fitted on validation cases: {temperature}" in found.found


def test_premise_of_what_there_is(make):
    """Cells without the region give it from the curve of all voxels."""
    made = histograms(make(datasets=["hippocampus"], **PAIR), lambda method, lower: -0.02, region="boundary")
    assert "has no pooled voxels" in made.findings("C57")["hippocampus"].found
    random = np.random.default_rng(0)
    shares = random.dirichlet((1.0, 0.5, 0.4), 4000).T.reshape(3, 20, 20, 10)
    label = random.integers(0, 3, shares.shape[1:])
    histogram = CalibrationHistogram(num_classes=3)
    histogram.update(shares[None].astype(np.float32), label[None])
    for cell in study_cells(made.results.config):
        path = made.paths.cell(cell).calibration
        pooled = {f"all/pooled/{key}": value for key, value in curve_arrays(histogram).items()}
        np.savez(path, **dict(np.load(path)), **pooled)
    found = made.findings("C57")["hippocampus"]
    assert found.value == pytest.approx(20, abs=10)
    assert "no experiment for the role 'post_hoc'" in found.found
    # confidences are the middles of the bins, so that half of all voxels are wrong, and 20 thousandths more
    assert f"Of {1e3 * 0.5 + found.value:.1f} ×10⁻³ of the voxels that are wrong" in found.found
    shown = shares[0] <= 0.5
    gap = 1e3 * (shares.max(0) - (shares.argmax(0) == label))[shown].mean()
    value = float(re.search(r"predicted foreground, voxels pooled: (-?[\d.]+)", found.found)[1])
    background = (shown & (shares.argmax(0) == 0)).mean()
    assert background > 0.02  # here many are predicted background below one half; they count as foreground
    assert value == pytest.approx(gap, rel=0.01)


def test_histograms_that_are_missing_are_named(make):
    made = make(datasets=["brats2020"])
    assert made.findings("C07")["brats2020"].found.endswith("calibration.npz, region 'all' is missing")
    histograms(made, lambda method, lower: -0.1)
    assert made.entry("C07").verdict == f.SUPPORTED
    assert made.findings("C12")["brats2020"].found.endswith("spectra.npz is missing")


STEP = np.arange(0, 1000, 5)


def history(made, **columns):
    def found(cell):
        return {"step": STEP, "seconds": 0.1 * STEP, "loss": np.ones(len(STEP))} | {
            name: value(cell) if callable(value) else np.broadcast_to(value, STEP.shape)
            for name, value in columns.items()
        }

    return made.write_histories(found)


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (0.5, 0.2, f.SUPPORTED),
        (0.6, 0.2, f.INCONCLUSIVE),
        (0.95, 0.95, f.REFUTED),
        (0.2, 0.4, f.INCONCLUSIVE),
        (0.9, 0.7, f.INCONCLUSIVE),
    ],
)
def test_share_of_penalised_samples(make, first, second, verdict):
    share = np.where(STEP < 500, first, second)
    made = history(make(datasets=["hippocampus"], **PAIR), penalised_fraction=share)
    assert made.entry("C43").verdict == verdict


@pytest.mark.parametrize(("ratio", "verdict"), [(0.1, f.SUPPORTED), (1e-4, f.REFUTED), (5e-3, f.INCONCLUSIVE)])
def test_ratio_of_gradients(make, ratio, verdict):
    made = history(make(datasets=["hippocampus"], **PAIR), gradient_ce=0.5, gradient_spectral=0.5 * ratio)
    found = made.findings("C50")["hippocampus"]
    assert made.entry("C50").verdict == verdict
    seen = np.sqrt(1 - 1 / 3)  # of three classes, a third of the square moves all logits alike
    assert (found.value, found.seeds, found.interval) == (pytest.approx(seen * ratio), 5, "seeds")


def test_the_share_of_a_gradient_that_the_softmax_sees():
    """By projection: of a random gradient on one logit a voxel, what is left without the mean over classes."""
    random = np.random.default_rng(0)
    gradient = np.zeros((4, 50))
    gradient[random.integers(0, 4, 50), np.arange(50)] = random.standard_normal(50)
    seen = gradient - gradient.mean(0)
    assert seen_by_softmax(4) == pytest.approx(np.linalg.norm(seen) / np.linalg.norm(gradient))
    assert common_share(gradient) == pytest.approx(1 / 4)


def test_one_large_step_keeps_the_term_from_being_negligible(make):
    spectral = np.where(STEP == 500, 0.5, 1e-6)
    made = history(make(datasets=["hippocampus"], **PAIR), gradient_ce=1.0, gradient_spectral=spectral)
    assert made.entry("C50").verdict == f.INCONCLUSIVE


WINDOWS = {"window": ("spectral@window=10", "spectral", "spectral@window=100")}


@pytest.mark.parametrize(("power", "verdict"), [(-0.5, f.SUPPORTED), (0.5, f.REFUTED)])
def test_steadiness_over_windows(make, power, verdict):
    def target(cell):
        window = float(cell.method.partition("window=")[2] or 50)
        return 1 + 0.1 * window**power * np.random.default_rng(cell.seed).standard_normal(len(STEP))

    made = history(make(datasets=["hippocampus"], further=WINDOWS, **PAIR), target_entropy=target)
    assert made.entry("C25").verdict == verdict
    assert made.findings("C25")["hippocampus"].value == pytest.approx(power)


@pytest.mark.parametrize(("jump", "verdict"), [(2.0, f.SUPPORTED), (100.0, f.REFUTED)])
def test_start_of_the_window(make, jump, verdict):
    def target(cell):
        moves = 0.01 * np.where(np.arange(len(STEP)) % 2, 1.0, -1.0)
        moves[4] *= jump
        return 1 + np.cumsum(moves)

    further = {"history": ("spectral", "spectral@history_init=fill_first")}
    made = history(make(datasets=["hippocampus"], further=further, **PAIR), target_entropy=target)
    assert made.entry("C44").verdict == verdict
    broken = history(made, target_entropy=target, loss=np.where(STEP == 50, np.inf, 1.0))
    assert broken.entry("C44").verdict == f.REFUTED


def test_spectral_bias(make):
    rises = np.linspace(0, 0.2, len(STEP))
    made = history(make(datasets=["hippocampus"], **PAIR), high_share_logits=rises, high_share_labels=0.5)
    assert made.entry("C21").verdict == f.SUPPORTED
    assert history(made, high_share_logits=rises, high_share_labels=0.1).entry("C21").verdict == f.REFUTED
    bare = history(made)
    assert "has no high_share_logits, high_share_labels" in bare.findings("C21")["hippocampus"].found


@pytest.mark.parametrize(("added", "verdict"), [(1.03, f.SUPPORTED), (1.5, f.REFUTED)])
def test_time_of_a_step(make, added, verdict):
    made = make(datasets=["hippocampus"], **PAIR)
    history(made, seconds=lambda cell: 0.1 * STEP * (added if cell.method == "spectral" else 1.0))
    assert made.entry("C42").verdict == verdict
    small = make(datasets=["hippocampus"], training={"patch": [32, 32, 32]}, **PAIR)
    history(small, seconds=lambda cell: 0.1 * STEP)
    assert "the claim is about patches of 96x96x96, these are 32x32x32" in small.findings("C42")["hippocampus"].found


def test_holes_in_histories_are_named(make):
    made = make(datasets=["hippocampus"], **PAIR)
    assert made.findings("C50")["hippocampus"].found == "hippocampus, unet, spectral, seed 0: no history.csv"
    history(made, gradient_ce=np.where(STEP == 5, np.nan, 1.0), gradient_spectral=1.0)
    assert "has empty fields in gradient_ce" in made.findings("C50")["hippocampus"].found


def test_parameters_of_trained_networks(make):
    made = make(datasets=["hippocampus"], **PAIR)

    def counts(ours):
        for cell in study_cells(made.results.config):
            number = ours if cell.method == "spectral" else 1000
            made.paths.cell(cell).model.write_text(json.dumps({"parameters": number}))
        return made

    assert counts(1000).findings("C41")["hippocampus"].verdict == f.SUPPORTED
    assert counts(1001).findings("C41")["hippocampus"].verdict == f.REFUTED
    assert made.entry("C41").verdict == f.REFUTED


def hotspots(made, error=0.3, magnitude=0.2, ours=0.4, other=0.5, control=0.1, distance=-0.2, null=0.05):
    names, config = made.cases, made.results.config
    for seed in config.experiments["main"].seeds:

        def table(value, seed=seed):
            noise = 0.01 * np.random.default_rng(seed).standard_normal(len(names))
            found = np.full((len(names), 2, 2, 3), 9.0)  # Pearson's correlation is no claim's
            for row, one in enumerate(np.broadcast_to(value, 2)):  # signed, in magnitude
                found[:, row, 1] = np.stack([one + noise, np.full(len(names), null), noise], axis=1)
            return found

        path = made.paths.probe("hotspots", "hippocampus", "unet", seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            path,
            cases=names,
            methods=np.array(["spectral", "ce"]),
            strengths=np.array(["signed", "magnitude"]),
            coefficients=np.array(["pearson", "spearman"]),
            error=table((error, magnitude)),
            following_methods=np.array(["focal", "spectral"]),
            following=np.stack([table(0.0), table(other)]),
            difference=np.stack([table(ours), table(control)]),
            distance=np.full(len(names), distance),
        )
    return made


def test_hotspots(make):
    made = hotspots(make(datasets=["hippocampus"], **PAIR))
    assert made.entry("C38").verdict == f.SUPPORTED
    assert made.findings("C38")["hippocampus"].value == pytest.approx(0.25, abs=0.01)
    assert made.entry("C39").verdict == f.SUPPORTED
    assert hotspots(made, error=0.0, magnitude=0.0).entry("C38").verdict == f.REFUTED
    assert hotspots(made, distance=0.3).entry("C38").verdict == f.REFUTED
    # One reading alone refutes nothing.
    assert hotspots(made, error=0.0).entry("C38").verdict == f.INCONCLUSIVE
    assert hotspots(made, magnitude=0.0).entry("C38").verdict == f.INCONCLUSIVE


def test_hotspots_that_any_second_network_lowers_are_not_ours(make):
    made = make(datasets=["hippocampus"], **PAIR)
    assert hotspots(made, other=0.4, control=0.6).entry("C39").verdict == f.REFUTED
    # A network of the same seed shares noise with cross-entropy: that it agrees less with it says nothing of its loss.
    assert hotspots(made, ours=0.2, other=0.6, control=0.4).entry("C39").verdict == f.SUPPORTED


def test_hotspots_without_the_next_seed_have_no_control(make):
    made = hotspots(make(datasets=["hippocampus"], **PAIR))
    for path in made.paths.probe("hotspots", "hippocampus", "unet", 0).parent.iterdir():
        arrays = dict(np.load(path))
        np.savez(path, **{name: a for name, a in arrays.items() if not name.startswith("following")})
    found = made.findings("C39")["hippocampus"]
    assert "there is no control" in found.found
    assert found.verdict == f.INCONCLUSIVE


def test_missing_hotspots_are_named(make):
    made = make(datasets=["hippocampus"], **PAIR)
    assert "run `spectralcal hotspots`" in made.findings("C38")["hippocampus"].found


def boundary_maps(made, ours_near):
    reference = np.zeros((12, 12, 12), np.uint8)
    reference[3:9, 3:9, 3:9] = 1
    centre = np.ones((3, *reference.shape)) * 0.9  # equal doubt everywhere
    centre[2] = 1.0
    centre[2][(3, 3, 3) if ours_near else (0, 0, 0)] = 0.5
    path = made.paths.probe("maps", "brats2020", "unet", 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, case=np.array("case_0"), reference=reference, methods=np.array(["focal", "ls", "spectral"]),
             confidence=centre)  # fmt: skip
    return made


def test_doubt_at_boundaries(make, ahead):
    made = make(ahead(), datasets=["brats2020"])
    assert made.findings("C45")["brats2020"].found.startswith("no maps of brats2020")
    assert boundary_maps(made, True).entry("C45").verdict == f.SUPPORTED
    assert boundary_maps(made, False).entry("C45").verdict == f.INCONCLUSIVE
    worse = boundary_maps(make(ahead(by=-0.3), datasets=["brats2020"]), True)
    assert worse.entry("C45").verdict == f.REFUTED
