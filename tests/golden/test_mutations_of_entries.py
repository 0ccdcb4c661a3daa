"""Golden values of losses, networks, data sets, post-hoc steps and scorers see changes of a percent."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from golden.mutation import Mutation, scaled, through, value

import spectralcal.datasets._files as files
import spectralcal.datasets.acdc as acdc
import spectralcal.datasets.phantom as phantom
import spectralcal.losses.mace as mace
import spectralcal.losses.spectral as spectral
import spectralcal.losses.svls as svls
import spectralcal.models.padding as padding
import spectralcal.posthoc._full as full
import spectralcal.posthoc.beta as beta
import spectralcal.posthoc.classwise_temperature as classwise
import spectralcal.posthoc.isotonic as isotonic
import spectralcal.scorers.floor as floor
import spectralcal.scorers.posterior as posterior
import spectralcal.scorers.predicted as predicted
from golden import datasets, losses, models, posthoc, scorers
from spectralcal.datasets.brats2020 import Brats2020
from spectralcal.losses._history import BandHistory
from spectralcal.losses.crac import CRaCLoss
from spectralcal.losses.focal import FocalLoss
from spectralcal.losses.mbls import MarginLabelSmoothingLoss

COMPUTE = {"losses": losses.values, "models": models.values, "datasets": datasets.values, "posthoc": posthoc.values,
           "scorers": scorers.values}  # fmt: skip


def of(part, change):
    kind, _, name = part.partition("/")
    return Mutation(part, partial(COMPUTE[kind], name), change)


def late_reference(patch):
    """The moving reference is without the current batch."""
    plain = BandHistory.forward

    def forward(self, batch):
        past = self.values.sum(0) / self.count.clamp_min(1)
        reference = plain(self, batch)
        return reference if self.count == 1 else past

    patch.setattr(BandHistory, "forward", forward)


def zero_padding(patch):
    class Zeros:
        @staticmethod
        def pad(x, widths, mode):
            return F.pad(x, widths)

    patch.setattr(padding, "F", Zeros)


MUTATIONS = {
    "focal exponent 1 % higher": of("losses/focal", scaled(FocalLoss, "gamma", 1.01)),
    "CRaC margin 1 % higher": of("losses/crac", scaled(CRaCLoss, "margin", 1.01)),
    "MbLS margin 1 % higher": of("losses/mbls", scaled(MarginLabelSmoothingLoss, "margin", 1.01)),
    "mL1-ACE with a bin more": of(
        "losses/mace",
        through(mace, "_hard_error", lambda plain, p, y, share, bins, wanted: plain(p, y, share, bins + 1, wanted)),
    ),
    "SVLS neighbours 1 % lighter": of(
        "losses/svls", through(svls, "filter3", lambda plain, field, side, *rest: plain(field, 0.99 * side, *rest))
    ),
    "spectral reference without the current batch": of("losses/spectral", late_reference),
    "spectral entropy of powers to 0.99": of(
        "losses/spectral", through(spectral, "spectral_entropy", lambda plain, power, eps: plain(power**0.99, eps))
    ),
    "networks padded with zeros": of("models/unet", zero_padding),
    "class-wise temperatures 0.1 % lower": of(
        "posthoc/classwise_temperature", through(classwise, "fit_factors", lambda plain, *args: 1.001 * plain(*args))
    ),
    "matrix scaling at ten times the price of mixing": of(
        "posthoc/matrix", through(full, "fit_affine", lambda plain, *args: plain(*args[:-1], 10 * args[-1]))
    ),
    "isotonic bins twice as wide": of(
        "posthoc/isotonic", through(isotonic, "edges", lambda plain, bins, limit: plain(bins // 2, limit))
    ),
    "beta intercepts 1 % higher": of(
        "posthoc/beta",
        through(beta, "minimize", lambda plain, *args: plain(*args) * torch.tensor([1.0, 1.0, 1.01]).repeat(4)),
    ),
    "a predicted boundary of 3.4 mm": of("scorers/predicted", value(predicted, "BOUNDARY_MM", 3.4)),
    "distances to the predicted boundary 2 % longer": of(
        "scorers/predicted",
        through(
            predicted, "boundary_distance", lambda plain, label, spacing: plain(label, tuple(1.02 * s for s in spacing))
        ),
    ),
    "a floor of sixteen bins": of(
        "scorers/floor", through(floor, "expected_bins", lambda plain, p, region: plain(p, region, 16))
    ),
    "floors of probabilities that are 1 % closer to even": of(
        "scorers/floor",
        through(floor, "expected_bins", lambda plain, p, region: plain(0.99 * p + 0.01 / len(p), region)),
    ),
    "true error of posteriors that are 1 % closer to even": of(
        "scorers/posterior",
        value(
            posterior,
            "MEASURES",
            {
                name: lambda p, q, mask, measure=measure: measure(p, 0.99 * q + 0.01 / len(q), mask)
                for name, measure in posterior.MEASURES.items()
            },
        ),
    ),
    "true error in a boundary of 3.4 mm": of("scorers/posterior", value(posterior, "BOUNDARY_MM", 3.4)),
    "BraTS labels in another order": of("datasets/brats2020", value(Brats2020, "label_map", {0: 0, 1: 1, 2: 3, 4: 2})),
    "ACDC's twins as two patients": of("datasets/acdc", value(acdc, "SAME_PATIENT", {})),
    "axes left as stored": of(
        "datasets/hippocampus", through(files, "_to_ras", lambda plain, array, affine: (array, affine))
    ),
    "phantom organ 1 % brighter": of("datasets/phantom", value(phantom, "INTENSITIES", (1.0, 1.515, 0.4, 2.1))),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_small_change_is_seen(name, monkeypatch):
    assert MUTATIONS[name].moved(monkeypatch)
