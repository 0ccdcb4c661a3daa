"""Which parts have golden values: every part of the engine, and every registered entry that declares an integer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from golden import (
    datasets,
    defaults,
    ensemble,
    losses,
    models,
    posthoc,
    prediction,
    preparation,
    samples,
    scorers,
    scoring,
    seen_cases,
    split,
    transforms,
)
from golden import training as training_part
from spectralcal.base import registry
from spectralcal.study import numerics

ROOT = Path(__file__).parents[3]
KINDS = ("losses", "models", "datasets", "posthoc", "scorers", "transforms", "probes")


@dataclass(frozen=True)
class Part:
    """Something whose numbers one integer identifies.

    Attributes:
        name: of a part of the engine, or ``<kind>/<name>`` of a registered entry.
        compute: gives its values.
        defaults: gives the defaults that results leave out.
        uses: parts whose numbers its values also rest on.
    """

    name: str
    compute: Callable[[], dict[str, Any]]
    defaults: Callable[[], dict[str, Any]]
    uses: tuple[str, ...] = ()

    @property
    def integer(self) -> int:
        """As declared now."""
        kind, _, name = self.name.partition("/")
        return registry.constant(kind, name, "NUMERICS") if name else numerics.ENGINE[self.name]

    @property
    def declared_in(self) -> str:
        """Where the integer is to be raised: path of a file and what to look for in it."""
        kind, _, name = self.name.partition("/")
        if not name:
            return f"{_short(inspect.getsourcefile(numerics))} (ENGINE, '{self.name}')"
        return f"{_short(registry.find(kind, name).file)} (NUMERICS)"


_PHANTOM = ("preparation", "split", "datasets/phantom", "models/unet")
#: part -> its values, and the parts whose numbers they also rest on
ENGINE: dict[str, tuple[Callable[[], dict[str, Any]], tuple[str, ...]]] = {
    "preparation": (preparation.values, ()),
    "split": (split.values, ()),
    "training": (
        training_part.values,
        (*_PHANTOM, "prediction", "models/nnunet", "losses/ce", "losses/crac", "losses/spectral"),
    ),
    "prediction": (prediction.values, ()),
    "scoring": (scoring.values, ("prediction",)),
    "post-hoc fit": (posthoc.fit_values, ()),
    "ensemble": (ensemble.values, ("prediction",)),
    "samples": (samples.values, ()),
}
ENTRIES: dict[str, Callable[[str], dict[str, Any]]] = {
    "losses": losses.values,
    "models": models.values,
    "datasets": datasets.values,
    "posthoc": posthoc.values,
    "scorers": scorers.values,
    "transforms": transforms.values,
    "probes": seen_cases.values,
}
#: registered entry -> the parts whose numbers its values also rest on
USES = {"probes/maps": (*_PHANTOM, "prediction"), "probes/hotspots": _PHANTOM}


def parts() -> dict[str, Part]:
    """All parts by name, cheap ones first: what the engine's values rest on is then judged before them."""
    found = [
        Part(
            f"{kind}/{name}",
            lambda k=kind, n=name: ENTRIES[k](n),
            lambda k=kind, n=name: defaults.entry_defaults(k, n),
            USES.get(f"{kind}/{name}", ()),
        )
        for kind in KINDS
        for name in registry.names(kind)
        if registry.find(kind, name).file.is_relative_to(registry.PACKAGE)  # others keep their numbers themselves
        and registry.constant(kind, name, "NUMERICS") is not None
    ]
    for name in numerics.ENGINE:
        if name in ENGINE:
            compute, uses = ENGINE[name]
            found.append(Part(name, compute, lambda n=name: defaults.engine_defaults(n), uses))
    return {part.name: part for part in found}


def _short(path: str | Path | None) -> str:
    """A path in the repository, from its root."""
    return Path(path).resolve().relative_to(ROOT).as_posix()
