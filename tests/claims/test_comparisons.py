"""Claims on scores, in studies whose scores are chosen."""

import numpy as np
import pytest
from claims_study import LEVEL, LOSSES, SIX

from spectralcal.papers.spectral_entropy.claims._design import standard_error
from spectralcal.papers.spectral_entropy.claims.generality import (
    TOGETHER,
    mean_rank,
    radar_area,
    radar_radii,
    radar_variation,
)
from spectralcal.report.claims import finding as f


def verdicts(made, claim):
    return {where: finding.verdict for where, finding in made.findings(claim).items()}


@pytest.mark.parametrize("claim", ["C01", "C02", "C03", "C06", "C36", "C47"])
def test_clearly_best_on_all_six_is_supported(make, ahead, claim):
    assert make(ahead()).entry(claim).verdict == f.SUPPORTED


def test_a_full_polygon_among_jagged_ones_is_supported(make):
    """Equal baselines would have polygons of noise; here each has its own order over the metrics."""

    def value(method, metric, **_):
        level, step = LEVEL[metric], 0.1 * LEVEL[metric] * (-1 if metric == "DSC" else 1)
        if method == "spectral":
            return level
        return level + step * (1 + (LOSSES.index(method) * (1 + list(LEVEL).index(metric))) % 6)

    assert make(value).entry("C37").verdict == f.SUPPORTED


@pytest.mark.parametrize("claim", ["C01", "C02", "C03", "C06", "C47"])
def test_one_data_set_refutes_what_should_hold_on_all(make, ahead, claim):
    def value(dataset, **cell):
        return ahead(by=-0.2 if dataset == "acdc" else 0.2)(dataset=dataset, **cell)

    made = make(value)
    assert verdicts(made, claim)["acdc"] == f.REFUTED
    assert verdicts(made, claim)["flare2021"] == f.SUPPORTED
    assert made.entry(claim).verdict == f.REFUTED
    assert "refuted on ACDC" in made.entry(claim).reason


@pytest.mark.parametrize("claim", ["C01", "C02", "C36", "C37"])
def test_equal_methods_are_inconclusive(make, claim):
    made = make(noise=0.05)
    assert made.entry(claim).verdict == f.INCONCLUSIVE


def test_seeds_that_disagree_are_inconclusive(make, ahead):
    def value(seed, **cell):
        return ahead(by=-0.05 if seed == 2 else 0.3)(**cell)

    found = make(value, datasets=["acdc"]).findings("C01")["acdc"]
    assert found.value > 0 > found.low
    assert found.verdict == f.INCONCLUSIVE


def test_one_seed_decides_nothing_about_methods(make, ahead):
    found = make(ahead(), seeds=[0], datasets=["acdc"]).findings("C01")["acdc"]
    assert found.low > 0
    assert found.verdict == f.INCONCLUSIVE
    assert "One seed" in found.found


def test_few_patients_decide_nothing(make, ahead):
    found = make(ahead(), patients=5, datasets=["acdc"]).findings("C01")["acdc"]
    assert (found.verdict, found.patients) == (f.INCONCLUSIVE, 5)


def test_effect_is_that_of_the_best_baseline(make):
    errors = dict(zip(("ce", "focal", "ls", "mbls", "svls", "crac", "spectral"), (9, 8, 7, 2, 6, 5, 1), strict=True))

    def value(method, metric, **_):
        return errors[method] * 1e-3 if metric == "ECE" else None

    found = make(value, noise=0.0, datasets=["acdc"]).findings("C01")["acdc"]
    assert found.effect == "ECE, best baseline (MbLS) - Spectral"
    assert found.value == pytest.approx(1.0)
    assert (found.seeds, found.patients, found.cases) == (5, 8, 8)


def test_standard_error_of_one_training_on_a_few_subjects():
    """Against the spread of simulated designs whose variances are known."""
    random = np.random.default_rng(0)
    training, patient, rest = 0.5, 0.8, 1.5
    found = standard_error(
        training * random.standard_normal((400, 1)) + patient * random.standard_normal(400)
        + rest * random.standard_normal((400, 400)), 8)  # fmt: skip
    designs = training * random.standard_normal(4000) + (
        patient * random.standard_normal((4000, 8)) + rest * random.standard_normal((4000, 8))
    ).mean(1)
    assert found == pytest.approx(designs.std(), rel=0.05)
    assert standard_error(np.zeros((3, 5)), 2) == 0
    with pytest.raises(ValueError, match="two or more trainings"):
        standard_error(np.zeros((1, 5)), 2)


def test_a_margin_stands_beside_what_the_papers_design_could_see(make):
    found = make(noise=0.05, datasets=["acdc"]).findings("C01")["acdc"].found
    assert "% of the baseline's" in found
    # printed: 11.7 and 10.8 on PROMISE12, 2.1 and 2.0 on iSeg-2017
    assert "with the 8 test subjects of PROMISE2012 (printed margin 8 %)" in found
    assert "with the 2 test subjects of iSeg2017 (printed margin 5 %)" in found


def test_data_sets_that_were_not_run_are_not_measured(make, ahead):
    made = make(ahead(), datasets=["acdc", "promise12"])
    assert [verdicts(made, "C01")[name] for name in SIX] == [
        f.SUPPORTED if name in ("acdc", "promise12") else f.NOT_MEASURED for name in SIX
    ]
    assert made.entry("C01").verdict == f.NOT_MEASURED
    assert made.findings("C36")[TOGETHER].verdict == f.NOT_MEASURED


def test_a_missing_cell_is_named(make, ahead):
    made = make(ahead(), missing=[("acdc", "ls", 1), ("acdc", "ls", 2)])
    found = made.findings("C01")["acdc"]
    assert found.verdict == f.NOT_MEASURED
    assert found.found == "no results of acdc, unet, ls, seed 1 and 1 more"
    # Label smoothing plays no part in this one.
    assert made.findings("C06")["acdc"].verdict == f.SUPPORTED


def test_a_lacking_method_is_named(make, ahead):
    found = make(ahead(), methods=["ce", "spectral"], datasets=["acdc"]).findings("C01")["acdc"]
    assert found.found == "experiment 'main' has no FL, LS, MbLS, SVLS, CRaC"


@pytest.mark.parametrize(
    ("status", "reason"), [("undefined", "no case has ECE"), ("ok", "expected a finite score, found nan")]
)
def test_a_column_without_numbers_is_not_measured(make, ahead, status, reason):
    def edit(frame):
        chosen = (frame.metric == "ECE") & (frame.dataset == "acdc") & (frame.method == "spectral")
        frame.loc[chosen, "value"], frame.loc[chosen, "status"] = np.nan, status
        return frame

    found = make(ahead(), edit=edit).findings("C01")
    assert found["acdc"].verdict == f.NOT_MEASURED
    assert reason in found["acdc"].found
    assert found["flare2021"].verdict == f.SUPPORTED


def test_a_metric_that_was_not_scored_is_not_measured(make, ahead):
    found = make(ahead(), edit=lambda frame: frame[frame.metric != "SCE"]).findings("C02")["acdc"]
    assert found.verdict == f.NOT_MEASURED
    assert "SCE (paper)" in found.found


def test_pattern_of_tace(make):
    def value(method, metric, dataset, **_):
        if metric != "TACE":
            return None
        conceded = dataset in ("acdc", "promise12")
        return {"spectral": 0.01, "crac": 0.005 if conceded else 0.03}.get(method, 0.03)

    made = make(value)
    assert made.entry("C04").verdict == f.SUPPORTED
    # The lowest everywhere is not what the paper says either.
    other = make(lambda method, metric, **_: 0.01 if (method, metric) == ("spectral", "TACE") else None)
    assert verdicts(other, "C04")["acdc"] == f.REFUTED
    assert verdicts(other, "C04")["flare2021"] == f.SUPPORTED


def test_ranks_count_the_better_methods(make):
    better = {"ce": 0.9, "focal": 0.89, "ls": 0.88}

    def value(method, metric, **_):
        return better.get(method, 0.8) + 0.01 * (method == "spectral") if metric == "DSC" else None

    found = make(value, noise=0.0, datasets=["acdc"]).findings("C03")["acdc"]
    assert found.verdict == f.REFUTED
    assert (found.effect, found.value) == ("rank in DSC", 4)


def test_price_of_calibration(make):
    def loses(points):
        return make(
            lambda method, metric, **_: 0.85 - points / 100 if (method, metric) == ("spectral", "DSC") else None
        )

    assert loses(0.0).findings("C06")["acdc"].verdict == f.SUPPORTED
    little = loses(0.2).findings("C06")["acdc"]  # beyond chance, and within the margin
    assert little.verdict == f.SUPPORTED
    assert -0.5 < little.low < little.high < 0
    assert loses(3.0).findings("C06")["acdc"].verdict == f.REFUTED
    noisy = make(noise=0.1, datasets=["acdc"])
    assert noisy.findings("C06")["acdc"].verdict == f.INCONCLUSIVE


def test_the_window_keeps_segmentation_within_the_same_margin(make):
    def loses(points):
        def value(method, metric, **_):
            return 0.85 - points / 100 if (method, metric) == ("spectral", "DSC") else None

        return make(value, further=ABLATION, datasets=["hippocampus"]).findings("C59")["hippocampus"]

    assert loses(0.2).verdict == f.SUPPORTED
    assert loses(0.2).value == pytest.approx(-0.2, abs=0.1)
    assert loses(3.0).verdict == f.REFUTED


def test_a_voxel_is_asked_of_good_networks_only(make):
    def found(dice, distance):
        chosen = {"DSC": dice, "HD95": distance}
        made = make(lambda method, metric, **_: chosen.get(metric) if method == "ce" else None, datasets=["acdc"])
        return made.findings("C56")["acdc"]

    assert found(0.91, 0.8).verdict == f.SUPPORTED
    assert found(0.91, 5.0).verdict == f.REFUTED
    assert found(0.77, 23.0).verdict == f.NOT_MEASURED
    assert "the claim is about networks at a Dice of 91 %; cross-entropy's is 7" in found(0.77, 23.0).found


def test_a_faint_weight_with_most_of_the_gain(make):
    further = {"weight": ("ce", "spectral@weight=0.001", "spectral")}

    def found(faint):
        ece = {"ce": 0.03, "spectral@weight=0.001": faint, "spectral": 0.01}
        made = make(lambda method, metric, **_: ece.get(method) if metric == "ECE" else None, further=further,
                    datasets=["hippocampus"])  # fmt: skip
        return made.findings("C55")["hippocampus"]

    assert (found(0.012).verdict, found(0.028).verdict) == (f.SUPPORTED, f.REFUTED)
    assert found(0.012).value == pytest.approx(8, abs=0.5)


def test_crac_pays(make):
    def crac(dice, tace):
        chosen = {"DSC": dice, "TACE": tace}
        made = make(lambda method, metric, **_: chosen.get(metric) if method == "crac" else None)
        return made.findings("C05")["acdc"].verdict

    assert crac(0.8, 0.01) == f.SUPPORTED
    assert crac(0.9, 0.01) == f.REFUTED
    assert crac(0.8, 0.06) == f.REFUTED  # nothing was bought
    assert set(make(datasets=["acdc", "hippocampus"]).findings("C05")) == {"acdc", "promise12", "printed tables"}


def test_spread_of_cases(make):
    """Scores of ours lie half as far from their mean: a quarter of the variance."""

    def narrow(factor):
        def edit(frame):
            chosen = (frame.method == "spectral") & frame.metric.isin(["DSC", "ECE"])
            means = frame.groupby(["method", "metric", "dataset"]).value.transform("mean")
            gain = np.where(frame.metric == "DSC", 0.02, -0.002)
            frame.loc[chosen, "value"] = (means + gain + factor * (frame.value - means))[chosen]
            return frame

        return edit

    found = make(edit=narrow(0.5), noise=0.0, datasets=["brats2020"]).findings("C35")["brats2020"]
    assert found.verdict == f.SUPPORTED
    assert found.value == pytest.approx(0.25)
    assert make(edit=narrow(2.0), noise=0.0, datasets=["brats2020"]).findings("C35")["brats2020"].verdict == f.REFUTED


def ablated(ce, without, full):
    def value(method, metric, **_):
        share = {"ce": ce, "spectral@window=1": without, "spectral": full}.get(method)
        if share is None:
            return None
        return LEVEL[metric] * (2 - share) / 2 if metric == "DSC" else LEVEL[metric] * share

    return value


ABLATION = {"ablation": ("ce", "spectral@window=1", "spectral")}


def test_ablation_in_order(make):
    made = make(ablated(1, 0.95, 0.4), further=ABLATION, datasets=["brats2020", "flare2021"])
    assert made.entry("C26").verdict == f.SUPPORTED
    assert made.findings("C26")["brats2020"].value == 6
    assert made.findings("C27")["brats2020"].verdict == f.SUPPORTED
    assert made.findings("C27")["brats2020"].value == pytest.approx(5, abs=0.5)
    assert made.findings("C28")["flare2021"].verdict == f.SUPPORTED
    assert made.findings("C28")["flare2021"].value == pytest.approx(0.4 / 0.95, rel=0.01)


def test_ablation_out_of_order(make):
    made = make(ablated(1, 0.4, 0.9), further=ABLATION, datasets=["brats2020", "flare2021"])
    assert made.entry("C26").verdict == f.REFUTED
    assert made.findings("C26")["brats2020"].value == 0
    assert verdicts(made, "C27")["brats2020"] == f.REFUTED
    assert verdicts(made, "C28")["brats2020"] == f.REFUTED
    assert "no spectral@window=1" in make(further={"ablation": ("ce", "spectral", "spectral@window=7")}).findings(
        "C26"
    )["brats2020"].found  # fmt: skip


PROBABILITIES = ("max_prob", "max_log_prob", "entropy")


def with_maps(make, errors):
    """ECE of the loss on each map of probabilities; 0.02 on the maximum logit and with cross-entropy."""

    def value(method, metric, **_):
        kinds = {"margin": 0.001, **errors}
        return next((v for kind, v in kinds.items() if f"={kind}" in method), None) if metric == "ECE" else None

    methods = ("ce", "spectral", *(f"spectral@confidence={kind}" for kind in (*errors, "margin")))
    return make(value, further={"confidence": methods}, datasets=["hippocampus"], noise=0.01)


@pytest.mark.parametrize(
    ("errors", "verdict"),
    [
        ((0.04, 0.03, 0.05), f.SUPPORTED),
        ((0.01, 0.015, 0.012), f.REFUTED),
        ((0.04, 0.01, 0.05), f.INCONCLUSIVE),  # one map is better than the logit: probabilities are not
        ((0.04, 0.02, 0.05), f.INCONCLUSIVE),
    ],
)
def test_choice_of_the_map(make, errors, verdict):
    made = with_maps(make, dict(zip(PROBABILITIES, errors, strict=True)))
    found = made.findings("C24")["hippocampus"]
    assert found.verdict == verdict
    assert "margin" not in found.found  # a map of logits says nothing of probabilities
    assert "ECE, max_logit - CE" in found.found
    assert made.entry("C24").verdict == verdict


def test_a_map_that_was_not_run_leaves_the_choice_open(make):
    found = with_maps(make, {"max_prob": 0.04, "max_log_prob": 0.03}).findings("C24")["hippocampus"]
    assert found.verdict == f.INCONCLUSIVE
    assert found.found.endswith("The map entropy was not run")


WEIGHTS = {"weight": tuple(f"spectral@weight={w}" for w in (0.001, 0.005, 0.01, 0.05, 0.1, 1.0))}


def by_option(option, errors, dice=None):
    """ECE (and Dice) by value of an option; the default has none in its name."""
    default = {"weight": "0.01", "window": "50", "bands": "5"}[option]

    def value(method, metric, **_):
        if not method.startswith("spectral"):
            return None
        given = method.partition(f"{option}=")[2] or default
        table = {"ECE": errors, "DSC": dice or {}}.get(metric, {})
        return table.get(float(given))

    return value


def test_weight_trades_calibration_for_dice(make):
    errors = {0.001: 0.04, 0.005: 0.03, 0.01: 0.02, 0.05: 0.019, 0.1: 0.018}
    dice = {0.001: 0.86, 0.005: 0.86, 0.01: 0.86, 0.05: 0.85, 0.1: 0.8}
    made = make(by_option("weight", errors, dice), further=WEIGHTS, datasets=["brats2020", "flare2021"])
    assert made.entry("C29").verdict == f.SUPPORTED
    found = made.findings("C29")["brats2020"]
    assert (found.effect, found.value) == ("ECE, weight 0.001 - 0.01", pytest.approx(20, rel=0.01))
    harmless = make(by_option("weight", errors), further=WEIGHTS, datasets=["brats2020"], noise=0.01)
    assert harmless.findings("C29")["brats2020"].verdict == f.INCONCLUSIVE
    few = make(further={"weight": ("spectral", "spectral@weight=0.1")}, datasets=["brats2020"])
    assert "weights on both sides" in few.findings("C29")["brats2020"].found


def test_named_weight(make):
    errors = {0.001: 0.04, 0.005: 0.03, 0.01: 0.01, 0.05: 0.02, 0.1: 0.03}
    dice = {0.001: 0.8, 0.005: 0.82, 0.01: 0.9, 0.05: 0.85, 0.1: 0.7}
    made = make(by_option("weight", errors, dice), further=WEIGHTS, datasets=["brats2020", "flare2021"], noise=0.001)
    assert verdicts(made, "C30")["brats2020"] == f.SUPPORTED  # 0.01 is best of both
    assert verdicts(made, "C30")["flare2021"] == f.REFUTED  # 0.05 is not


@pytest.mark.parametrize(
    ("errors", "verdict"), [((9, 2, 3, 4, 8), f.SUPPORTED), ((1, 2, 3, 4, 5), f.REFUTED), ((2, 2, 2, 2, 2), None)]
)
def test_interior_optimum(make, errors, verdict):
    windows = (10, 25, 50, 75, 100)
    table = {w: e * 1e-2 for w, e in zip(windows, errors, strict=True)}
    further = {"window": tuple(f"spectral@window={w}" for w in windows)}
    found = make(by_option("window", table), further=further, datasets=["brats2020"], noise=0.02).findings("C31")
    assert found["brats2020"].verdict == (verdict or f.INCONCLUSIVE)


def test_values_beyond_the_papers_range_do_not_enter(make):
    windows = {10: 0.05, 50: 0.02, 100: 0.04, 200: 0.001}
    further = {"window": tuple(f"spectral@window={w}" for w in windows)}
    found = make(by_option("window", windows), further=further, datasets=["brats2020"]).findings("C31")["brats2020"]
    assert found.verdict == f.SUPPORTED
    assert "100 (better end) - 50" in found.effect


def test_smooth_response(make):
    sweeps = {
        "weight": tuple(f"spectral@weight={w}" for w in (0.001, 0.01, 0.1)),
        "window": tuple(f"spectral@window={w}" for w in (10, 50, 100)),
        "bands": tuple(f"spectral@bands={k}" for k in (2, 3, 5, 10)),
    }

    def value(curve):
        inner = by_option("bands", dict(zip((2, 3, 5, 10), curve, strict=True)))

        def found(method, metric, **cell):
            if metric == "ECE" and "bands" not in method and method != "spectral":
                return 0.05
            return inner(method=method, metric=metric, **cell)

        return found

    valley = make(value((0.04, 0.03, 0.01, 0.02)), further=sweeps, datasets=["brats2020"])
    assert valley.findings("C33")["brats2020"].verdict == f.SUPPORTED
    jagged = make(value((0.02, 0.04, 0.01, 0.03)), further=sweeps, datasets=["brats2020"])
    assert jagged.findings("C33")["brats2020"].verdict == f.REFUTED


ARCHITECTURES = ("unet", "nnunet", "swin_unetr", "unetpp", "attention_unet", "transunet")
PAIR = {"architectures": ("ce", "spectral")}


def test_architectures(make, ahead):
    def value(worse):
        def found(architecture, **cell):
            return ahead(by=-0.1 if architecture == worse else 0.1, where=["hippocampus"])(**cell)

        return found

    options = {"datasets": ["hippocampus"], "methods": ["ce", "spectral"], "further": PAIR}
    assert make(value(""), architectures=ARCHITECTURES, **options).entry("C34").verdict == f.SUPPORTED
    assert make(value("unetpp"), architectures=ARCHITECTURES, **options).entry("C34").verdict == f.REFUTED
    two = make(value(""), architectures=ARCHITECTURES[:2], **options)
    assert two.entry("C34").verdict == f.NOT_MEASURED
    assert "transunet: not in the experiment" in two.findings("C34")["hippocampus"].found
    # One reversal is enough, whatever was not run.
    assert make(value("nnunet"), architectures=ARCHITECTURES[:2], **options).entry("C34").verdict == f.REFUTED


@pytest.mark.parametrize(
    ("plain", "scaled", "verdict"),
    [(2.0, 1.5, f.SUPPORTED), (2.0, 0.5, f.REFUTED), (0.9, 1.5, f.MOOT), (0.9, 0.5, f.MOOT)],
)
def test_temperature(make, plain, scaled, verdict):
    """Where cross-entropy alone is as good, there is no effect that could be more than a temperature."""

    def value(method, metric, **_):
        share = {"ce": plain, "ce+temperature": scaled}.get(method)
        return LEVEL[metric] * share if share and metric in ("ECE", "SCE", "TACE") else None

    further = {"post_hoc": ("ce", "ce+temperature", "spectral")}
    made = make(value, further=further, datasets=["hippocampus"])
    assert made.entry("C49").verdict == verdict
    assert ("there is no effect to explain" in made.findings("C49")["hippocampus"].found) == (verdict == f.MOOT)


@pytest.mark.parametrize(("tuned", "verdict"), [(0.02, f.SUPPORTED), (0.005, f.REFUTED)])
def test_tuned_baselines(make, tuned, verdict):
    def value(method, metric, **_):
        return {"spectral": 0.01, "mbls@margin=10.0": tuned}.get(method) if metric == "ECE" else None

    further = {"tuned": ("ce", "mbls", "mbls@margin=10.0", "spectral")}
    made = make(value, further=further, datasets=["hippocampus"])
    assert made.entry("C48").verdict == verdict
    plain = make(value, further={"tuned": ("ce", "mbls", "spectral")}, datasets=["hippocampus"])
    assert plain.findings("C48")["hippocampus"].verdict == f.NOT_MEASURED


def test_ranks_and_radar_of_known_means():
    best, middle, worst = [0.9, 1, 1, 1, 1, 1], [0.8, 2, 2, 2, 2, 2], [0.7, 3, 3, 3, 3, 3]
    means = np.array([[middle, worst, best]])  # one data set
    assert mean_rank(means) == pytest.approx([-2, -3, -1])
    assert radar_radii(means) == pytest.approx(np.array([[0.5] * 6, [0] * 6, [1] * 6]))
    assert radar_area(means) == pytest.approx([0.25, 0, 1])
    assert radar_variation(means)[[0, 2]] == pytest.approx([0, 0])
    spike = np.array([[[0.9, 3, 3, 3, 3, 3], best]])
    assert radar_variation(spike) == pytest.approx([-np.sqrt(5), 0])


def test_ties_share_their_rank():
    means = np.array([[[0.8, 1, 1, 1, 1, 1], [0.8, 1, 1, 1, 1, 1]]])
    assert mean_rank(means) == pytest.approx([-1.5, -1.5])
    assert radar_area(means) == pytest.approx([1, 1])
