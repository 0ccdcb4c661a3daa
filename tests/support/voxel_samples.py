"""Voxels whose labels follow the softmax of known logits, for fits whose answer is known."""

import torch


def voxels(count=20_000, classes=4, sharpness=1.0, background=0.0, seed=0):
    """Logits (N, C) and labels (N,) drawn from softmax(logits / sharpness): the temperature to find is `sharpness`."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(count, classes, generator=generator)
    logits[:, 0] += background
    labels = torch.multinomial(torch.softmax(logits, 1), 1, generator=generator)[:, 0]
    return logits * sharpness, labels


def nll(logits, labels):
    """Mean negative log-likelihood, written out."""
    logs = logits.double() - logits.double().logsumexp(1, keepdim=True)
    return -float(logs[torch.arange(len(labels)), labels].mean())
