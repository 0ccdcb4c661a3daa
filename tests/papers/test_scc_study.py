"""A tiny study of the second paper, data to ledger: every table, figure and verdict, numbers found again by hand."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spectralcal.base import registry
from spectralcal.jobs import cells, steps
from spectralcal.jobs.probe import probe_step
from spectralcal.papers.spectral_correlation.claims import segmentation, shift
from spectralcal.papers.spectral_correlation.tested import UnderCondition, conditions, printed_set
from spectralcal.report.claims import finding as f
from spectralcal.report.claims.ledger import ledger
from spectralcal.report.claims.sample import Sample
from spectralcal.report.needs import claims_needs
from spectralcal.report.results import Results
from spectralcal.study.conditions import further_conditions
from spectralcal.study.config import load_config, parse_config
from spectralcal.study.grid import study_cells
from spectralcal.study.paths import StudyPaths

ROOT = Path(__file__).parents[2]
PAPER, NAME = "spectral_correlation", "phantom_pictures"
MAIN = ["ce_dice", "scc", "ce_dice@weight=1.2"]
TABLES = tuple(f"table{number}" for number in range(1, 7))
SHOWN = tuple(f"figure{number}" for number in (2, 3, 5, 6, 7, 8, 9))
OWN = ("sweep", "noise", "identity", "forensics")


def grid(methods, *architectures):
    return {"datasets": [NAME], "architectures": list(architectures), "methods": methods, "seeds": [0]}


def content(root):
    folders = {f"{name}_root": f"{root}/{name}" for name in ("data", "prepared", "results", "figures")}
    return {
        "study": "tiny", "paper": PAPER, **folders,
        "datasets": {NAME: {"options": {"cases": 18, "side": 32}},
                     "shifted": {"kind": NAME, "options": {"cases": 18, "side": 32, "shift": 1.0}}},
        "preparation": {"spacing": "original", "normalize": "minmax"},
        "architectures": {"unet": {"options": {"channels": [4, 8, 8]}},
                          "transunet": {"options": {"channels": [4, 4, 8, 8], "blocks": 1, "width": 8, "depth": 1,
                                                    "heads": 2}}},
        "methods": {"scc": {"base": "ce_dice", "reduce": "batch"}},
        "training": {"steps": 12, "epoch_steps": 6, "batch_size": 4, "patch": [32, 32], "foreground_share": 0.0,
                     "optimizer": "adamw", "learning_rate": 0.02, "log_interval": 3},
        "evaluation": {
            "scorers": ["segmentation", "calibration", "distance", "spectra", "overlap", "transunet", "confidence",
                        "agreement"],
            "conditions": {"shifted": {"dataset": "shifted"}, "gaussian": {"corrupt": ["gaussian"]},
                           "loud": {"corrupt": ["gaussian@level=0.1"]}},
        },
        "experiments": {"main": grid(MAIN, "unet", "transunet"), "transformer": grid(MAIN[:2], "transunet"),
                        "sweep": grid(["ce_dice", "scc", "scc@weight=0.9"], "unet")},
        "claims": {"main": "main", "transformer": "transformer", "sweep": "sweep"},
    }  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    config = parse_config(content(tmp_path_factory.mktemp("scc")), "study.yaml")
    for name in config.datasets:
        steps.prepare_step(config, name)
        steps.split_step(config, name)
    for cell in study_cells(config):
        cells.train_cell(config, cell, then_evaluate=True)
        cells.evaluate_cell(config, cell)
        for condition in further_conditions(config, cell):
            cells.evaluate_cell(config, cell, condition)
    steps.collect_step(config)
    for probe, architecture in itertools.product(("views", "cams"), ("unet", "transunet")):
        probe_step(config, probe, NAME, architecture, 0)
    return Results(config)


@pytest.fixture(scope="module")
def scores(results):
    return pd.read_parquet(StudyPaths(results.config).cases)


def table(results, name):
    return registry.load("tables", name, PAPER)(results, "sweep" if name == "table6" else "main")


def mean(scores, metric, protocol="paper", condition="test", method="scc", architecture="unet", **other):
    chosen = scores[(scores.metric == metric) & (scores.protocol == protocol) & (scores.condition == condition)
                    & (scores.method == method) & (scores.architecture == architecture)]  # fmt: skip
    for name, value in other.items():
        chosen = chosen[chosen[name] == value]
    return chosen.dropna(subset="value").groupby("case").value.mean().mean()


# ---- tables --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_three_forms_and_the_printed_numbers(results, name):
    made = table(results, name)
    assert made.markdown.startswith("# ")
    assert "Study tiny, experiment" in made.markdown
    assert "## As printed by the paper" in made.markdown
    assert "\\begin{tabular}" in made.latex
    assert set(made.frame.status) == {"ok"}
    assert made.frame.paper_value.isna().all()  # nobody printed a number of a phantom
    rows = [line for line in made.latex.splitlines() if "&" in line]
    assert len({line.count("&") for line in rows[1:]}) == 1
    assert table(results, name).markdown == made.markdown


@pytest.mark.parametrize(
    ("name", "metric", "protocol", "condition", "scale"),
    [
        ("table1", "IOU", "paper", "test", 100),
        ("table3", "SE", "paper", "shifted", 100),
        ("table4", "ECE", "two_classes", "shifted", 100),
        ("table5", "DSC", "paper", "gaussian", 100),
        ("table5", "HD95", "transunet", "loud", 1),
    ],
)
def test_numbers_of_tables_are_means_over_cases(results, scores, name, metric, protocol, condition, scale):
    frame = table(results, name).frame
    for method, architecture in itertools.product(MAIN, ("unet", "transunet")):
        (row,) = frame[(frame.metric == metric) & (frame.protocol == protocol) & (frame.condition == condition)
                       & (frame.method == method) & (frame.architecture == architecture)].itertuples()  # fmt: skip
        assert row.mean == pytest.approx(scale * mean(scores, metric, protocol, condition, method, architecture))


def test_table2_has_every_structure(results, scores):
    frame = table(results, "table2").frame
    for name in ("lesion", "nucleus"):
        rows = frame[(frame.metric == f"DSC {name}") & (frame.protocol == "paper") & (frame.method == "scc")]
        ours = rows[rows.architecture == "unet"]["mean"].item()
        assert ours == pytest.approx(100 * mean(scores, "DSC", **{"class": name}))


def test_table6_is_ordered_by_weight(results):
    made = table(results, "table6")
    assert made.frame[made.frame.metric == "DSC"].weight.tolist() == [0.0, 0.2, 0.9]
    assert made.markdown.index("| no term |") < made.markdown.index("| λ = 0.2 |") < made.markdown.index("| λ = 0.9 |")


def test_a_study_without_conditions_says_so(results):
    plain = results.config.model_copy(
        update={"evaluation": results.config.evaluation.model_copy(update={"conditions": {}})}
    )
    for name in ("table3", "table5"):
        assert "no condition of this kind" in table(Results(plain), name).markdown


def test_conditions_have_the_names_of_the_papers_tables():
    study = Results(load_config(ROOT / "config/scc.yaml"))
    assert conditions(study, "isic2018", noise=False) == ["isic2017"]
    assert printed_set(study, "isic2018", "isic2017") == "ISIC-18->ISIC-17"
    assert printed_set(study, "kvasir_seg", "polypgen") == "Kvasir-SEG->PolypGen"
    assert printed_set(study, "acdc", "gaussian") == "ACDC + Gaussian"
    assert printed_set(study, "synapse", "bernoulli_dropout") == "Synapse + Bernoulli"
    assert printed_set(study, "acdc", "gaussian_0.1") is None  # another level is not the paper's
    assert not conditions(study, "kvasir_seg", noise=True)


# ---- figures -------------------------------------------------------------------------------------------------------


@pytest.fixture
def style():
    import matplotlib.pyplot as plt

    from spectralcal.report.style import use_style

    plt.switch_backend("Agg")
    use_style()
    yield plt
    plt.close("all")


@pytest.mark.parametrize("name", [*SHOWN, *OWN])
def test_figures_draw_what_their_frames_say(results, name, style, tmp_path):
    drawn = registry.load("figures", name, PAPER)(results, "sweep" if name == "sweep" else "main")
    assert len(drawn.frame)
    assert len(drawn.caption) > 80
    drawn.drawing.savefig(tmp_path / "figure.png", dpi=50)
    assert set(registry.constant("figures", name, "NEEDS", PAPER)) <= {"views", "cams"}


def test_figures_of_images_say_that_images_stay(results, style, monkeypatch):
    monkeypatch.setattr(Results, "probe", lambda *_: None)
    for name in ("figure2", "figure5", "figure6", "figure7", "figure8", "figure9"):
        drawn = registry.load("figures", name, PAPER)(results, "main")
        assert "were not predicted here" in drawn.caption
        assert not len(drawn.frame)


def test_figure5_shows_shifts_and_figure7_noise(results, style):
    tests = {name: registry.load("figures", name, PAPER)(results, "main").frame.test.unique().tolist()
             for name in ("figure5", "figure7")}  # fmt: skip
    assert tests == {"figure5": ["test", "shifted"], "figure7": ["test", "gaussian", "loud"]}


def test_noise_is_drawn_by_level(results, style):
    frame = registry.load("figures", "noise", PAPER)(results, "main").frame
    assert sorted(frame.level.unique()) == [0.0, 0.01, 0.1]
    assert frame.kind.nunique() == 1


# ---- claims --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def verdicts(results):
    return {entry.claim.id: entry for entry in ledger(results)}


def test_there_are_twenty_verdicts_and_a_phantom_decides_none(verdicts):
    assert len(verdicts) == 20
    assert {verdicts[name].verdict for name in ("S-11", "S-15")} == {f.REFUTED}
    others = {entry.verdict for name, entry in verdicts.items() if name not in ("S-11", "S-15")}
    assert others == {f.NOT_MEASURED, f.CONTRADICTED}


@pytest.mark.parametrize(
    "name", ["S-01", "S-02", "S-05", "S-06", "S-07", "S-08", "S-09", "S-10", "S-12", "S-13", "S-16", "S-18",
             "S-19"]
)  # fmt: skip
def test_what_the_study_has_is_measured(verdicts, name):
    ours = [finding for finding in verdicts[name].findings if finding.where in (NAME, "shifted")]
    assert ours
    assert all(finding.verdict != f.NOT_MEASURED for finding in ours), ours[0].found
    assert all(np.isfinite(finding.value) for finding in ours)
    assert all(finding.evidence for finding in ours)


def test_what_the_study_has_not_is_a_named_hole(verdicts):
    found = {name: verdicts[name].findings[0].found for name in ("S-17", "S-20")}
    assert "role 'alone'" in found["S-17"]
    assert "role 'bands'" in found["S-20"]
    assert "no condition that is a shift to it" in next(
        one.found for one in verdicts["S-05"].findings if one.where == "polypgen"
    )


def test_only_the_printed_level_decides_on_noise(verdicts):
    ours = [finding for finding in verdicts["S-08"].findings if finding.where == NAME]
    assert [finding.found.partition(":")[0] for finding in ours] == ["Phantom pictures + gaussian"]


def test_the_drop_is_the_clean_score_minus_the_noisy_one(results, scores, verdicts):
    def drop(method):
        return 100 * (mean(scores, "DSC", method=method) - mean(scores, "DSC", condition="gaussian", method=method))

    (ours,) = (finding for finding in verdicts["S-08"].findings if finding.where == NAME)
    said = ours.found.split("U-Net, DSC lost to the noise, SCC - CE + Dice: ")[1].split(" pp")[0]
    assert float(said) == pytest.approx(drop("scc") - drop("ce_dice"), rel=0.01)


def test_maps_are_read_of_both_networks(results):
    wanted = claims_needs(results.config)
    assert set(wanted["cams"]) == {(NAME, "unet", 0), (NAME, "transunet", 0)}
    assert wanted["views"] == [(NAME, "unet", 0)]


def test_maps_are_compared_across_networks(results, monkeypatch):
    """So short a training may predict no class at all, and there is no map then: the scores are given here."""
    real = Results.probe_numbers
    inside = {("unet", "scc"): 0.8, ("transunet", "ce_dice"): 0.5}

    def numbers(self, name, dataset, architecture, seed):
        arrays = real(self, name, dataset, architecture, seed)
        if name != "cams":
            return arrays
        scores = np.stack([np.full((len(arrays["cases"]), 3), inside.get((architecture, method), 0.0))
                           for method in arrays["methods"].tolist()])  # fmt: skip
        return {**arrays, "scores": scores}

    monkeypatch.setattr(Results, "probe_numbers", numbers)
    entry = next(entry for entry in ledger(results) if entry.claim.id == "S-14")
    (ours,) = (finding for finding in entry.findings if finding.where == NAME)
    assert "label, %: U-Net, SCC - TransUNet, CE + Dice: 30 pp" in ours.found
    inside.clear()
    monkeypatch.setattr(Results, "probe_numbers", lambda *_: None)
    entry = next(entry for entry in ledger(results) if entry.claim.id == "S-14")
    assert "were not measured" in entry.findings[0].found


def test_the_slope_is_that_of_least_squares():
    random = np.random.default_rng(0)
    counts = random.integers(1, 9, 12).astype(float)
    gains = 0.7 * counts + random.normal(0, 1, (6, 12))
    values = np.zeros((2, 2, 6, 12))
    values[0, 0], values[:, 1] = gains, counts
    sample = Sample.of_cases(["with", "without"], values, [f"p{index:02d}" for index in range(12)])
    measure = segmentation.slope(sample)
    assert measure.value == pytest.approx(np.polyfit(counts, gains.mean(0), 1)[0])
    assert measure.low < 0.7 < measure.high
    assert segmentation.slope(Sample(sample.methods, values * [[[[1]], [[0]]]], sample.patients, 12)) is None


def test_side_by_side_keeps_the_patients_that_both_have():
    first = Sample(("a", "b"), np.arange(2 * 1 * 1 * 3.0).reshape(2, 1, 1, 3), ("x", "y", "z"), 3)
    second = Sample(("a", "b"), np.ones((2, 1, 1, 2)), ("z", "x"), 2)
    both = shift.side_by_side(first, second)
    assert both.patients == ("x", "z")
    assert both.values[:, 0, 0].tolist() == [[0, 2], [3, 5]]


# ---- probes --------------------------------------------------------------------------------------------------------


def test_numbers_of_probes_have_no_voxel(results):
    for name, keys in (("views", 6), ("cams", 3)):
        numbers = results.probe_numbers(name, NAME, "unet", 0)
        assert len(numbers) == keys
        assert not any(key.startswith(("image", "reference", "probabilities")) or key == "cam" for key in numbers)


def test_shares_of_power_are_those_of_the_spectrum():
    from spectralcal.papers.spectral_correlation.probes.views import share_below

    wave = np.cos(2 * np.pi * 4 * np.arange(32) / 32)[:, None] * np.ones((1, 32))  # 0.125 cycles per pixel
    np.testing.assert_allclose(share_below(wave, np.array([0.1, 0.126, 0.5]), False), [0, 1, 1], atol=1e-12)
    np.testing.assert_allclose(share_below(wave + 1, np.array([0.1, 0.126]), True), [2 / 3, 1], atol=1e-12)
    assert np.isnan(share_below(np.full((8, 8), 3.0), np.array([0.5]), False)).all()


def test_a_condition_is_a_study_of_its_own(results, scores):
    under = UnderCondition(results, "main", NAME, "loud")
    ours = under.scores("main")
    assert len(ours) == len(scores[(scores.condition == "loud") & scores.method.isin(MAIN)])
    assert under.config.experiments["main"].datasets == (NAME,)
