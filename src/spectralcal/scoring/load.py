"""The scorers that a configuration names."""

from __future__ import annotations

from collections.abc import Sequence

from spectralcal.base import registry
from spectralcal.base.errors import ConfigError, choices
from spectralcal.scoring.contract import NEEDS, Scorer

#: what the present predictors and data sets have; several raters are asked for in vain
GIVEN = frozenset({"probabilities", "samples", "posterior", "patch_logits"})
FILES = ("calibration", "spectra", "scorers")


def load_scorers(names: Sequence[str]) -> dict[str, Scorer]:
    """Name -> scorer, in the order of the names.

    Raises:
        ConfigError: a scorer cannot be imported or built, or asks for what there is not.
    """
    return {name: _checked(name, registry.load("scorers", name)) for name in names}


def _checked(name: str, entry: type[Scorer]) -> Scorer:
    where = f"evaluation.scorers: '{name}'"
    try:
        scorer = entry()
    except TypeError as error:
        raise ConfigError(f"{where}: expected a class that is built without arguments ({error})") from error
    if not isinstance(scorer, Scorer):
        raise ConfigError(f"{where}: expected a subclass of spectralcal.scoring.Scorer, found {type(scorer).__name__}")
    if unknown := scorer.needs - NEEDS:
        raise ConfigError(f"{where} needs '{min(unknown)}'; expected {choices(sorted(NEEDS))}")
    if absent := scorer.needs - GIVEN:
        raise ConfigError(f"{where} needs {' and '.join(sorted(absent))}, which this version gives to no scorer")
    if scorer.file not in FILES:
        raise ConfigError(f"{where}: its arrays go to '{scorer.file}'; expected {choices(FILES)}")
    return scorer
