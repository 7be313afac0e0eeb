"""The video autoencoder of WAN 2.2 (arXiv 2503.20314), causal in time, under diffusers' tensor names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .. import operations as casting
from ..flow.state_dict import load_strict
from ..operations import Computing
from .video_config import VideoAutoencoderConfig, diffusers_name
from .video_layers import Carried, DownStage, Middle, Norm, UpStage, causal

PIXELS = 12  # numbers of a patch of 2×2 pixels


class VideoEncoder(nn.Module):
    """A chunk of patches (B, 12, t, H/2, W/2) → (B, 2·z_dim, t', h, w), before `quant_conv`."""

    def __init__(self, config: VideoAutoencoderConfig, operations: Any, **factory: Any) -> None:
        super().__init__()
        widths = [config.dim * multiple for multiple in (1, *config.dim_mult)]
        halved = [(2 if in_time else 1, 2) for in_time in config.temperal_downsample] + [(1, 1)]
        self.conv_in = operations.Conv3d(PIXELS, widths[0], 3, padding=(0, 1, 1), **factory)
        self.down_blocks = nn.ModuleList(
            DownStage(widths[i], widths[i + 1], config.num_res_blocks, time, space, operations, **factory)
            for i, (time, space) in enumerate(halved)
        )
        self.mid_block = Middle(widths[-1], operations, **factory)
        self.norm_out = Norm(widths[-1], **factory)
        self.conv_out = operations.Conv3d(widths[-1], 2 * config.z_dim, 3, padding=(0, 1, 1), **factory)

    def forward(self, x: Tensor, carried: Carried) -> Tensor:
        x = causal(self.conv_in, x, carried)
        for stage in self.down_blocks:
            x = stage(x, carried)
        return causal(self.conv_out, F.silu(self.norm_out(self.mid_block(x, carried))), carried)


class VideoDecoder(nn.Module):
    """A chunk of latents (B, z_dim, t, h, w), after `post_quant_conv`, → patches (B, 12, t', H/2, W/2)."""

    def __init__(self, config: VideoAutoencoderConfig, operations: Any, **factory: Any) -> None:
        super().__init__()
        multiples = config.dim_mult[::-1]
        widths = [config.dec_dim * multiple for multiple in (multiples[0], *multiples)]
        doubled = [(2 if in_time else 1, 2) for in_time in config.temperal_downsample[::-1]] + [(1, 1)]
        self.conv_in = operations.Conv3d(config.z_dim, widths[0], 3, padding=(0, 1, 1), **factory)
        self.mid_block = Middle(widths[0], operations, **factory)
        self.up_blocks = nn.ModuleList(
            UpStage(widths[i], widths[i + 1], config.num_res_blocks + 1, time, space, operations, **factory)
            for i, (time, space) in enumerate(doubled)
        )
        self.norm_out = Norm(widths[-1], **factory)
        self.conv_out = operations.Conv3d(widths[-1], PIXELS, 3, padding=(0, 1, 1), **factory)

    def forward(self, x: Tensor, carried: Carried) -> Tensor:
        x = self.mid_block(causal(self.conv_in, x, carried), carried)
        for stage in self.up_blocks:
            x = stage(x, carried)
        return causal(self.conv_out, F.silu(self.norm_out(x)), carried)


class VideoAutoencoder(Computing):
    """Videos ↔ latents, normalised as the flow takes them.

    A video of 4k + 1 frames has k + 1 latent frames. It is encoded and decoded latent frame by latent frame, so memory
    beside input and output does not grow with its length. A picture (B, 3, H, W) is a video of one frame.

    Args:
        config: what to build.
        operations: namespace that `Conv2d` and `Conv3d` are taken from; by default, of layers that cast their weights
            at use.
        factory: `device` and `dtype` for the parameters.

    Attributes:
        device, dtype: where and in what dtype it computes, as for a `Flow`.
    """

    def __init__(self, config: VideoAutoencoderConfig, operations: Any = casting, **factory: Any) -> None:
        super().__init__(**factory)
        self.config = config
        C = config.z_dim
        self.encoder = VideoEncoder(config, operations, **factory)
        self.quant_conv = operations.Conv3d(2 * C, 2 * C, 1, **factory)
        self.post_quant_conv = operations.Conv3d(C, C, 1, **factory)
        self.decoder = VideoDecoder(config, operations, **factory)

    @classmethod
    @torch.inference_mode(False)
    def from_state_dict(
        cls,
        config: VideoAutoencoderConfig,
        state_dict: Mapping[str, Tensor],
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        operations: Any = casting,
    ) -> VideoAutoencoder:
        """An autoencoder ready for use from a state dict under the original or diffusers' names.

        Raises:
            ValueError: tensors are missing, unexpected or of another shape than `config` says.
        """
        autoencoder = cls(config, operations, device="meta")
        expected = (autoencoder if operations is casting else cls(config, device="meta")).state_dict()
        renamed = {diffusers_name(name): tensor for name, tensor in state_dict.items()}
        load_strict(autoencoder, renamed, expected, "video autoencoder")
        return autoencoder.to(device=device, dtype=dtype).eval().requires_grad_(False)

    def moments(self, video: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the latents as they are, before normalisation, (B, T, C, h, w) float32 each.

        Raises:
            ValueError: the shape does not fit.
        """
        self._check_video(video)
        carried: Carried = {}
        starts = [0, *range(1, video.shape[1], self.config.frames)]
        ends = [*starts[1:], video.shape[1]]
        chunks = []
        for start, end in zip(starts, ends, strict=True):
            chunk = video[:, start:end].to(self.device, self.dtype)
            patches = rearrange(chunk, "b t c (h q) (w r) -> b (c r q) t h w", q=2, r=2)
            chunks.append(self.quant_conv(self.encoder(patches, carried)).float())
        mean, log_variance = torch.cat(chunks, dim=2).transpose(1, 2).chunk(2, dim=2)
        return mean, log_variance

    def encode(self, video: Tensor, *, noise: Tensor | None = None) -> Tensor:
        """Videos (B, n, 3, H, W) in [−1, 1] → latents (B, T, C, h, w) as the flow takes them, float32.

        Args:
            video: n = 4k + 1 frames, whose sides are multiples of 16; or pictures (B, 3, H, W), whose latents are
                (B, C, h, w).
            noise: standard normal, shaped like the latents, for a sample of them, as the training takes it; None for
                their mean.

        Raises:
            ValueError: the number of frames, a side or the noise does not fit.
        """
        if video.ndim == 4:
            return self.encode(video[:, None], noise=None if noise is None else noise[:, None])[:, 0]
        mean, log_variance = self.moments(video)
        z = (mean - self._by_channel(self.config.mean)) / self._by_channel(self.config.std)
        if noise is not None:
            if noise.shape != z.shape:
                raise ValueError(f"noise has shape {tuple(noise.shape)}; the latents have {tuple(z.shape)}.")
            z = z + (0.5 * log_variance.clamp(-30, 20)).exp() * noise.to(z)
        z[:, 1:] *= self.config.temporal_scale
        return z

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (B, T, C, h, w) of the flow → videos (B, 4(T − 1) + 1, 3, 16·h, 16·w), float32; about [−1, 1].

        Latents (B, C, h, w) give pictures (B, 3, 16·h, 16·w).

        Raises:
            ValueError: the shape does not fit.
        """
        if latents.ndim == 4:
            return self.decode(latents[:, None])[:, 0]
        return torch.cat(list(self.decode_frames(latents)), dim=1)

    def decode_frames(self, latents: Tensor) -> Iterator[Tensor]:
        """`decode`, latent frame by latent frame: one frame (B, 1, 3, H, W), then four at a time.

        Raises:
            ValueError: the shape does not fit.
        """
        if latents.ndim != 5 or latents.shape[2] != self.config.z_dim or not latents.numel():
            shape = tuple(latents.shape)
            raise ValueError(f"Latents have shape {shape}; they must be (B, T, {self.config.z_dim}, h, w).")
        carried: Carried = {}
        for i, z in enumerate(latents.split(1, dim=1)):
            z = z.to(self.device, torch.float32) / (self.config.temporal_scale if i else 1.0)
            z = z * self._by_channel(self.config.std) + self._by_channel(self.config.mean)
            h = self.post_quant_conv(z.transpose(1, 2).to(self.dtype))
            patches = self.decoder(h, carried).float()
            yield rearrange(patches, "b (c r q) t h w -> b t c (h q) (w r)", q=2, r=2)

    def _by_channel(self, values: tuple[float, ...]) -> Tensor:
        return torch.tensor(values, device=self.device)[:, None, None]

    def _check_video(self, video: Tensor) -> None:
        f, k = self.config.factor, self.config.frames
        if video.ndim != 5 or video.shape[2] != 3 or not len(video):
            raise ValueError(f"The video has shape {tuple(video.shape)}; it must be (B, n, 3, H, W).")
        n, (H, W) = video.shape[1], video.shape[3:]
        if n % k != 1:
            fitting = max(1, (n - 1) // k * k + 1)
            raise ValueError(
                f"The video has {n} frames; their number must be a multiple of {k} and one more. Keep the first "
                f"{fitting}, or add frames."
            )
        if not H or not W or H % f or W % f:
            raise ValueError(f"The video is {W}×{H} pixels; width and height must be positive multiples of {f}.")
