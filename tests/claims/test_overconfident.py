"""Our hypotheses on the overconfident regime: every side of every rule, on invented results of the real study."""

import pytest
from hypotheses_study import LEVEL, decided, write

from spectralcal.papers.spectral_entropy.claims import overconfident as module
from spectralcal.report.claims import finding as f
from spectralcal.report.claims.catalogue import catalogue, hypotheses
from spectralcal.report.claims.ledger import listed
from spectralcal.report.claims.page import page
from spectralcal.study.config import load_config

LEAD, CE = module.LEAD, module.CE
ALL = tuple(f"H-{number:02d}" for number in range(1, 12))


def less(method, *, by, **kept):
    """All errors of a method are lower by a share; `kept` are (metric_protocol=share) that differ."""

    def value(cell, metric, protocol):
        if cell.method != method or metric not in ("ECE", "NLL", "DSC"):
            return None
        share = kept.get(f"{metric}_{protocol}", 0.0 if metric == "DSC" else by)
        return LEVEL[metric, protocol] * (1 - share)

    return value


@pytest.fixture(scope="module")
def nothing(tmp_path_factory):
    """No method differs from another."""
    results = write(tmp_path_factory.mktemp("nothing"), "overconfident")
    return results, decided(results)


def verdict(tmp_path, hypothesis, value, **options):
    return decided(write(tmp_path, "overconfident", value, **options))[hypothesis].verdict


def test_the_ledger_of_the_study_lists_the_hypotheses_and_no_claim_of_the_paper(nothing):
    results, entries = nothing
    assert tuple(entries) == ALL
    text = page(list(entries.values()), results)
    assert "11 hypotheses of ours" in text
    assert "of the paper" not in text.splitlines()[2]


def test_the_papers_studies_list_no_hypothesis():
    config = load_config("config/open.yaml")
    assert [claim.id for claim in listed(config)] == list(catalogue("spectral_entropy"))
    assert not set(hypotheses("spectral_entropy")) & set(catalogue("spectral_entropy"))


def test_without_any_difference_gains_are_refuted_and_the_premise_is_supported(nothing):
    _, entries = nothing
    verdicts = {name: entry.verdict for name, entry in entries.items()}
    assert verdicts.pop("H-01") == f.SUPPORTED
    assert verdicts.pop("H-07") == f.INCONCLUSIVE  # the gap stays, and the entropy does too
    assert set(verdicts.values()) == {f.REFUTED}
    said = entries["H-02"].findings[0].found
    for part in ("adjusted p", "predicted boundary", "The smallest change of ECE that matters is 0.4", "power of 80 %",
                 "Without seeds 0 and 1"):  # fmt: skip
        assert part in said
    assert entries["H-02"].findings[0].seeds == 10


def test_premise_is_refuted_where_networks_are_underconfident(tmp_path):
    value = lambda cell, metric, protocol: -0.02 if metric == "signed_gap" else None  # noqa: E731
    assert verdict(tmp_path, "H-01", value) == f.REFUTED


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (less(LEAD, by=0.2), f.SUPPORTED),
        (less(LEAD, by=0.2, DSC_paper=0.002), f.SUPPORTED),  # 0.2 points
        (less(LEAD, by=0.2, DSC_paper=0.02), f.REFUTED),
        (less(LEAD, by=0.02), f.REFUTED),  # beyond chance, and too small to matter
        (less(LEAD, by=-0.2), f.REFUTED),
        (less(LEAD, by=0.2, NLL_paper=-0.1), f.REFUTED),
        (less(LEAD, by=0.2, NLL_paper=0.0), f.INCONCLUSIVE),
        (less(LEAD, by=0.2, ECE_predicted_boundary=0.0), f.SUPPORTED),
        (less(LEAD, by=0.2, ECE_predicted_boundary=-0.2), f.INCONCLUSIVE),
        (less(LEAD, by=0.2, ECE_predicted_boundary=0.0, ECE_predicted_foreground=0.0), f.INCONCLUSIVE),
    ],
)
def test_every_side_of_the_rule_of_a_comparison(tmp_path, value, expected):
    found = decided(write(tmp_path, "overconfident", value))
    assert found["H-02"].verdict == expected
    # The same pair in the other experiments, each by itself.
    assert {found[name].verdict for name in ("H-09", "H-10", "H-11")} == {expected}


def test_each_hypothesis_is_about_its_own_pair(tmp_path):
    reached = {
        module.CE_T: {"H-08"},
        LEAD: {"H-02", "H-03", "H-09", "H-10", "H-11"},
        module.LEAD_T: {"H-04"},
        module.PAPER: {"H-05"},
        module.HEAVY: {"H-06"},
    }
    for number, (method, expected) in enumerate(reached.items()):
        entries = decided(write(tmp_path / str(number), "overconfident", less(method, by=0.3)))
        del entries["H-01"]
        assert {name for name, entry in entries.items() if entry.verdict == f.SUPPORTED} == expected, method


def test_one_width_of_two_is_not_enough(tmp_path):
    lower = less(LEAD, by=0.2)
    value = lambda cell, *which: lower(cell, *which) if cell.architecture == "unet_x2" else None  # noqa: E731
    entry = decided(write(tmp_path, "overconfident", value))["H-11"]
    assert entry.verdict == f.REFUTED
    assert "(unet_x2)" in entry.findings[0].found
    assert "(unet_x4)" in entry.findings[0].found


def test_the_loophole(tmp_path):
    def entropy(cell, kind):
        return 1.6 if cell.method == module.HEAVY and kind == "max_logit" else 1.2

    def repaired(cell, metric, protocol):
        return (
            0.02 if cell.method == module.HEAVY and (metric, protocol) == ("signed_gap", "predicted_boundary") else None
        )

    assert verdict(tmp_path / "stays", "H-07", lambda *_: None, entropy=entropy) == f.SUPPORTED
    assert verdict(tmp_path / "goes", "H-07", repaired, entropy=entropy) == f.REFUTED


def test_a_missing_cell_leaves_its_family_unmeasured(tmp_path):
    gone = lambda cell: (cell.method, cell.seed) == (module.LEAD_T, 7)  # noqa: E731
    entries = decided(write(tmp_path, "overconfident", less(LEAD, by=0.2), missing=gone))
    assert {name for name, entry in entries.items() if entry.verdict == f.NOT_MEASURED} == {"H-02", "H-03", "H-04"}
    assert "seed=7" in entries["H-02"].findings[0].found or "7" in entries["H-02"].findings[0].found


def test_a_region_that_was_not_scored_is_named(tmp_path):
    entries = decided(write(tmp_path, "overconfident", protocols=("paper",)))
    assert entries["H-02"].verdict == f.NOT_MEASURED
    assert "predicted_foreground" in entries["H-02"].findings[0].found
    assert entries["H-08"].verdict != f.NOT_MEASURED


def test_few_patients_decide_nothing(tmp_path):
    entries = decided(write(tmp_path, "overconfident", less(LEAD, by=0.2), patients=4))
    assert entries["H-02"].verdict == f.INCONCLUSIVE
    assert "4 patients" in entries["H-02"].findings[0].found
