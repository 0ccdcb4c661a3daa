"""A U-Net whose encoder is a ResNet, as photographs' networks are, so that weights trained on them fit.

Encoder and decoder have the form and the state names of the widespread ``segmentation_models_pytorch`` U-Net: five
halvings, nearest upsampling, two convolutions with batch normalisation at each resolution. The encoder is MONAI's,
whose ResNet-50 has torchvision's state names.
"""

from __future__ import annotations

import itertools
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spectralcal.models._pretrained import of_image_channels, put_weights, read_weights
from spectralcal.models._slicewise import Slicewise
from spectralcal.models.padding import check_channels

#: halvings of the encoder
STAGES = 5
#: Encoders whose shortcuts are torchvision's. MONAI's resnet18 and resnet34 have shortcuts without parameters, which
#: weights of other libraries do not fit.
ENCODERS = ("resnet10", "resnet50", "resnet101", "resnet152")


class UNetResNet(Slicewise):
    """U-Net with a ResNet encoder, two-dimensional; volumes go through slice by slice.

    Args:
        in_channels: image channels.
        num_classes: classes including background.
        spatial_dims: 2; with 3, every slice of a volume is a picture.
        encoder: "resnet50" (default), "resnet101", "resnet152", or "resnet10", a small one for which no published
            weights are known.
        decoder: widths at 1/16, 1/8, 1/4, 1/2 and full resolution.
        weights: file of the encoder's weights, ``.safetensors``, ``.pth`` or ``.pt``, with torchvision's state names
            (its ``fc`` is left out); None (default) leaves them random. For images of one channel the first
            convolution's three are summed.
        weights_sha256: digest of that file or at least its first eight characters; needed with `weights`.
        axis: the spatial axis across slices of volumes; default -1, the last.

    Raises:
        ValueError: an unknown encoder, other than five positive widths, an axis that does not exist, impossible channel
            counts.
        ConfigError: a weights file that is missing, of another digest or of another network.

    Source: Ronneberger et al., MICCAI 2015; He et al., CVPR 2016; Iakubovskii, segmentation_models_pytorch, 2019.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        spatial_dims: int = 3,
        encoder: Literal["resnet10", "resnet50", "resnet101", "resnet152"] = "resnet50",
        decoder: tuple[int, ...] = (256, 128, 64, 32, 16),
        weights: str | None = None,
        weights_sha256: str | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__()
        check_channels(in_channels, num_classes, spatial_dims)
        if encoder not in ENCODERS:
            raise ValueError(f"encoder must be one of {', '.join(ENCODERS)}, got {encoder!r}")
        if len(decoder) != STAGES or min(decoder) < 1:
            raise ValueError(f"decoder needs {STAGES} positive widths, got {tuple(decoder)}")
        # Twice the divisor: batch normalisation needs more than one value, also of a batch of one.
        self.of_planes(spatial_dims, axis, 2**STAGES, 2 * 2**STAGES)
        from monai.networks.nets.resnet import ResNetEncoder  # seconds to import: only where a network is built

        self.encoder = ResNetEncoder(encoder, pretrained=False, spatial_dims=2, in_channels=in_channels)
        widths = ResNetEncoder.num_channels_per_output()[ResNetEncoder.backbone_names.index(encoder)]
        self.deepest = widths[-1]
        self.decoder = Decoder(widths, tuple(decoder))
        self.segmentation_head = nn.Sequential(nn.Conv2d(decoder[-1], num_classes, 3, padding=1))
        nn.init.xavier_uniform_(self.segmentation_head[0].weight)
        nn.init.zeros_(self.segmentation_head[0].bias)
        if weights is not None:
            tensors = read_weights(weights, weights_sha256)
            put_weights(self.encoder, tensors, weights, spare=("fc.",), fitted={"conv1.weight": of_image_channels})

    def network(self, x: Tensor) -> Tensor:
        """Logits (B, num_classes, H, W) of divisible sizes."""
        *skips, deepest = self.encoder(x)
        return self.segmentation_head(self.decoder(self.at_the_bottom(deepest), skips))

    def at_the_bottom(self, x: Tensor) -> Tensor:
        """What is done to the deepest map (B, K, H / 32, W / 32): nothing here."""
        return x


class Decoder(nn.Module):
    """Maps at 1/2, 1/4, 1/8, 1/16 and 1/32 of the resolution to one at the full."""

    def __init__(self, encoder: tuple[int, ...], widths: tuple[int, ...]) -> None:
        super().__init__()
        befores, skips = (encoder[-1], *widths), (*encoder[-2::-1], 0)
        self.blocks = nn.ModuleList(
            Block(before + skip, after)
            for (before, after), skip in zip(itertools.pairwise(befores), skips, strict=True)
        )

    def forward(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        for block, skip in itertools.zip_longest(self.blocks, reversed(skips)):
            x = block(x, skip)
        return x


class Block(nn.Module):
    """Twice the resolution, the skip beside it where there is one, and two convolutions."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = _convolution(before, after), _convolution(after, after)

    def forward(self, x: Tensor, skip: Tensor | None) -> Tensor:
        # Nearest: its backward pass is deterministic on CUDA.
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        return self.conv2(self.conv1(x if skip is None else torch.cat([x, skip], dim=1)))


def _convolution(before: int, after: int) -> nn.Sequential:
    conv = nn.Conv2d(before, after, 3, padding=1, bias=False)
    nn.init.kaiming_uniform_(conv.weight, nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU(inplace=True))


MODEL = UNetResNet
LABEL = "U-Net, ResNet"
