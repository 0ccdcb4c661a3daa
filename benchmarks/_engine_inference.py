"""Prediction of one volume by the project's sliding window or MONAI's, alone in a process: seconds and peak memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

#: MONAI's SlidingWindowInferer as it comes, and with what the study asks for
DEFAULTS, STUDY = {"overlap": 0.25, "blending": "constant"}, {"overlap": 0.5, "blending": "gaussian"}


def predicted(who: str, shape: tuple[int, ...], window: int, network: str, device: str, **blending: Any) -> dict:
    """Predict in a process of its own.

    Args:
        who: "ours" or "monai".
        shape: voxels of the volume, one channel; five classes.
        window: voxels per axis of a window.
        network: "unet" (the study's network for a CPU), "default" (its U-Net for a GPU) or "none" (a convolution of
            one voxel, to see what the sliding window itself takes).
        device: "cpu" or "cuda".
        blending: overlap and blending.

    Returns:
        seconds, GiB of the process at its peak, GiB before prediction, GiB of the result; on CUDA the device's peak.
    """
    job = {"who": who, "shape": shape, "window": window, "network": network, "device": device, **blending}
    command = [sys.executable, __file__, json.dumps(job)]
    found = subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", check=False, env=os.environ
    )
    if found.returncode:
        raise RuntimeError(found.stderr.strip().splitlines()[-1] if found.stderr else f"exit {found.returncode}")
    return json.loads(found.stdout.splitlines()[-1])


def _child(job: dict[str, Any]) -> dict[str, float]:
    import numpy as np
    import torch
    from torch import nn

    from spectralcal.engine.predict import predict_probabilities
    from spectralcal.machine.device import autocast, native_precision
    from spectralcal.models import build_model
    from spectralcal.study.config import InferenceConfig

    shape, device = tuple(job["shape"]), torch.device(job["device"])
    torch.manual_seed(0)
    networks = {
        "none": lambda: nn.Conv3d(1, 5, 1),
        "unet": lambda: build_model("unet", 1, 5, channels=(8, 16, 32, 64)),
        "default": lambda: build_model("unet", 1, 5),
    }
    model, precision = networks[job["network"]]().to(device).eval(), native_precision(device)
    window = (job["window"],) * 3
    # Pages of zeros would not be resident: the volume is to take its place.
    image = np.random.default_rng(0).standard_normal((1, *shape), np.float32)

    if job["who"] == "ours":
        settings = InferenceConfig(overlap=job["overlap"], blending=job["blending"])

        def predict() -> torch.Tensor:
            return predict_probabilities(model, image, window, settings, device=device, precision=precision)

    else:
        from monai.inferers import SlidingWindowInferer

        inferer = SlidingWindowInferer(window, overlap=job["overlap"], mode=job["blending"])

        def predict() -> torch.Tensor:
            with torch.inference_mode(), autocast(device, precision):
                logits = inferer(torch.from_numpy(image)[None].to(device), model)
            return torch.softmax(logits[0].float(), 0).cpu()

    with torch.inference_mode(), autocast(device, precision):
        model(torch.zeros(1, 1, *window, device=device))
    before = _status("VmRSS")
    begun = time.perf_counter()
    result = predict()
    seconds = time.perf_counter() - begun
    found = {"seconds": seconds, "peak": _status("VmHWM"), "before": before, "result": result.nbytes / 2**30}
    return found | ({"device peak": torch.cuda.max_memory_allocated() / 2**30} if device.type == "cuda" else {})


def _status(name: str) -> float:
    """GiB of this process, from Linux's record of it."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 2**20
    return float("nan")


if __name__ == "__main__":
    print(json.dumps(_child(json.loads(sys.argv[1]))))
