"""TransUNet as published: ResNet-50 of three stages, ViT-Base on its map, and a decoder with three skips.

Structure, initial values and state names are those of the authors' code, so that weights trained with it load here.
What differs: sides need not be equal, the positional embedding is resized to other grids, and bilinear upsampling is
written as matrix products, whose backward pass on CUDA is deterministic.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spectralcal.models._pretrained import put_weights, read_weights
from spectralcal.models._slicewise import Slicewise, in_plane
from spectralcal.models.padding import check_axes, check_channels, check_transformer
from spectralcal.models.transunet import resize_position

#: the transformer sees 1/16 of the resolution
DIVISOR = 16
#: side of a picture for which positions are learnt where no patch is given, in pixels
SIDE = 224
#: groups of normalisations; widths of the stem are multiples of it
GROUPS = 32
#: features between the transformer and the decoder
HEAD = 512


class TransUNetR50(Slicewise):
    """TransUNet R50-ViT-B/16 with configurable sizes, two-dimensional; volumes go through slice by slice.

    A picture of one channel is repeated to three, as published.

    Args:
        in_channels: image channels.
        num_classes: classes including background.
        spatial_dims: 2; with 3, every slice of a volume is a picture.
        stem: width of the first convolution; stages have 4, 8 and 16 times as much. Default 64, a multiple of 32.
        blocks: bottlenecks of each stage; default (3, 4, 9).
        width: features of a token; default 768, that of ViT-Base.
        depth: transformer blocks; default 12.
        heads: attention heads; default 12.
        mlp: hidden features of a block's MLP; default 3072.
        dropout: in the embedding and the MLPs; default 0.1.
        decoder: widths at 1/8, 1/4, 1/2 and full resolution; default (256, 128, 64, 16).
        patch: training patch in voxels per axis, which sets the grid of the positional embedding; it is interpolated
            for other sizes. Default 224 in the plane.
        weights: file of weights of the whole network, ``.safetensors``, ``.pth`` or ``.pt``; its segmentation head is
            left out, and its positions are interpolated to the patch's grid. None (default) leaves all random.
        weights_sha256: digest of that file or at least its first eight characters; needed with `weights`.
        axis: the spatial axis across slices of volumes; default -1, the last.

    Raises:
        ValueError: widths that do not fit each other, non-positive sizes, a dropout outside [0, 1), a patch of the
            wrong length, an axis that does not exist, impossible channel counts.
        ConfigError: a weights file that is missing, of another digest or of another network.

    Source: Chen et al., arXiv 2102.04306.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        spatial_dims: int = 3,
        stem: int = 64,
        blocks: tuple[int, ...] = (3, 4, 9),
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        mlp: int = 3072,
        dropout: float = 0.1,
        decoder: tuple[int, ...] = (256, 128, 64, 16),
        patch: tuple[int, ...] | None = None,
        weights: str | None = None,
        weights_sha256: str | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__()
        check_channels(in_channels, num_classes, spatial_dims)
        if stem < GROUPS or stem % GROUPS:
            raise ValueError(f"stem must be a multiple of {GROUPS}, the groups of its normalisation, got {stem}")
        for name, values, count in (("blocks", blocks, 3), ("decoder", decoder, 4)):
            if len(values) != count or min(values) < 1:
                raise ValueError(f"{name} needs {count} positive numbers, got {tuple(values)}")
        check_transformer(width, heads, depth=depth, mlp=mlp)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {dropout}")
        self.of_planes(spatial_dims, axis, DIVISOR, 2 * DIVISOR)
        if patch is not None:
            check_axes("patch", patch, spatial_dims)
        sides = (SIDE, SIDE) if patch is None else in_plane(patch, spatial_dims, axis)
        grid = tuple(size // DIVISOR for size in self.padded_sizes(sides))
        channels = 3 if in_channels == 1 else in_channels
        self.transformer = _Transformer(channels, stem, blocks, grid, width, depth, heads, mlp, dropout)
        self.decoder = _Decoder(width, (HEAD, *decoder), (8 * stem, 4 * stem, stem, 0))
        self.segmentation_head = nn.Sequential(nn.Conv2d(decoder[-1], num_classes, 3, padding=1))
        if weights is not None:
            name = "transformer.embeddings.position_embeddings"
            tensors = read_weights(weights, weights_sha256)
            put_weights(self, tensors, weights, own=("segmentation_head.",), fitted={name: self._position_fitted})

    def network(self, x: Tensor) -> Tensor:
        """Logits (B, num_classes, H, W) of divisible sizes."""
        tokens, features = self.transformer(x.repeat(1, 3, 1, 1) if x.shape[1] == 1 else x)
        return self.segmentation_head(self.decoder(tokens, features))

    def _position_fitted(self, position: Tensor, place: Tensor) -> Tensor:
        """Positions (1, N, width) of a square grid on this network's."""
        side = round(position.shape[1] ** 0.5)
        if position.shape == place.shape or position.ndim != 3 or side**2 != position.shape[1]:
            return position
        grid = self.transformer.embeddings.grid
        return resize_position(position.unflatten(1, (side, side)), grid).flatten(1, 2)


class _Transformer(nn.Module):
    """Pictures to tokens on a grid, (B, width, H / 16, W / 16), and the maps that the decoder's skips take."""

    def __init__(
        self, channels: int, stem: int, blocks: Sequence[int], grid: tuple[int, int], width: int, depth: int,
        heads: int, mlp: int, dropout: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.embeddings = _Embeddings(channels, stem, blocks, grid, width, dropout)
        self.encoder = _Encoder(width, depth, heads, mlp, dropout)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        x, features = self.embeddings(x)
        return self.encoder(x.flatten(1, 2)).unflatten(1, x.shape[1:3]).movedim(-1, 1), features


class _Embeddings(nn.Module):
    """The ResNet's map as tokens (B, H / 16, W / 16, width) with positions, and its earlier maps."""

    def __init__(
        self, channels: int, stem: int, blocks: Sequence[int], grid: tuple[int, int], width: int, dropout: float
    ) -> None:
        super().__init__()
        self.grid = grid
        self.hybrid_model = _ResNet(channels, stem, blocks)
        self.patch_embeddings = nn.Conv2d(16 * stem, width, kernel_size=1)
        self.position_embeddings = nn.Parameter(torch.zeros(1, grid[0] * grid[1], width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        x, features = self.hybrid_model(x)
        position = resize_position(self.position_embeddings.unflatten(1, self.grid), x.shape[2:])
        return self.dropout(self.patch_embeddings(x).movedim(1, -1) + position), features


class _ResNet(nn.Module):
    """ResNet of three stages with standardised weights and group normalisation: maps at 1/16 and 1/2, 1/4, 1/8."""

    def __init__(self, channels: int, stem: int, blocks: Sequence[int]) -> None:
        super().__init__()
        self.root = nn.Sequential(
            OrderedDict(
                conv=StandardisedConv2d(channels, stem, 7, stride=2, padding=3, bias=False),
                gn=nn.GroupNorm(GROUPS, stem, eps=1e-6),
                relu=nn.ReLU(inplace=True),
            )
        )
        self.body = nn.Sequential(OrderedDict(
            (f"block{stage + 1}", _stage(stem * (4 * 2 ** (stage - 1) if stage else 1), stem * 2**stage, count,
                                         stride=2 if stage else 1))
            for stage, count in enumerate(blocks)
        ))  # fmt: skip

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        size = x.shape[2:]
        x = self.root(x)
        features = [x]
        x = F.max_pool2d(x, kernel_size=3, stride=2)  # unpadded: a pixel short of 1/4
        for stage, block in enumerate(self.body):
            x = block(x)
            if stage < len(self.body) - 1:
                short = [side // (4 * 2**stage) - found for side, found in zip(size, x.shape[2:], strict=True)]
                features.append(F.pad(x, (0, short[1], 0, short[0])))  # zeros at the lower right, as published
        return x, features[::-1]


def _stage(before: int, middle: int, count: int, stride: int) -> nn.Sequential:
    units = [Bottleneck(before, middle, stride)] + [Bottleneck(4 * middle, middle, 1) for _ in range(count - 1)]
    return nn.Sequential(OrderedDict((f"unit{index}", unit) for index, unit in enumerate(units, start=1)))


class StandardisedConv2d(nn.Conv2d):
    """Convolution whose filters have mean 0 and variance 1 (Qiao et al., 2019)."""

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(self.weight, dim=(1, 2, 3), keepdim=True, unbiased=False)
        weight = (self.weight - mean) / torch.sqrt(variance + 1e-5)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolution, each with group normalisation, and a shortcut: `before` to 4 `middle`."""

    def __init__(self, before: int, middle: int, stride: int) -> None:
        super().__init__()
        after = 4 * middle
        self.gn1, self.conv1 = _group_norm(middle), StandardisedConv2d(before, middle, 1, bias=False)
        self.gn2 = _group_norm(middle)
        self.conv2 = StandardisedConv2d(middle, middle, 3, stride=stride, padding=1, bias=False)
        self.gn3, self.conv3 = _group_norm(after), StandardisedConv2d(middle, after, 1, bias=False)
        self.downsample = None
        if stride != 1 or before != after:
            self.downsample = StandardisedConv2d(before, after, 1, stride=stride, bias=False)
            self.gn_proj = nn.GroupNorm(after, after)  # a group a channel, as published

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.gn_proj(self.downsample(x))
        x = F.relu(self.gn1(self.conv1(x)))
        x = F.relu(self.gn2(self.conv2(x)))
        return F.relu(shortcut + self.gn3(self.conv3(x)))


def _group_norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(GROUPS, channels, eps=1e-6)


class _Encoder(nn.Module):
    """Transformer blocks and a last normalisation: (B, N, width) -> (B, N, width)."""

    def __init__(self, width: int, depth: int, heads: int, mlp: int, dropout: float) -> None:
        super().__init__()
        self.layer = nn.ModuleList(_Block(width, heads, mlp, dropout) for _ in range(depth))
        self.encoder_norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.layer:
            x = block(x)
        return self.encoder_norm(x)


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, mlp: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm, self.ffn_norm = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.ffn, self.attn = _MLP(width, mlp, dropout), _Attention(width, heads)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.attention_norm(x))
        return x + self.ffn(self.ffn_norm(x))


class _MLP(nn.Module):
    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)
        for layer in (self.fc1, self.fc2):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.normal_(layer.bias, std=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.fc2(self.dropout(F.gelu(self.fc1(x)))))


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )  # each (B, heads, N, width / heads)
        return self.out(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class _Decoder(nn.Module):
    """Tokens at 1/16 and maps at 1/8, 1/4 and 1/2 to features at full resolution."""

    def __init__(self, width: int, widths: Sequence[int], skips: Sequence[int]) -> None:
        super().__init__()
        self.conv_more = _convolution(width, widths[0])
        self.blocks = nn.ModuleList(
            _Upsampling(before + skip, after)
            for (before, after), skip in zip(itertools.pairwise(widths), skips, strict=True)
        )

    def forward(self, tokens: Tensor, features: Sequence[Tensor]) -> Tensor:
        x = self.conv_more(tokens)
        for block, skip in itertools.zip_longest(self.blocks, features):
            x = block(x, skip)
        return x


class _Upsampling(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = _convolution(before, after), _convolution(after, after)

    def forward(self, x: Tensor, skip: Tensor | None) -> Tensor:
        x = twice(x)
        return self.conv2(self.conv1(x if skip is None else torch.cat([x, skip], dim=1)))


def twice(x: Tensor) -> Tensor:
    """(B, C, H, W) at twice the resolution, bilinear with aligned corners."""
    dtype = x.dtype
    with torch.autocast(x.device.type, enabled=False):
        for axis in (2, 3):
            size = x.shape[axis]
            places = torch.arange(2 * size, device=x.device) * ((size - 1) / (2 * size - 1))
            weights = (1 - (places[:, None] - torch.arange(size, device=x.device)).abs()).clamp_min(0)
            x = torch.tensordot(x.float(), weights, dims=([axis], [1])).movedim(-1, axis)
    return x.to(dtype)


def _convolution(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )


MODEL = TransUNetR50
LABEL = "TransUNet, R50-ViT-B/16"
