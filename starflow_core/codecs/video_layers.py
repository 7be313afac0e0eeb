"""Layers of the video autoencoder: causal in time, so that a video runs through them chunk by chunk.

Tensors are (B, channels, time, height, width). The first chunk is a video's first frame alone. What a later chunk needs
of those before it is carried from one to the next; its size does not grow with the video.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

Carried = dict[nn.Module, Tensor]
"""Last input frames of the layers that look back, by layer; empty before the first chunk."""

LOOKBACK = 2  # frames before its own that a causal convolution sees


def causal(conv: nn.Module, x: Tensor, carried: Carried) -> Tensor:
    """A 3×3×3 convolution that sees no later frame; frames before the video are zeros."""
    past = carried.get(conv)
    if past is None:
        past = x.new_zeros(*x.shape[:2], LOOKBACK, *x.shape[3:])
    x = torch.cat([past, x], dim=2)
    carried[conv] = x[:, :, -LOOKBACK:].clone()  # a view would keep the whole chunk
    y: Tensor = conv(x)
    return y


def framewise(layer: nn.Module, x: Tensor) -> Tensor:
    """A layer of pictures, on each frame."""
    B = x.shape[0]
    return rearrange(layer(rearrange(x, "b c t h w -> (b t) c h w")), "(b t) c h w -> b c t h w", b=B)


class Norm(nn.Module):
    """RMS norm over channels, without a bias; `axes` is the number of axes after the channels that its weight has."""

    def __init__(self, width: int, axes: int = 3, **factory: Any) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width, *(1,) * axes, **factory))

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=1) * x.shape[1] ** 0.5 * self.gamma.to(x)


class CausalResidual(nn.Module):
    """Two normalised causal convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, operations: Any, **factory: Any) -> None:
        super().__init__()
        self.norm1 = Norm(inputs, **factory)
        self.conv1 = operations.Conv3d(inputs, outputs, 3, padding=(0, 1, 1), **factory)
        self.norm2 = Norm(outputs, **factory)
        self.conv2 = operations.Conv3d(outputs, outputs, 3, padding=(0, 1, 1), **factory)
        self.conv_shortcut = operations.Conv3d(inputs, outputs, 1, **factory) if inputs != outputs else None

    def forward(self, x: Tensor, carried: Carried) -> Tensor:
        h = causal(self.conv1, F.silu(self.norm1(x)), carried)
        h = causal(self.conv2, F.silu(self.norm2(h)), carried)
        return h + (x if self.conv_shortcut is None else self.conv_shortcut(x))


class FrameAttention(nn.Module):
    """Single-head self-attention over the positions of each picture (B, C, H, W)."""

    def __init__(self, width: int, operations: Any, **factory: Any) -> None:
        super().__init__()
        self.norm = Norm(width, 2, **factory)
        self.to_qkv = operations.Conv2d(width, 3 * width, 1, **factory)
        self.proj = operations.Conv2d(width, width, 1, **factory)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.to_qkv(self.norm(x)).flatten(2).transpose(1, 2)[:, None]  # (B, 1, H·W, 3·width)
        h = F.scaled_dot_product_attention(*qkv.chunk(3, dim=-1))
        return x + self.proj(h[:, 0].transpose(1, 2).reshape(x.shape))


class Middle(nn.Module):
    """Attention between two residual layers, at the smallest resolution."""

    def __init__(self, width: int, operations: Any, **factory: Any) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(CausalResidual(width, width, operations, **factory) for _ in range(2))
        self.attentions = nn.ModuleList([FrameAttention(width, operations, **factory)])

    def forward(self, x: Tensor, carried: Carried) -> Tensor:
        x = framewise(self.attentions[0], self.resnets[0](x, carried))
        y: Tensor = self.resnets[1](x, carried)
        return y


class Down(nn.Module):
    """Half the sides, padded below and to the right only; then half the frames, the first of which is kept as it is."""

    def __init__(self, width: int, in_time: bool, operations: Any, **factory: Any) -> None:
        super().__init__()
        conv = operations.Conv2d(width, width, 3, stride=2, **factory)
        self.resample = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), conv)
        self.time_conv = operations.Conv3d(width, width, (3, 1, 1), (2, 1, 1), **factory) if in_time else None

    def forward(self, x: Tensor, carried: Carried) -> Tensor:
        x = framewise(self.resample, x)
        if self.time_conv is None:
            return x
        past = carried.get(self)
        carried[self] = x[:, :, -1:].clone()
        return x if past is None else self.time_conv(torch.cat([past, x], dim=2))


class Up(nn.Module):
    """Twice the frames, the first of which is kept as it is; then twice the sides, by nearest neighbours."""

    def __init__(self, width: int, in_time: bool, operations: Any, **factory: Any) -> None:
        super().__init__()
        conv = operations.Conv2d(width, width, 3, padding=1, **factory)
        self.resample = nn.Sequential(nn.Upsample(scale_factor=2.0, mode="nearest"), conv)
        self.time_conv = operations.Conv3d(width, 2 * width, (3, 1, 1), **factory) if in_time else None

    def forward(self, x: Tensor, carried: Carried) -> Tensor:
        if self.time_conv is not None:
            x = self._doubled(x, carried)
        return framewise(self.resample, x)

    def _doubled(self, x: Tensor, carried: Carried) -> Tensor:
        assert self.time_conv is not None
        past = carried.get(self)
        if past is None:  # the first frame, which later ones see as zeros
            carried[self] = x.new_zeros(*x.shape[:2], LOOKBACK, *x.shape[3:])
            return x
        seen = torch.cat([past, x], dim=2)
        carried[self] = seen[:, :, -LOOKBACK:].clone()
        return rearrange(self.time_conv(seen), "b (a c) t h w -> b c (t a) h w", a=2)


class DownStage(nn.Module):
    """Residual layers and a `Down`, beside a shortcut of means."""

    def __init__(
        self, inputs: int, outputs: int, layers: int, time: int, space: int, operations: Any, **factory: Any
    ) -> None:
        super().__init__()
        self.outputs, self.time, self.space = outputs, time, space
        self.resnets = nn.ModuleList(
            CausalResidual(inputs if i == 0 else outputs, outputs, operations, **factory) for i in range(layers)
        )
        self.downsampler = Down(outputs, time == 2, operations, **factory) if space == 2 else None

    def forward(self, x: Tensor, carried: Carried) -> Tensor:
        is_first = self.resnets[0].conv1 not in carried
        h = x
        for layer in self.resnets:
            h = layer(h, carried)
        if self.downsampler is not None:
            h = self.downsampler(h, carried)
        return h + self._means(x, is_first)

    def _means(self, x: Tensor, is_first: bool) -> Tensor:
        if self.time == 2 and is_first:
            x = F.pad(x, (0, 0, 0, 0, 1, 0))
        x = rearrange(x, "b c (t a) (h p) (w q) -> b (c a p q) t h w", a=self.time, p=self.space, q=self.space)
        return x.unflatten(1, (self.outputs, -1)).mean(2)


class UpStage(nn.Module):
    """Residual layers and an `Up`, beside a shortcut of copies; the last stage is residual layers alone."""

    def __init__(
        self, inputs: int, outputs: int, layers: int, time: int, space: int, operations: Any, **factory: Any
    ) -> None:
        super().__init__()
        self.outputs, self.time, self.space = outputs, time, space
        self.resnets = nn.ModuleList(
            CausalResidual(inputs if i == 0 else outputs, outputs, operations, **factory) for i in range(layers)
        )
        self.upsampler = Up(outputs, time == 2, operations, **factory) if space == 2 else None

    def forward(self, x: Tensor, carried: Carried) -> Tensor:
        is_first = self.resnets[0].conv1 not in carried
        h = x
        for layer in self.resnets:
            h = layer(h, carried)
        return h if self.upsampler is None else self.upsampler(h, carried) + self._copies(x, is_first)

    def _copies(self, x: Tensor, is_first: bool) -> Tensor:
        x = x.repeat_interleave(self.outputs * self.time * self.space**2 // x.shape[1], dim=1)
        x = rearrange(x, "b (c a p q) t h w -> b c (t a) (h p) (w q)", a=self.time, p=self.space, q=self.space)
        return x[:, :, 1:] if self.time == 2 and is_first else x
