"""What the paper's own numbers say, recomputed from its tables by another way."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from claims_study import LEVEL
from hypothesis import given
from hypothesis import strategies as st

import spectralcal
from spectralcal.papers.spectral_entropy.claims._printed import (
    LOST,
    WHERE,
    Rounded,
    _decimals,
    printed,
    rank_range,
    ratio,
    smallest,
)
from spectralcal.papers.spectral_entropy.claims.consistency import filled_share
from spectralcal.report.claims import finding as f

PAPER = Path(spectralcal.__file__).parent / "papers/spectral_entropy/printed"
#: of a printed number with one decimal
HALF = 0.05 - 1e-7
TRUTH = st.floats(0, 50)


def as_printed(value):
    rounded = round(value, 1)
    return Rounded(rounded, rounded - HALF, rounded + HALF)


@pytest.fixture
def empty(make):
    """A study of a data set that the paper does not have."""
    return make(datasets=["phantom"])


@given(TRUTH, TRUTH)
def test_the_true_difference_is_within_that_of_the_printed_numbers(a, b):
    found = as_printed(a) - as_printed(b)
    assert found.low - 1e-6 <= a - b <= found.high + 1e-6
    negative = -as_printed(a)
    assert negative.low <= -round(a, 1) <= negative.high


@given(st.lists(TRUTH, min_size=2, max_size=7))
def test_rank_and_minimum_are_within_their_ranges(values):
    cells = [as_printed(value) for value in values]
    rank = rank_range(cells[0], cells[1:])
    true = 1 + sum(other < values[0] for other in values[1:])
    assert rank.low <= true <= rank.high
    least = smallest(cells)
    assert least.low - 1e-6 <= min(values) <= least.high + 1e-6


def test_a_lost_number_leaves_open_what_it_could_change():
    five, nine = as_printed(5.0), as_printed(9.0)
    assert rank_range(five, [nine, LOST])[1:] == (1, 2)
    assert smallest([five, LOST]).low == -np.inf
    assert (smallest([five, LOST]) - nine).measure.low == -np.inf


def test_quotients():
    found = ratio(as_printed(1.0), as_printed(2.0))
    assert found.low == pytest.approx(0.95 / 2.05, rel=1e-5)
    assert found.high == pytest.approx(1.05 / 1.95, rel=1e-5)


@pytest.mark.parametrize(
    ("table", "metric", "decimals"),
    [("table1", "DSC", 1), ("table1", "HD95", 2), ("table2", "ECE", 1), ("table3", "ECE", 4), ("table4", "DSC", 3)],
)
def test_printed_decimals(table, metric, decimals):
    assert _decimals(table, metric) == decimals


def test_cells_are_read_with_their_rounding():
    cell = printed("table2", "BraTS2020", "ECE", "Ours")
    assert (cell.value, cell.low, cell.high) == pytest.approx((1.5, 1.45, 1.55), abs=1e-6)
    assert printed("table1", "BraTS2020", "DSC", "FL") == LOST


def pivot(table, metric):
    frame = pd.read_csv(PAPER / f"{table}.csv")
    return frame[frame.metric == metric].pivot(index="dataset", columns="method", values="value")


def test_lowest_ece_in_print(empty):
    found = empty.findings("C01")[WHERE]
    rows = pivot("table2", "ECE")
    margins = rows.drop(columns="Ours").min(axis=1) - rows.Ours
    assert (margins > 0).all()
    assert found.verdict == f.SUPPORTED
    assert found.value == pytest.approx(margins["BraTS2020"])


def test_a_tie_in_print_is_inconclusive(empty):
    rows = pivot("table2", "SCE")
    assert rows.drop(columns="Ours").min(axis=1)["ACDC"] == rows.Ours["ACDC"]
    found = empty.findings("C02")[WHERE]
    assert found.verdict == f.INCONCLUSIVE
    assert "1 inconclusive (ACDC" in found.found


def test_the_sentence_on_tace_is_contradicted_by_promise(empty):
    rows = pivot("table2", "TACE").loc["PROMISE2012"]
    assert (rows < rows.Ours).sum() == 5
    found = empty.findings("C04")[WHERE]
    assert found.verdict == f.CONTRADICTED
    assert found.effect.startswith("PROMISE2012")
    assert found.value == pytest.approx(rows.drop(["Ours", "CRaC"]).min() - rows.Ours)
    entry = empty.entry("C04")
    assert entry.verdict == f.CONTRADICTED
    assert "printed numbers contradict" in entry.reason


def test_flare_contradicts_that_boundaries_improve_modestly(empty):
    found = empty.findings("C27")[WHERE]
    rows = pivot("table3", "HD95").loc["FLARE2021"]
    assert found.verdict == f.CONTRADICTED
    assert found.value == pytest.approx(100 * (1 - rows["L_CE + L_Spectral w/o W"] / rows["L_CE"]))


def test_mean_ranks_of_the_complete_rows(empty):
    from scipy.stats import rankdata

    frame = pd.concat([pd.read_csv(PAPER / f"table{n}.csv") for n in (1, 2)])
    rows = frame.pivot(index=["dataset", "metric"], columns="method", values="value").dropna()
    signs = np.where(rows.index.get_level_values("metric") == "DSC", -1, 1)
    shared = rankdata(rows.to_numpy() * signs[:, None], axis=1).mean(0)
    means = dict(zip(rows.columns, shared, strict=True))
    assert round(means["Ours"], 2) == 1.26
    found = empty.findings("C36")[WHERE]
    assert len(rows) == 34
    assert found.effect.startswith("mean rank over the 34")
    assert found.value == pytest.approx(min(v for k, v in means.items() if k != "Ours") - means["Ours"])
    assert found.verdict == f.SUPPORTED


def test_sweeps_in_print(empty):
    rows = pd.read_csv(PAPER / "table4.csv")
    window = rows[(rows.dataset == "BraTS2020") & (rows.metric == "ECE") & rows.method.str.startswith("W=")]
    values = window.set_index(window.method.str[2:].astype(int)).value.sort_index()
    found = empty.findings("C31")[WHERE]
    assert found.verdict == f.SUPPORTED
    assert found.value == pytest.approx(min(values.iloc[0], values.iloc[-1]) - values.iloc[1:-1].min())
    assert empty.findings("C30")[WHERE].verdict == f.INCONCLUSIVE
    assert empty.findings("C26")[WHERE].verdict == f.SUPPORTED


def printed_row(table, data_set, metric):
    return pivot(table, metric).loc[data_set]


def test_label_smoothing_bounds_the_share_of_wrong_voxels(empty):
    """Least errors by hand, from the largest mean confidence 1 - a + a / C that smoothing by a = 0.1 leaves."""
    classes = {"BraTS2020": 4, "iSeg2017": 4, "FLARE2021": 5, "ACDC": 4, "ATLAS2023": 3, "PROMISE2012": 2}
    ece = pivot("table2", "ECE").LS
    errors = {name: 0.1 - 0.1 / number - ece[name] / 1000 for name, number in classes.items()}
    assert {k: round(100 * v, 1) for k, v in errors.items()} == {
        "BraTS2020": 5.0, "iSeg2017": 5.7, "FLARE2021": 7.4, "ACDC": 0.3, "ATLAS2023": 1.6, "PROMISE2012": 3.0,
    }  # fmt: skip
    found = empty.findings("C51")[WHERE]
    assert found.verdict == f.CONTRADICTED
    assert found.effect.startswith("FLARE2021")
    dice = pivot("table1", "DSC").LS["FLARE2021"] / 100
    assert found.value == pytest.approx(errors["FLARE2021"] / (2 * (1 - dice)))
    assert empty.entry("C51").reason == "The paper's own printed numbers contradict it."


def test_wrong_voxels_take_so_many_structures():
    """The bound behind C51, by counting: at equal Dice of all structures they fill at least so much of the volume."""
    random = np.random.default_rng(0)
    truth, guess = random.integers(0, 3, (2, 4000))
    guess = np.where(random.random(4000) < 0.7, truth, guess)
    sizes = [(truth == k).sum() + (guess == k).sum() for k in (1, 2)]
    overlaps = [2 * ((truth == k) & (guess == k)).sum() for k in (1, 2)]
    dice = sum(overlaps) / sum(sizes)
    needed = filled_share(Rounded(*[(truth != guess).mean()] * 3), Rounded(*[100 * dice] * 3)).value
    assert needed <= sum(sizes) / 2 / 4000


def test_ece_is_at_most_classes_times_sce_but_in_one_cell(empty):
    found = empty.findings("C52")[WHERE]
    assert "42 conditions: 41 supported, 1 refuted (ACDC, CRaC" in found.found
    row, other = printed_row("table2", "ACDC", "SCE"), printed_row("table2", "ACDC", "ECE")
    assert found.value == pytest.approx(4 * row.CRaC - other.CRaC)
    assert "2.4 % of all would have to be such" in found.found
    assert empty.entry("C52").verdict == f.CONTRADICTED


@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_the_bound_on_ece_holds_for_any_prediction(seed, classes):
    """C52's inequality on random predictions: what exceeds it are voxels with a confidence below 8/15."""
    random = np.random.default_rng(seed)
    logits = random.gamma(0.5, 4.0, (60, 1)) * random.standard_normal((60, classes))
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    label = random.integers(0, classes, 60)

    def error(confidence, hit):
        bins = np.ceil(confidence * 15).clip(1, 15)
        return sum(abs((confidence - hit)[bins == b].sum()) for b in range(1, 16)) / 60

    ece = error(shares.max(1), shares.argmax(1) == label)
    sce = np.mean([error(shares[:, k], label == k) for k in range(classes)])
    assert ece <= classes * sce + (shares.max(1) < 8 / 15).mean() + 1e-9


def test_the_end_of_the_recommended_range_is_the_worst_of_its_sweep(empty):
    rows = pd.read_csv(PAPER / "table4.csv")
    for data_set in ("BraTS2020", "FLARE2021"):
        sweep = rows[(rows.dataset == data_set) & (rows.metric == "ECE") & rows.method.str.startswith("W=")]
        assert sweep.loc[sweep.value.idxmax()].method == "W=10"
    assert empty.entry("C53").verdict == f.CONTRADICTED


def test_one_setting_has_two_results_in_print(empty):
    found = empty.findings("C54")[WHERE]
    assert "12 conditions: 11 supported, 1 refuted (FLARE2021, ECE, block of K" in found.found
    assert found.value == pytest.approx(1e-4)


def test_a_tenth_of_the_weight_brings_most_of_the_printed_gain(empty):
    found = empty.findings("C55")[WHERE]
    four, three = (pd.read_csv(PAPER / f"table{n}.csv") for n in (4, 3))
    for data_set in ("BraTS2020", "FLARE2021"):
        sweep = four[(four.dataset == data_set) & (four.metric == "ECE")].set_index("method").value
        base = three[(three.dataset == data_set) & (three.metric == "ECE")].set_index("method").value["L_CE"]
        share = (base - sweep["lambda=0.001"]) / (base - sweep["lambda=0.010"])
        assert share > 0.5
        assert f"{data_set}, share of the gain in ECE at weight 0.001: {share:.3g}" in found.found
    assert "at most 0.001 (log 5)^2 = 0.0026 nat" in found.found
    assert empty.entry("C55").verdict == f.NOT_MEASURED


def test_a_voxel_in_print_and_the_window_keeps_segmentation_in_print(empty):
    assert empty.findings("C56")[WHERE].verdict == f.SUPPORTED
    assert empty.findings("C59")[WHERE].verdict == f.SUPPORTED
    rows = pivot("table3", "DSC").loc["BraTS2020"]
    gain = 100 * (rows["L_CE + L_Spectral"] - rows["L_CE + L_Spectral w/o W"])
    assert empty.findings("C59")[WHERE].value == pytest.approx(gain)


@pytest.mark.parametrize("claim", ["C01", "C26", "C28", "C36"])
def test_print_never_supports_a_claim(empty, claim):
    assert empty.findings(claim)[WHERE].verdict == f.SUPPORTED
    assert empty.entry(claim).verdict == f.NOT_MEASURED


def test_runs_that_support_what_print_contradicts_say_so(make):
    """On a FLARE where the distances improve modestly without a window, on BraTS too, the printed 25 % still stand."""

    def modest(*, method, metric, **_):
        gain = {"ce": 1.0, "spectral@window=1": 0.95, "spectral": 0.9}[method]
        return LEVEL[metric] * (2 - gain if metric == "DSC" else gain)

    three = ["ce", "spectral@window=1", "spectral"]
    made = make(modest, datasets=["brats2020", "flare2021"], methods=three, further={"ablation": three}, noise=0.001)
    entry = made.entry("C27")
    assert entry.verdict == f.SUPPORTED
    assert entry.reason.endswith("The paper's own printed numbers contradict it.")
