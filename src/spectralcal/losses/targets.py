"""Whatever users pass as logits, target and weight, in one form: the only place of the losses that knows the variants.

Logits are (B, C, *spatial) with C >= 2; (B, 1, *spatial), the logit of the foreground; or, with ``multilabel=True``,
(B, C, *spatial) with a separate yes or no in each channel. 2-D and 3-D, float16, bfloat16, float32 or float64.

| target | shape | types |
| --- | --- | --- |
| labels | (B, *spatial) or (B, 1, *spatial) | any integer type, bool, floats with whole values |
| one-hot | (B, C, *spatial) | any; 0 and 1, one 1 per voxel |
| soft labels | (B, C, *spatial) | floats in [0, 1] that sum to 1 over the classes |
| soft labels, one logit | (B, *spatial) or (B, 1, *spatial) | floats in [0, 1] |
| multi-label | (B, C, *spatial) | any; 0 and 1, or floats in [0, 1] |

A single logit z becomes the pair (-z / 2, z / 2), whose softmax is the sigmoid of z and whose two logits are treated
alike; a channel of a multi-label task becomes a sample with such a pair. Voxels with the label ``ignore_index`` get
weight 0, and so do voxels of one-hot and soft targets without any mass or with ``ignore_index`` in every channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypedDict

import torch
from torch import Tensor

from spectralcal.losses._validation import SUM_TOLERANCE, checked_logits, checked_target, received, whole_labels

Reduction = Literal["none", "mean", "sum"]
_INTEGERS = frozenset({torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64})


class Common(TypedDict, total=False):
    """Options that every :class:`~spectralcal.losses.SegmentationLoss` takes beside its own.

    They describe the data and the call, not the method: a study's configuration does not have them.
    """

    #: label of voxels without a label, for example 255 or -100; default None, every label must be a class
    ignore_index: int | None
    #: channels are separate yes-or-no questions (sigmoid), not classes that exclude each other; default False
    multilabel: bool
    #: "mean" (default), "sum" or "none", see :func:`reduced`
    reduction: Reduction


def taken_from(options: dict[str, object]) -> Common:
    """The :class:`Common` options among `options`, taken out of it."""
    return {key: options.pop(key) for key in Common.__annotations__ if key in options}


@dataclass(frozen=True, slots=True)
class Inputs:
    """Checked logits and target of one call.

    Attributes:
        logits: (B, C, *spatial) float32 or float64, C >= 2; in multi-label tasks B is samples times channels.
        labels: (B, *spatial) int64 in 0..C-1 (0 where the weight is 0 for want of a label), or None for soft labels.
        soft: (B, C, *spatial) in the logits' type (0 where there is no label), or None.
        weight: (B, *spatial) in the logits' type, or None where every voxel counts once.
        channels: channels of a multi-label task, else 0.
    """

    logits: Tensor
    labels: Tensor | None
    soft: Tensor | None = None
    weight: Tensor | None = None
    channels: int = 0

    @property
    def plain(self) -> bool:
        """Whether there are a label and the weight 1 for every voxel."""
        return self.weight is None and self.labels is not None

    @property
    def counted(self) -> Tensor | None:
        """(B, *spatial) bool, where the weight is not 0; None for everywhere."""
        return None if self.weight is None else self.weight > 0

    def shares(self) -> Tensor:
        """The labels as (B, C, *spatial) in the logits' type, summing to 1 where there is a label, else 0."""
        if self.soft is not None:
            return self.soft
        shares = one_hot(self.labels, self.logits.shape[1], self.logits.dtype)
        return shares if self.weight is None else shares * (self.weight > 0).unsqueeze(1)


def as_inputs(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int | None = None,
    multilabel: bool = False,
) -> Inputs:
    """Logits, target and weight in any accepted form (this module's table) as :class:`Inputs`.

    Integer labels without weight and `ignore_index` are passed on as they are. Of other targets on a CUDA device the
    values are looked at, which waits for the device.

    Args:
        logits, target: see the table.
        weight: (B, *spatial) or (B, 1, *spatial), of multi-label tasks also (B, C, *spatial): a Boolean mask of the
            voxels that count, or finite weights >= 0.
        ignore_index: label of voxels that do not count.
        multilabel: a yes or no in each channel.

    Raises:
        ValueError: another shape, type or value; it names the argument, what was expected and what was received.
    """
    given, logits = logits, checked_logits(logits, multilabel)
    if weight is None and ignore_index is None and not multilabel and _is_integer_map(target, given.ndim):
        return Inputs(logits, checked_target(target, logits))
    shape = tuple(given.shape)
    target = _like(logits, "target", target)
    full = tuple(target.shape) == (shape if multilabel else tuple(logits.shape))
    if multilabel and (full or shape[1] == 1):
        labels, soft, counted = _multilabel(_reshaped("target", target, shape, full), ignore_index)
    elif full:
        labels, soft, counted = _per_class(target, ignore_index)
    elif multilabel:
        raise ValueError(
            f"target: expected {shape} for multi-label logits, {received(target)}; give 0 or 1 per channel"
        )
    else:
        labels, soft, counted = _label_map(target, logits, shape[1] == 1, ignore_index)
    soft = None if soft is None else soft.to(logits.dtype)
    weight = _weights(weight, counted, logits, shape, multilabel)
    return Inputs(logits, labels, soft, weight, shape[1] if multilabel else 0)


def reduced(value: Tensor, inputs: Inputs, reduction: Reduction) -> Tensor:
    """A term of a loss from its values.

    Args:
        value: (B, *spatial) for each voxel, (B,) for each sample or () for the batch.
        inputs: whose weights count.
        reduction: "none", (B, *spatial): each voxel's weight times its value, where the value of a sample or batch
            stands at all its voxels; of a multi-label task (B, C, *spatial). "sum": the sum of that. "mean": the sum
            over the sum of the weights, and 0 where no voxel counts.
    """
    shape = (inputs.logits.shape[0], *inputs.logits.shape[2:])
    if value.ndim == 1:
        value = value.reshape(-1, *[1] * (len(shape) - 1))
    if reduction == "mean" and inputs.weight is None:
        return value.mean()
    if inputs.weight is not None:
        # Chosen, not multiplied: what is left out may be anything.
        value = torch.where(inputs.weight > 0, value * inputs.weight, 0)
    value = value.expand(shape)
    if reduction == "none":
        return value.unflatten(0, (-1, inputs.channels)) if inputs.channels else value
    if reduction == "sum":
        return value.sum()
    return value.sum() / inputs.weight.sum().clamp_min(torch.finfo(value.dtype).tiny)


def one_hot(target: Tensor, num_classes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Labels (B, *spatial) as indicator channels (B, num_classes, *spatial)."""
    # Compared in the smallest type that can represent the labels: eight times less to read than int64.
    small = torch.uint8 if num_classes <= 256 else torch.int32
    classes = torch.arange(num_classes, dtype=small, device=target.device)
    classes = classes.reshape(-1, *[1] * (target.ndim - 1))
    labels = target.to(small).unsqueeze(1)
    result = torch.empty((target.shape[0], num_classes, *target.shape[1:]), dtype=small, device=target.device)
    return torch.eq(labels, classes, out=result).to(dtype)


Parts = tuple[Tensor | None, Tensor | None, Tensor | None]  # labels, soft labels, what is labelled (None: everything)


def _label_map(target: Tensor, logits: Tensor, single: bool, ignore_index: int | None) -> Parts:
    """One value per voxel: labels, or the foreground's share where there is a `single` logit."""
    plain = (logits.shape[0], *logits.shape[2:])
    if tuple(target.shape) not in (plain, (plain[0], 1, *plain[1:])):
        checked_target(torch.zeros_like(target, dtype=torch.uint8), logits)  # raises: the shape is wrong
    values = target.reshape(plain)
    counted = None if ignore_index is None else _unless_all(values != ignore_index)
    if counted is not None:
        values = torch.where(counted, values, torch.zeros_like(values))
    if single and values.is_floating_point() and not _whole(values):
        _refuse_outside(values, "the foreground's share")
        soft = torch.stack([1 - values, values], 1)
        return None, _without(soft, counted), counted
    return checked_target(whole_labels(values), logits), None, counted


def _per_class(target: Tensor, ignore_index: int | None) -> Parts:
    """One value per voxel and class: one-hot or soft labels."""
    values = target if target.is_floating_point() else target.long()
    counted = None
    if ignore_index is not None:
        counted = _unless_all(~((values == 0).all(1) | (values == ignore_index).all(1)))
        if counted is not None:
            values = torch.where(counted.unsqueeze(1), values, torch.zeros_like(values))
    total = values.sum(1, dtype=torch.float32 if values.is_floating_point() else None)
    off = (total - 1).abs()
    if counted is not None:
        off = torch.where(counted, off, torch.zeros_like(off))
    if not (bool((values >= 0).all()) and bool((values <= 1).all()) and bool((off <= SUM_TOLERANCE).all())):
        low, high = (float(value) for value in values.aminmax())
        raise ValueError(
            f"target: expected one-hot or soft labels on axis 1, in [0, 1] and summing to 1, {received(target)} with "
            f"values from {low:g} to {high:g} and sums up to {float(off.max()):g} off; for separate yes-or-no "
            "channels use multilabel=True, for voxels without a label ignore_index"
        )
    if _whole(values):
        return values.argmax(1), None, counted
    return None, values, counted


def _multilabel(values: Tensor, ignore_index: int | None) -> Parts:
    """(samples times channels, *spatial) of 0 and 1, or of the share of yes."""
    counted = None if ignore_index is None else _unless_all(values != ignore_index)
    if counted is not None:
        values = torch.where(counted, values, torch.zeros_like(values))
    _refuse_outside(values, "0 and 1 in each channel, or the share of yes")
    if _whole(values):
        return values.long(), None, counted
    return None, _without(torch.stack([1 - values, values], 1), counted), counted


def _weights(
    weight: Tensor | None, counted: Tensor | None, logits: Tensor, shape: tuple[int, ...], multilabel: bool
) -> Tensor | None:
    """(B, *spatial) in the logits' type, or None where every voxel counts once."""
    labelled = None if counted is None else counted.to(logits.dtype)
    if weight is None:
        return labelled
    weight = _like(logits, "weight", weight).detach()
    full = multilabel and tuple(weight.shape) == shape
    if multilabel and not full:
        single = _reshaped("weight", weight, (shape[0], 1, *shape[2:]), False)
        weight = single.repeat_interleave(shape[1], 0)
    else:
        weight = _reshaped("weight", weight, shape if full else (shape[0], 1, *shape[2:]), full)
    if weight.device.type == "cpu" and weight.dtype != torch.bool:
        low, high = (float(value) for value in weight.aminmax())
        if not (low >= 0 and high < float("inf")):
            raise ValueError(
                f"weight: expected a mask or finite weights >= 0, {received(weight)} from {low:g} to {high:g}"
            )
    if labelled is None and weight.device.type == "cpu" and bool((weight == 1).all()):
        return None
    weight = weight.to(logits.dtype)
    return weight if labelled is None else weight * labelled


def _reshaped(name: str, value: Tensor, shape: tuple[int, ...], full: bool) -> Tensor:
    """(B, C, *spatial), or with C = 1 also (B, *spatial), as (B C, *spatial)."""
    plain = (shape[0], *shape[2:])
    if not full and tuple(value.shape) not in (plain, (shape[0], 1, *shape[2:])):
        raise ValueError(f"{name}: expected {plain} or {(shape[0], 1, *shape[2:])}, {received(value)}")
    return value.reshape(shape[0] * shape[1] if full else shape[0], *shape[2:])


def _like(logits: Tensor, name: str, value: Tensor) -> Tensor:
    """`value` as a plain tensor on the logits' device."""
    if not isinstance(value, Tensor) or value.is_complex():
        raise ValueError(f"{name}: expected a tensor of labels, {received(value)}; see spectralcal.losses.targets")
    if value.device != logits.device:
        raise ValueError(f"{name}: expected device {logits.device} as the logits, received {value.device}")
    return value if type(value) is Tensor else value.as_subclass(Tensor)


def _is_integer_map(target: object, axes: int) -> bool:
    """Whether a target is what most callers pass: integer labels without a class axis, or with one of length 1."""
    if type(target) is not Tensor or target.dtype not in _INTEGERS:
        return False
    return target.ndim == axes - 1 or (target.ndim == axes and target.shape[1] == 1)


def _unless_all(counted: Tensor) -> Tensor | None:
    """`counted`, or None on a CPU where it holds everywhere: nothing has to be left out then."""
    return None if counted.device.type == "cpu" and bool(counted.all()) else counted


def _whole(values: Tensor) -> bool:
    return not values.is_floating_point() or bool((values == values.round()).all())


def _without(soft: Tensor, counted: Tensor | None) -> Tensor:
    return soft if counted is None else soft * counted.unsqueeze(1)


def _refuse_outside(values: Tensor, what: str) -> None:
    if values.dtype != torch.bool and not (bool((values >= 0).all()) and bool((values <= 1).all())):
        low, high = (float(value) for value in values.aminmax())
        raise ValueError(
            f"target: expected {what}, in [0, 1], received {values.dtype} from {low:g} to {high:g}; "
            "name the label of voxels that do not count with ignore_index"
        )
