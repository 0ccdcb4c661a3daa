"""Losses: every term and its gradient at the logits over three steps, for each setting that a study may use."""

from __future__ import annotations

import functools
import typing
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from golden import formula
from golden.compare import rounded, summary
from spectralcal.base import registry
from spectralcal.study.config import load_config
from spectralcal.study.grid import study_cells, trained_cells
from spectralcal.study.methods import loss_options, parse_method

ROOT = Path(__file__).parents[3]
#: studies whose results are published
STUDIES = ("config/open.yaml", "config/explore.yaml")
CLASSES = 4
BATCH = 2
#: five bands need sides of ten voxels; where a setting has more bands, sides grow with them
SHAPE = (12, 10, 11)
PLANE = (17, 14)
STEPS = 3
#: refreshes of multipliers after the last step but one: the ninth and the tenth tell when penalty weights grow
REFRESHES = 9
#: settings with numbers that no study has and whose code would otherwise stay unseen
FURTHER = {"spectral": ({"window": 2}, {"warmup_steps": 2}, {"history": "ema", "momentum": 0.5})}


def values(name: str) -> dict[str, Any]:
    """Golden values of a registered loss: setting -> step -> terms."""
    found = {setting_name(name, options): trained(name, options) for options in settings(name)}
    found[f"{name} in 2-D"] = trained(name, {}, PLANE)
    return found


def settings(name: str) -> list[dict[str, Any]]:
    """Options of a loss that are watched: defaults, each other choice of an option, and what published studies use."""
    model = registry.options_model("losses", name)
    found: list[dict[str, Any]] = [{}]
    for option, field in model.model_fields.items():
        found += [{option: choice} for choice in _choices(field.annotation) if choice != field.default]
    found += FURTHER.get(name, ())
    found += [dict(options) for loss, options in _published() if loss == name]
    return list({setting_name(name, options): options for options in found}.values())


def setting_name(name: str, options: dict[str, Any]) -> str:
    """The method's name with the options that differ from the loss's own defaults, whatever a study's defaults are."""
    defaults = registry.options_model("losses", name)().model_dump()
    given = ",".join(f"{key}={value}" for key, value in sorted(options.items()) if value != defaults[key])
    return f"{name}@{given}" if given else name


def trained(name: str, options: dict[str, Any], shape: tuple[int, ...] = SHAPE) -> dict[str, Any]:
    """Steps of one setting, with the refreshes of multipliers between them that the training loop would make."""
    loss = registry.load("losses", name)(**options)
    bands = {**registry.defaults("losses", name), **options}.get("bands", 0)
    shape = tuple(max(size, 2 * bands + axis) for axis, size in enumerate(shape))
    found: dict[str, Any] = {}
    for step in range(STEPS):
        loss.train()
        found[f"step {step}"] = _step(loss, *_batch(shape, step))
        if hasattr(loss, "update_multipliers"):
            for refresh in range(REFRESHES if step == STEPS - 2 else 1):
                _refresh(loss, shape, 10 * (step + 1) + refresh)
    state = {key: summary(value) for key, value in loss.state_dict().items() if value.is_floating_point()}
    if state:
        found["state"] = state
    return found


def _step(loss: torch.nn.Module, logits: torch.Tensor, target: torch.Tensor) -> dict[str, Any]:
    logits = logits.clone().requires_grad_()
    found: dict[str, Any] = {}
    for term, value in loss.terms(logits, target).items():
        found[term] = rounded(float(value.detach()))
        if value.requires_grad:
            gradient = torch.autograd.grad(value, logits, retain_graph=True)[0]
            found[f"gradient of {term}"] = summary(gradient)
    return found | {key: rounded(float(value)) for key, value in loss.diagnostics.items()}


def _refresh(loss: torch.nn.Module, shape: tuple[int, ...], seed: int) -> None:
    loss.eval()
    loss.start_epoch_update()
    for batch in (seed, seed + 1):
        loss.observe(*_batch(shape, batch))
    loss.finish_epoch_update()


@functools.lru_cache(maxsize=64)
def _batch(shape: tuple[int, ...], seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (B, C, *shape) and labels (B, *shape)."""
    label = np.stack([formula.labels(shape, CLASSES, BATCH * seed + sample) for sample in range(BATCH)])
    return torch.from_numpy(formula.logits(label, CLASSES, seed)), torch.from_numpy(label.astype(np.int64))


@functools.cache
def _published() -> tuple[tuple[str, tuple[tuple[str, Any], ...]], ...]:
    """Loss and full options of every trained method of the published studies."""
    found = []
    for path in STUDIES:
        config = load_config(ROOT / path)
        methods = dict.fromkeys(cell.method for cell in trained_cells(config, study_cells(config)))
        found += [(parse_method(method).loss, tuple(loss_options(config, method).items())) for method in methods]
    return tuple(found)


def _choices(annotation: Any) -> tuple[Any, ...]:
    """The values that a named choice or a switch can take; none for numbers."""
    if annotation is bool:
        return (False, True)
    if typing.get_origin(annotation) is Literal:
        return typing.get_args(annotation)
    return tuple(choice for part in typing.get_args(annotation) for choice in _choices(part))
