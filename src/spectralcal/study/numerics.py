"""Which numbers each part of the package computes, as an integer that stands for its code in a result's identity.

A result is identified by its settings, its data and the integers of the parts that made it. Code can therefore be
moved, renamed, reworded or made faster without making results foreign. Whoever changes a *number* raises the part's
integer: the golden tests (``tests/golden``) record a few values of every part and fail if a number changed and its
integer did not.

The integer of a registered entry (a loss, network, data set, post-hoc step, scorer, probe, ...) stands in its own file
as ``NUMERICS``. An entry that declares none is identified by what its file says
(:func:`spectralcal.base.digests.source_digest`): a loss that somebody is still working on is trained again after every
change. The scorers of the default set have no integer of their own; that of "scoring" is theirs.
"""

from __future__ import annotations

from typing import Any

from spectralcal.base import registry
from spectralcal.base.digests import source_digest

#: part of the engine -> integer; raise it with any change of what the part computes, and record new golden values
ENGINE = {
    # Reading, cropping, normalising and resampling; the voxels on which foreground patches are centred.
    "preparation": 1,
    # Which patient is on which side, drawn here or read from a published split.
    "split": 1,
    # Random streams, patches, augmentations, optimiser, schedule and loop, multiplier updates of a loss among them.
    "training": 1,
    # Sliding windows and their blending.
    "prediction": 1,
    # Every score, histogram and spectrum of a cell.
    "scoring": 1,
    # Which voxels a post-hoc step is fitted to.
    "post-hoc fit": 1,
    # How the predictions of several networks become one.
    "ensemble": 1,
    # Which predictions are drawn of a network that draws them, and their mean.
    "samples": 1,
}


def engine(*parts: str) -> dict[str, int]:
    """The integers of parts of the engine."""
    return {part: ENGINE[part] for part in parts}


def component(kind: str, name: str) -> dict[str, Any]:
    """What identifies the numbers of a registered entry: its declared integer, or else what its file says.

    Args:
        kind: "losses", "models", "datasets", "posthoc", "scorers", "transforms" or "probes".
        name: the entry.
    """
    declared = registry.constant(kind, name, "NUMERICS")
    if declared is not None:
        return {"numerics": declared}
    return {"source": source_digest(registry.source(kind, name))}
