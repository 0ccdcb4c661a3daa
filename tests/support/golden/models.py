"""Networks: what they are at the start, what they compute in either mode, and the gradient of a loss."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from golden import formula
from golden.compare import KINKED, rounded, summary
from spectralcal.base import registry
from spectralcal.models import build_model
from spectralcal.models.options import resolved_options
from spectralcal.study.config import load_config

STUDY = Path(__file__).parents[3] / "config/open.yaml"
CLASSES, CHANNELS, BATCH, SEED = 3, 2, 2, 20261127
#: no multiple of any network's strides: what pads and crops is watched too
SHAPES = {3: (18, 21, 17), 2: (35, 22)}
PATCHES = {3: (16, 32, 16), 2: (32, 16)}


def values(name: str) -> dict[str, Any]:
    """Golden values of a registered network, at its options in the open study, or its defaults if it is not there."""
    found = {"3-D": evaluated(name, _small(name), 3), "2-D": evaluated(name, _small(name), 2)}
    switches = [key for key, field in registry.options_model("models", name).model_fields.items()
                if field.annotation is bool]  # fmt: skip
    for switch in switches:
        options = _small(name)
        options[switch] = not options.get(switch, registry.defaults("models", name)[switch])
        found[f"{switch}={options[switch]}"] = evaluated(name, options, 3)
    return found


def evaluated(name: str, options: dict[str, Any], dims: int) -> dict[str, Any]:
    """A network built from a seed, as a cell's is, on formula images."""
    shape = SHAPES[dims]
    spacing = (1.0,) * (dims - 1) + (3.0,)
    torch.manual_seed(SEED)
    full = resolved_options(name, options, PATCHES[dims], spacing)
    model = build_model(name, CHANNELS, CLASSES, spatial_dims=dims, **full)
    label = np.stack([formula.labels(shape, CLASSES, sample) for sample in range(BATCH)])
    image = np.stack([
        [formula.image(shape, label[sample], 10 * sample + channel) for channel in range(CHANNELS)]
        for sample in range(BATCH)
    ])  # fmt: skip
    images, target = torch.from_numpy(image), torch.from_numpy(label.astype(np.int64))
    found: dict[str, Any] = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "tensors": len(list(model.parameters())),
        "initial weights": _aggregate(model.parameters()),
        "padded sizes": list(getattr(model, "padded_sizes", list)(shape)),
    }
    with torch.no_grad():
        found["in eval mode"] = summary(model.eval()(images))
    torch.manual_seed(SEED)  # of dropout
    output = model.train()(images)
    first, *heads = [output] if isinstance(output, torch.Tensor) else output
    loss = F.cross_entropy(first, target) + sum(logits.square().mean() for logits in heads)
    loss.backward()
    found["in train mode"] = summary(first.detach())
    for depth, logits in enumerate(heads, start=1):
        found[f"head {depth}"] = {"shape": list(logits.shape), **summary(logits.detach())}
    found["loss"] = rounded(float(loss.detach()))
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    found["gradient"] = {"within": KINKED, **_aggregate(gradients)}
    # Running averages have moved; nothing else may have.
    with torch.no_grad():
        found["in eval mode after training"] = summary(model.eval()(images))
    return found


def _small(name: str) -> dict[str, Any]:
    """A network's options in the open study."""
    return dict(_study_options().get(name, {}))


@functools.cache
def _study_options() -> dict[str, dict[str, Any]]:
    config = load_config(STUDY)
    return {config.network_of(None, name): entry.options for name, entry in reversed(config.architectures.items())}


def _aggregate(tensors: Any) -> dict[str, Any]:
    """All tensors together: norm of each, and all their entries in one row."""
    tensors = [tensor.detach().double() for tensor in tensors]
    return {
        "norm of each": summary([float(tensor.norm()) for tensor in tensors]),
        "entries": summary(torch.cat([tensor.flatten() for tensor in tensors])),
    }
