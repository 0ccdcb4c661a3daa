"""Device and number format of a run."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Literal

import torch
from torch import nn

from spectralcal.base.errors import ConfigError

#: instruction sets without bfloat16, by their names in ONEDNN_MAX_CPU_ISA
WITHOUT_BF16 = frozenset({"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI"})


def choose_device(request: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """The device to run on; asking for CUDA where there is none is an error, not a silent week on a CPU."""
    if request == "cuda" and not torch.cuda.is_available():
        raise ConfigError("compute.device: 'cuda' was asked for, but torch finds no CUDA device; use 'auto' or 'cpu'")
    if request == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(request)


def native_precision(device: torch.device) -> Literal["bf16", "fp32"]:
    """bf16 where the device multiplies it natively (Ampere and later, AVX512-BF16 or AMX), else fp32.

    That a device has the instructions does not mean that a network is right in it
    (:mod:`spectralcal.engine.arithmetic`).
    """
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device)[0] >= 8 else "fp32"
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", os.environ.get("DNNL_MAX_CPU_ISA", ""))
    if limit.upper() in WITHOUT_BF16:
        return "fp32"  # convolutions would be emulated, many times slower
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return "bf16" if probe is not None and probe() else "fp32"


def set_determinism(deterministic: bool, device: torch.device) -> None:
    """Whether CUDA may choose algorithms that add in another order each time; call it before the device is used.

    Without it cuDNN times its convolutions and takes the fastest. With it two runs on one device end with the same
    bits, but for operations that have no such form (PyTorch warns of each). A CPU is deterministic either way.
    """
    if device.type != "cuda":
        return
    if deterministic:
        # cuBLAS reads it when its first handle is made.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = not deterministic


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """Autocast context of the network's forward pass."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def memory_format(spatial_dims: int, channels_last: bool) -> torch.memory_format:
    """Channels-last for the number of spatial dimensions, or contiguous."""
    if not channels_last:
        return torch.contiguous_format
    return torch.channels_last_3d if spatial_dims == 3 else torch.channels_last


def in_layout(network: nn.Module, device: torch.device, layout: torch.memory_format) -> nn.Module:
    """`network` on `device`, its weights in a memory format of :func:`memory_format`; changed in place.

    Channels-last goes by the rank of each weight: a network for volumes may have 2-D convolutions.
    """
    network.to(device)
    if layout == torch.contiguous_format:
        return network
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.ndim in formats:
            tensor.data = tensor.data.to(memory_format=formats[tensor.ndim])
    return network


def device_name(device: torch.device) -> str:
    """Name of the device for provenance, for example ``NVIDIA H200`` or ``cpu (AVX512)``."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({torch.backends.cpu.get_cpu_capability()})"
