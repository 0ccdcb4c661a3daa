"""The moving reference of the spectral loss: band powers of recent batches (paper, Eq. 6 and Algorithm 1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spectralcal.losses._validation import at_least, between, choice


class BandHistory(nn.Module):
    """Mean band powers over a window of batches, or their exponential moving average.

    Each call appends the batch and then returns the reference, as Algorithm 1 orders it. The batch is kept in training
    mode where gradients are recorded: validation loops that forget ``eval()`` run under ``no_grad``. Otherwise the
    reference is what training would have used and nothing is kept. A batch with a NaN or
    inf is never kept, since it would spoil the reference for a full window.

    Args:
        bands: number of bands K.
        window: batches W that the reference looks back on, the current one included; 1 uses the current batch alone.
        kind: "window" or "ema", reference <- momentum * reference + (1 - momentum) * batch, begun with the first batch.
        init: how a window that is not yet full is averaged, at step t < W with batches S_1..S_t: "running" their mean
            (Algorithm 1); "fill_first" as if S_1 had filled the window, ((W-t+1) S_1 + S_2 + ... + S_t) / W;
            "pad_current" as if S_t filled the gaps, (S_1 + ... + S_t + (W-t) S_t) / W. All agree at t = 1 and t >= W.
        momentum: of "ema"; unused by "window".

    Buffers (in ``state_dict``): values (W, K), oldest first; count (), batches kept so far. "ema" uses one row.
    """

    values: Tensor
    count: Tensor

    def __init__(
        self, bands: int, window: int = 50, kind: str = "window", init: str = "running", momentum: float = 0.98
    ) -> None:
        super().__init__()
        at_least("window", window, 1)
        choice("history", kind, ("window", "ema"))
        choice("history_init", init, ("running", "fill_first", "pad_current"))
        between("momentum", momentum, 0.0, 1.0)
        self.kind, self.init, self.momentum = kind, init, momentum
        self.register_buffer("values", torch.zeros(window if kind == "window" else 1, bands))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, batch: Tensor) -> Tensor:
        """The reference (K,) after appending the batch's mean band powers (K,).

        Gradients reach `batch` through its own place in the reference only; detach it for a fixed reference.

        Raises:
            ValueError: `batch` has another number of bands than the history.
        """
        if batch.shape != self.values.shape[1:]:
            raise ValueError(
                f"history: expected {self.values.shape[1]} bands, received {tuple(batch.shape)}; "
                "one loss object keeps one number of bands"
            )
        if self.values.device != batch.device:
            self.to(batch.device)
        past, first = self.values.to(batch.dtype), self.count == 0
        if self.kind == "ema":
            rows = torch.where(first, batch, self.momentum * past + (1 - self.momentum) * batch)
            reference = rows[0]
        else:
            rows = torch.cat([past[1:], batch.unsqueeze(0)])
            window = len(rows)
            filled = torch.arange(window, device=batch.device) >= window - 1 - self.count
            if self.init == "fill_first":
                rows = torch.where(first, batch, rows)
            elif self.init == "pad_current":
                rows = torch.where(filled.unsqueeze(1), rows, batch)
            else:
                rows = rows * filled.unsqueeze(1)
                window = (self.count + 1).clamp_max(window)
            reference = rows.sum(0) / window
        if self.training and torch.is_grad_enabled():
            self._keep(rows.detach())
        return reference

    @property
    def missing(self) -> int:
        """Batches that a window still lacks; 0 for a moving average, which has no end."""
        return max(len(self.values) - int(self.count), 0) if self.kind == "window" else 0

    def _keep(self, rows: Tensor) -> None:
        # Chosen on the device: a Python branch would wait for it.
        fine = torch.isfinite(rows).all()
        self.values.copy_(torch.where(fine, rows.to(self.values.dtype), self.values))
        self.count.add_(fine)


class SizedHistory(nn.Module):
    """One :class:`BandHistory` for each spatial size that comes by.

    Band powers grow with the number of voxels, so maps of different sizes (levels of deep supervision, patches of
    several sizes) have no common mean. The state of every size is in ``state_dict`` under ``sizes.<size>``.

    Args:
        options: of :class:`BandHistory`, `bands` included; a batch of fewer bands gets a history of fewer.
    """

    def __init__(self, **options: object) -> None:
        super().__init__()
        self.options = options
        BandHistory(**options)  # a wrong option is refused now, not at the first batch
        self.sizes = nn.ModuleDict()

    def forward(self, batch: Tensor, size: tuple[int, ...]) -> Tensor:
        """The reference (K,) for maps of spatial `size` after appending their mean band powers (K,)."""
        return self._of("x".join(map(str, size)), batch)(batch)

    @property
    def limits_reached(self) -> list[str]:
        """A line for each size whose window did not become full."""
        return [
            f"the window of maps of {size.replace('x', ' x ')} never became full: "
            f"{int(history.count)} of {len(history.values)} batches (history_init: {history.init})"
            for size, history in self.sizes.items()
            if history.missing
        ]

    def _of(self, key: str, batch: Tensor) -> BandHistory:
        if key in self.sizes:
            return self.sizes[key]
        history = BandHistory(**self.options | {"bands": len(batch)}).train(self.training).to(batch)
        if self.training and torch.is_grad_enabled():
            self.sizes[key] = history
        return history

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *rest: object) -> None:
        known = {
            key.removeprefix(f"{prefix}sizes.").split(".")[0] for key in state_dict if key.startswith(f"{prefix}sizes.")
        }
        for key in sorted(known - set(self.sizes)):
            stored = state_dict[f"{prefix}sizes.{key}.values"]
            # A map too small for all bands has a history of fewer.
            bands = min(stored.shape[-1], self.options["bands"])
            self.sizes[key] = BandHistory(**self.options | {"bands": bands}).train(self.training).to(dtype=stored.dtype)
        super()._load_from_state_dict(state_dict, prefix, *rest)
