"""The arms of the paper's comparisons, found in a study by what they are and not by what they are called.

A configuration may say ``scc@base=ce_dice,reduce=batch``, or give the loss these options in `methods` and say ``scc``.
"""

from __future__ import annotations

from spectralcal.report.claims.finding import NotMeasured
from spectralcal.report.results import Results
from spectralcal.study.config import StudyConfig
from spectralcal.study.methods import method_of, parse_method

#: the spatial loss, and its sum with the term as printed
SPATIAL, TERM = "ce_dice", "scc@base=ce_dice,reduce=batch"
#: Dice with the weight that both have together, without any transform
HEAVIER = "ce_dice@weight=1.2"
#: the term over a third of the radii
BANDS = {band: f"{TERM},band={band}" for band in ("low", "mid", "high")}
#: one term without the other
DICE_ALONE, TERM_ALONE = "ce_dice@base=none", "scc@base=none,reduce=batch,weight=1.0"
#: registered network -> its name in the paper's tables
NETWORKS = {
    "unet": "UNet", "slice_unet": "UNet", "unet_resnet": "UNet", "transunet": "TransUNet",
    "slice_transunet": "TransUNet", "transunet_resnet": "TransUNet", "transunet_r50": "TransUNet",
}  # fmt: skip
#: the same as this project writes them
SPELT = {"UNet": "U-Net", "TransUNet": "TransUNet"}


def is_arm(config: StudyConfig, method: str, arm: str) -> bool:
    """Whether a method of a study is that arm: the same loss with the same options, trained."""
    ours, its = method_of(config, method), parse_method(arm)
    return ours.is_trained and ours.loss == its.loss and dict(ours.arguments) == dict(its.arguments)


def find(results: Results, experiment: str, *arms: str) -> list[str]:
    """Methods of an experiment that are these arms.

    Raises:
        NotMeasured: it lacks one.
    """
    found = []
    for arm in arms:
        there = [method for method in results.methods(experiment) if is_arm(results.config, method, arm)]
        if not there:
            raise NotMeasured(f"experiment '{experiment}' has no {arm}")
        found.append(there[0])
    return found


def network(results: Results, dataset: str, architecture: str) -> str:
    """The paper's name of a study's network, its own where the paper has none like it."""
    return NETWORKS.get(results.config.network_of(dataset, architecture), architecture)


def printed_method(results: Results, dataset: str, architecture: str, method: str) -> str | None:
    """Name of a row of the paper's tables, "UNet" or "UNet (Ours)"; None for arms that it does not have."""
    name = NETWORKS.get(results.config.network_of(dataset, architecture))
    if name is None:
        return None
    if is_arm(results.config, method, SPATIAL):
        return name
    return f"{name} (Ours)" if is_arm(results.config, method, TERM) else None
