"""Grad-CAM of segmentation networks (Selvaraju et al., ICCV 2017; for segmentation Vinogradova et al., AAAI 2020)."""

from __future__ import annotations

import difflib
import math
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Target = Literal["predicted", "all"]


class CamScores(NamedTuple):
    """How well a map agrees with a mask; each (B,), nan where the map is empty or the mask is.

    Attributes:
        inside: share of the map's mass that lies inside the mask.
        pointing: 1 where the map's largest value lies inside the mask, else 0.
        iou: intersection over union of the mask and the voxels above half of the map's maximum.
    """

    inside: Tensor
    pointing: Tensor
    iou: Tensor


def grad_cam(
    network: nn.Module,
    images: Tensor,
    label: int,
    layer: str | nn.Module,
    target: Target | Tensor = "predicted",
    grid: tuple[int, ...] | None = None,
    resize: bool = True,
) -> Tensor:
    """Where a layer's activations raise the logits of a class: ReLU of their sum weighted by mean gradients.

    The network runs in evaluation mode and is left as it was, its parameters' gradients among them.

    Args:
        network: maps (B, C_in, *spatial) to logits (B, C, *spatial).
        images: (B, C_in, *spatial), 2-D or 3-D.
        label: class whose logit is explained, from 0.
        layer: module, or its name in ``named_modules()`` (:func:`layer_names`); for example the last block of the
            decoder. Its output is (B, K, *coarse), or (B, N, K) of tokens.
        target: voxels over which the logit is summed: "predicted" as that class (default), "all" voxels, or a mask
            (B, *spatial), for example that of the reference. Of an image without such a voxel the map is zero.
        grid: of tokens, their places along each axis; default the square or cube that has as many.
        resize: interpolate the map linearly to the images' size (default); False leaves the layer's.

    Returns:
        (B, *spatial) float32, 0 or more, in units of the logit; scale it for display only.

    Raises:
        ValueError: no such layer or class, a mask of another shape, a layer that the network does not use or whose
            output is no map of the images.
    """
    module = _module(network, layer)
    was_training, seen = {m: m.training for m in network.modules()}, []
    handle = module.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    network.eval()
    try:
        with torch.enable_grad(), torch.autocast(images.device.type, enabled=False):
            # A leaf that wants gradients: activations have them also where all parameters are frozen.
            logits = network(images.detach().float().requires_grad_())
            activation = _activation(seen, layer, len(images))
            score = _score(logits, label, target)
            (slope,) = torch.autograd.grad(score, activation, allow_unused=True)
    finally:
        handle.remove()
        for each, mode in was_training.items():
            each.training = mode
    if slope is None:
        raise ValueError(f"layer: the logits of class {label} do not depend on the output of {layer!r}")
    maps, slopes = (_as_map(values.detach(), grid, images.ndim - 2) for values in (activation, slope))
    weights = slopes.flatten(2).mean(2)  # (B, K)
    found = torch.einsum("bk,bk...->b...", weights, maps).clamp_min(0)
    if not resize:
        return found
    mode = "bilinear" if images.ndim == 4 else "trilinear"
    return F.interpolate(found.unsqueeze(1), tuple(images.shape[2:]), mode=mode, align_corners=False).squeeze(1)


def layer_names(network: nn.Module) -> tuple[str, ...]:
    """Names by which :func:`grad_cam` takes a layer of `network`, in the order of the network."""
    return tuple(name for name, _ in network.named_modules() if name)


def cam_scores(cam: Tensor, mask: Tensor) -> CamScores:
    """Scores of maps (B, *spatial), 0 or more, against masks (B, *spatial) of 0 and 1.

    Raises:
        ValueError: shapes differ, or a map has a negative value.
    """
    if cam.shape != mask.shape:
        raise ValueError(f"mask: expected the map's shape {tuple(cam.shape)}, received {tuple(mask.shape)}")
    if (cam < 0).any():
        raise ValueError("cam: expected values >= 0, received negative ones; pass the map of grad_cam as it is")
    values, inside = cam.flatten(1).double(), mask.flatten(1) > 0
    total, top = values.sum(1), values.amax(1)
    void = (total == 0) | ~inside.any(1)
    hot = values > top.unsqueeze(1) / 2
    scores = (
        (values * inside).sum(1) / total,
        inside.gather(1, values.argmax(1, keepdim=True)).squeeze(1).double(),
        (hot & inside).sum(1) / (hot | inside).sum(1).double(),
    )
    return CamScores(*(score.masked_fill(void, math.nan) for score in scores))


def _module(network: nn.Module, layer: str | nn.Module) -> nn.Module:
    if isinstance(layer, nn.Module):
        return layer
    modules = dict(network.named_modules())
    if layer and layer in modules:
        return modules[layer]
    close = difflib.get_close_matches(layer, modules, 3)
    hint = f"did you mean {', '.join(map(repr, close))}?" if close else "layer_names(network) lists them"
    raise ValueError(f"layer: expected the name of a module of {type(network).__name__}, received {layer!r}; {hint}")


def _activation(seen: list[object], layer: object, images: int) -> Tensor:
    """The one output of the layer."""
    if len(seen) != 1:
        times = "never" if not seen else f"{len(seen)} times"
        raise ValueError(f"layer: expected a layer that the network runs once, {layer!r} ran {times}; name another")
    output = seen[0]
    if not isinstance(output, Tensor) or output.ndim < 3 or len(output) != images:
        received = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(
            f"layer: expected {layer!r} to give (B, K, *spatial) or (B, N, K) with B = {images}, received {received}; "
            "name another, and pass volumes of a network of slices as a batch of slices"
        )
    return output


def _score(logits: Tensor, label: int, target: Target | Tensor) -> Tensor:
    """Sum of a class's logit over the voxels that are looked at."""
    classes = logits.shape[1]
    if not 0 <= label < classes:
        raise ValueError(f"label: expected a class from 0 to {classes - 1}, received {label!r}")
    chosen = logits[:, label]
    if isinstance(target, Tensor):
        if target.shape != chosen.shape:
            raise ValueError(f"target: expected a mask {tuple(chosen.shape)}, received {tuple(target.shape)}")
        return (chosen * (target.to(chosen.device) > 0)).sum()
    if target == "predicted":
        return (chosen * (logits.argmax(1) == label)).sum()
    if target == "all":
        return chosen.sum()
    raise ValueError(f"target: expected 'predicted', 'all' or a mask, received {target!r}")


def _as_map(values: Tensor, grid: tuple[int, ...] | None, axes: int) -> Tensor:
    """Tokens (B, N, K) as a map (B, K, *grid); maps as they are."""
    if values.ndim != 3:
        return values.float()
    tokens = values.shape[1]
    side = round(tokens ** (1 / axes))
    grid = (side,) * axes if grid is None else tuple(grid)
    if math.prod(grid) != tokens:
        raise ValueError(f"grid: expected a grid of {tokens} tokens, received {grid}; name the places along each axis")
    return values.float().transpose(1, 2).unflatten(2, grid)
